"""Where the sulci of a folded cortex run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.phantom.signed_distance import Field, Points


@dataclass(frozen=True)
class Sulci:
    """Sulci are the zero lines, on the brain's hull, of a sum of plane waves.

    Attributes:
        waves: (n, 3) wave vectors, radians/mm.
        phases: (n,) radians.
    """

    waves: npt.NDArray[np.float64]
    phases: npt.NDArray[np.float64]

    def distance(self, points: Points) -> Field:
        """Distance in mm, to first order, from points on the hull to the nearest sulcus."""
        value = np.zeros_like(points[0])
        slope = [np.zeros_like(points[0]) for _ in range(3)]
        for wave, phase in zip(self.waves.astype(np.float32), self.phases.astype(np.float32), strict=True):
            angle = sum((p * k for p, k in zip(points, wave, strict=True)), phase)
            value += np.cos(angle)
            sine = np.sin(angle)
            for axis in range(3):
                slope[axis] += wave[axis] * sine
        # Where the sum is flat without being zero the nearest sulcus is far, not infinitely far.
        flat = 0.5 * float(np.linalg.norm(self.waves, axis=1).mean())
        return np.abs(value) / np.sqrt(sum(s**2 for s in slope) + (flat * value) ** 2 + np.float32(1e-6))


def draw_sulci(rng: np.random.Generator, spacing: float = 13.0, count: int = 12) -> Sulci:
    """Random sulci about ``spacing`` mm apart."""
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = 2 * spacing * rng.uniform(0.8, 1.25, size=(count, 1))
    return Sulci(2 * np.pi / lengths * directions, rng.uniform(0, 2 * np.pi, count))

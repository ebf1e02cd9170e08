"""A regular lattice of samples whose axes lie along those of a frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Lattice:
    """Places of an array's samples in a frame.

    Attributes:
        origin: position (x, y, z) of the first one, mm.
        spacing: mm, along each axis.
        shape: samples along (z, y, x), two at least.
    """

    origin: Points
    spacing: float
    shape: tuple[int, int, int]

    def positions(self) -> Points:
        """(Z, Y, X, 3) mm, (x, y, z)."""
        axes = [self.origin[i] + self.spacing * np.arange(self.shape[2 - i]) for i in range(3)]
        return np.stack(np.meshgrid(*axes[::-1], indexing="ij")[::-1], axis=-1)

    def axes(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """x, y and z of the samples, mm, each shaped to broadcast over (z, y, x)."""
        x, y, z = ((self.origin[a] + self.spacing * np.arange(self.shape[2 - a])).astype(np.float32) for a in range(3))
        return x[None, None, :], y[None, :, None], z[:, None, None]

    def index(self, points: Points) -> Points:
        """Positions (…, 3) in mm as positions in samples."""
        return np.asarray((points - self.origin) / self.spacing)

    def from_frame(self) -> Points:
        """4×4 from mm of the frame to index (x, y, z)."""
        matrix = np.diag([1 / self.spacing] * 3 + [1.0])
        matrix[:3, 3] = -self.origin / self.spacing
        return matrix

    def every(self, step: int) -> Lattice:
        """Every so many samples along each axis, from the first one on."""
        z, y, x = (-(-n // step) for n in self.shape)
        return Lattice(self.origin, self.spacing * step, (z, y, x))

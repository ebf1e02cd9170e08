"""Puts an analytic brain into a scanner: one case of a cohort from its plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from feta.measurements import Measurement
from training.phantom.phantom import Phantom, draw_phantom
from training.phantom.tissues import draw_tissues
from training.scanner.case import scan_case
from training.scanner.case_plan import CasePlan, SimulatedCase
from training.scanner.cohort_settings import COHORT, read_cohort_settings

#: The phantom's extent (mm) is found on a lattice of this spacing, this far from its centre.
_STEP, _FURTHEST = 3.0, 81.0


@dataclass(frozen=True)
class PhantomHead:
    """An analytic brain as a head to be scanned; its frame is the head frame, its tissues are even."""

    brain: Phantom

    @cached_property
    def landmarks(self) -> Mapping[Measurement, npt.NDArray[np.float64]]:
        """Both ends (2, 3) of each length, mm."""
        return self.brain.landmarks()

    @property
    def lengths(self) -> Mapping[Measurement, float]:
        """The five lengths, mm."""
        return self.brain.lengths

    @cached_property
    def box(self) -> npt.NDArray[np.float64]:
        """(2, 3) least and greatest x, y, z, mm."""
        axis = torch.arange(-_FURTHEST, _FURTHEST + _STEP, _STEP)
        points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")[::-1], dim=-1)
        inside = points.numpy()[self.at(points)[0] > 0]
        return np.array([inside.min(axis=0) - _STEP, inside.max(axis=0) + _STEP], np.float64)

    def at(self, points: torch.Tensor) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Labels 0–7 and signal (Z, Y, X) at positions (Z, Y, X, 3), mm; the signal is 0."""
        x, y, z = np.moveaxis(points.numpy(), -1, 0)
        labels = np.zeros(x.shape, np.uint8)
        head = x**2 + y**2 + z**2 < (1.4 * self.brain.length) ** 2
        labels[head] = draw_tissues(self.brain, (x[head], y[head], z[head]))
        return labels, np.zeros(labels.shape, np.float32)


@dataclass(frozen=True)
class PhantomMaker:
    """Draws cases with analytic brains. It can be sent to another process.

    Attributes:
        config: settings of the cohort.
    """

    config: Path = COHORT

    def __call__(self, plan: CasePlan) -> SimulatedCase:
        """Draw a case."""
        return scan_case(plan, _draw_head, read_cohort_settings(self.config))


def _draw_head(rng: np.random.Generator, plan: CasePlan) -> PhantomHead:
    return PhantomHead(draw_phantom(rng, plan.age, plan.pathological, plan.site.voxel))

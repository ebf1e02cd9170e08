"""A brain on its way to a finding, as the fields that change it and the rulers that measure it see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from feta.labels import Tissue
from feta.measurements import Measurement
from training.anatomy.velocity_field import Field, Points, swelling_velocity
from training.findings.grown_head import GrownHead

#: Structures are smoothed (mm) before they drive a field.
_SOFT_MM = 1.6
#: A swelling field changes the volume of a piece of its structure by at most this (logarithm) a unit of time.
_PEAK = 0.5


@dataclass(frozen=True)
class Scene:
    """A brain at one moment of its growth; arrays are (Z, Y, X) on the head's lattice.

    Attributes:
        head: as far as it has grown.
    """

    head: GrownHead

    @property
    def spacing(self) -> float:
        """Of the lattice, mm."""
        return self.head.lattice.spacing

    @property
    def landmarks(self) -> Mapping[Measurement, Points]:
        """Both ends (2, 3) of each length at this moment, mm."""
        return self.head.landmarks

    @cached_property
    def places(self) -> Field:
        """(Z, Y, X, 3) mm, (x, y, z)."""
        return self.head.lattice.positions()

    @cached_property
    def labels(self) -> npt.NDArray[np.uint8]:
        """Labels 0–8."""
        return self.head.at(torch.from_numpy(self.places).float())[0]

    def mask(self, *labels: int) -> npt.NDArray[np.bool_]:
        """Where some labels lie."""
        return np.isin(self.labels, labels)

    @cached_property
    def fluid(self) -> Field:
        """Share of external CSF in each cell, of four samples around its own: it may be thinner than a cell."""
        part = self.spacing / 4
        corners = part * np.array([[-1, -1, -1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]])
        found = [self.head.at(torch.from_numpy(self.places + corner).float())[0] == Tissue.ECSF for corner in corners]
        return np.asarray(np.mean(found, axis=0), np.float64)

    def volume(self, *labels: int) -> float:
        """Of some labels, ml."""
        return float(self.mask(*labels).sum()) * self.spacing**3 / 1000

    def section(self, axis: int, position: float, spacing: float) -> tuple[npt.NDArray[np.uint8], Points]:
        """Labels (rows, columns) of a plane across an axis (0 x, 1 y, 2 z) of the head's box, and their places."""
        low, high = self.head.box
        axes = [np.arange(low[i], high[i] + spacing, spacing) for i in range(3)]
        axes[axis] = np.array([position])
        places = np.stack(np.meshgrid(*axes[::-1], indexing="ij")[::-1], axis=-1)
        labels = self.head.at(torch.from_numpy(places).float())[0]
        return labels.squeeze(2 - axis), places.squeeze(2 - axis)

    def soft(self, mask: npt.NDArray[np.bool_]) -> Field:
        """A mask with a soft border."""
        return np.asarray(ndimage.gaussian_filter(mask.astype(np.float64), _SOFT_MM / self.spacing))

    def near(self, mask: npt.NDArray[np.bool_], reach: float) -> Field:
        """1 in a structure, 0 from ``reach`` mm on, smoothly in between."""
        if not mask.any():
            return np.zeros(mask.shape)
        return smooth_step(1 - ndimage.distance_transform_edt(~mask) * self.spacing / reach)

    def swelling(
        self,
        mask: npt.NDArray[Any],
        weights: Field | float = 1.0,
        yielding: Field | None = None,
        share: float = 1.0,
    ) -> Field:
        """The field that swells a structure; followed backwards, it shrinks it.

        Args:
            mask: the structure, or its share of each cell; where it is thin its neighbours are to keep their volume.
            weights: how much more some of it swells.
            yielding: what it is taken from; the space outside the head where there is nothing.
            share: of the volume that is taken from there and not from outside.
        """
        source = np.asarray(mask * weights, np.float64)
        source = _PEAK * source / max(float(source.max()), 1e-9)
        gained = float(source.sum())
        outside = self.soft(self.labels == 0)
        inside = outside if yielding is None else yielding
        for place, part in ((inside, share), (outside, 1 - share)):
            source = source - place * (part * gained / max(float(place.sum()), 1e-9))
        return swelling_velocity(self.head.lattice, source)


def smooth_step(values: npt.NDArray[np.floating]) -> Field:
    """0 at 0 and below, 1 at 1 and above, smooth in between."""
    t = np.clip(values, 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t))

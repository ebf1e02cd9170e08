"""Where a brain is, as a probability that can be asked for at any place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from feta.grid import Matrix, transformed
from inference.geometry.components import largest_component
from inference.geometry.frames import resample

#: What lies this far (mm) beyond the mask is kept: masks of the volumes that networks are trained on are as wide.
MARGIN_MM = 3.0
#: A brain of 18 weeks has more than 20 ml; less than this is no brain.
SMALLEST_BRAIN_ML = 8.0


@dataclass(frozen=True)
class BrainMask:
    """Where the brain is, at any place.

    Attributes:
        probability: (1, Z, Y, X) float32 of brain; 0 but in the largest component.
        to_index: 4×4 from physical RAS mm to index (x, y, z) of ``probability``.
    """

    probability: Tensor
    to_index: Matrix

    @classmethod
    def of(cls, probability: Tensor, to_index: Matrix) -> BrainMask | None:
        """The likeliest component of a probability map on an isotropic grid; None where it is too small for a brain.

        Args:
            probability: (1, Z, Y, X) float32 of brain.
            to_index: 4×4 from physical RAS mm to its index (x, y, z).
        """
        brain = largest_component(probability[0].numpy() > 0.5, 6, probability[0].numpy())
        voxel_ml = 1e-3 / float(np.linalg.norm(to_index[:3, 0])) ** 3
        if brain.sum() * voxel_ml < SMALLEST_BRAIN_ML:
            return None
        # Other components must not come back where the probability is interpolated.
        kept = ndimage.binary_dilation(brain, iterations=2)
        return cls(probability * torch.from_numpy(kept)[None], to_index)

    def on(self, to_ras: Matrix, size: tuple[int, int, int]) -> Tensor:
        """Brain voxels (1, size z, size y, size x), bool, of a grid.

        Args:
            to_ras: 4×4 from its index (x, y, z) to RAS mm.
            size: its voxels along (x, y, z).
        """
        return resample(self.probability, self.to_index @ to_ras, size) > 0.5

    def around(self, to_ras: Matrix, size: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
        """Brain voxels of an isotropic grid as ``on`` gives them, and besides them all within the margin of it."""
        brain = self.on(to_ras, size)
        spacing = float(np.linalg.norm(to_ras[:3, 0]))
        near = ndimage.distance_transform_edt(~brain[0].numpy()) * spacing <= MARGIN_MM
        return brain, torch.from_numpy(near)[None]

    def centre(self) -> npt.NDArray[np.float64]:
        """Its middle, RAS mm."""
        middle = np.array(ndimage.center_of_mass(self.probability[0].numpy() > 0.5))[::-1]
        return transformed(np.linalg.inv(self.to_index), middle[None])[0]

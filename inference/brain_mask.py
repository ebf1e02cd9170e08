"""Where a brain is, as a probability that can be asked for at any place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from feta.grid import transformed
from inference.frames import Matrix, resample

#: What lies this far (mm) beyond the mask is kept: masks of the volumes that networks are trained on are as wide.
MARGIN_MM = 3.0


@dataclass(frozen=True)
class BrainMask:
    """Where the brain is, at any place.

    Attributes:
        probability: (1, Z, Y, X) float32 of brain; 0 but in the largest piece.
        to_index: 4×4 from physical RAS mm to index (x, y, z) of ``probability``.
    """

    probability: Tensor
    to_index: Matrix

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

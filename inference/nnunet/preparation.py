"""What nnU-Net v2 does to a volume before its network (``default_preprocessor.py``): axes, crop, resampling."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from feta.grid import Grid
from feta.volumes import Volume
from inference.geometry.orientation import Reorientation
from inference.nnunet.plans import Plans
from inference.nnunet.resampling import new_shape, resample

Box = tuple[slice, slice, slice]
#: The order of axes in which a volume is stored.
AS_STORED = Reorientation((0, 1, 2), (False, False, False))


@dataclass(frozen=True)
class Prepared:
    """What the network sees of a volume.

    Attributes:
        image: (1, a, b, c) float32, at the plans' spacing.
        box: the part of the volume, in permuted axes, that is not 0.
        spacing: of the volume, mm, permuted axes.
        shape: of the volume, permuted axes.
    """

    image: Tensor
    box: Box
    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]

    @property
    def cropped(self) -> tuple[int, int, int]:
        """Shape of the box."""
        a, b, c = (side.stop - side.start for side in self.box)
        return a, b, c


def training_order(grid: Grid, *, reorient: bool) -> Reorientation:
    """How a volume is turned to the order of axes that training had: as stored, or RAS by the header."""
    if not reorient:
        return AS_STORED
    lps = Reorientation.of(grid)
    left, posterior, superior = lps.mirrored
    return replace(lps, mirrored=(not left, not posterior, superior))


def prepare(volume: Volume, plans: Plans) -> Prepared:
    """Permute the axes, crop to what is not 0, normalise and resample."""
    array = volume.array.astype(np.float32, copy=False).transpose(plans.forward)
    a, b, c = (volume.grid.spacing[::-1][i] for i in plans.forward)
    box = bounding_box(array)
    image = torch.from_numpy(plans.normalisation(np.ascontiguousarray(array[box])))[None]
    shape = new_shape(image.shape[1:], (a, b, c), plans.spacing)
    resampled = resample(image, shape, (a, b, c), plans.spacing, plans.image)
    return Prepared(resampled.contiguous(), box, (a, b, c), array.shape)


def bounding_box(array: npt.NDArray[np.float32]) -> Box:
    """The smallest box that holds all voxels that are not 0; the whole array where all are."""
    found = ndimage.find_objects((array != 0).astype(np.uint8))
    a, b, c = found[0] if found else (slice(0, size) for size in array.shape)
    return a, b, c

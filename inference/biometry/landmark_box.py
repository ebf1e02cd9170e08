"""What the landmark network sees: a box that every brain fills alike, with the image within its labels and the labels.

The box stands in the upright frame (`inference.biometry.midline_alignment`). Its voxels grow with the brain, so that
a brain of 20 weeks and one of 36 have the same size in voxels. Labels come as fractions of a voxel: where a border
lies within a voxel is kept, though voxels are coarse.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from feta.grid import Matrix
from feta.labels import LABEL_COUNT
from feta.volumes import Volume
from inference.geometry.frames import box_to_frame
from inference.geometry.interpolation import affine_sample
from inference.geometry.preprocessing import standardise
from inference.geometry.view import Size

#: Voxels along (x, y, z), and how many of them on each side lie outside the brain.
SIZE = (56, 64, 56)
MARGIN = 3.5
#: Of a head at term and of a small brain whose labels are torn, mm.
SPACINGS = (0.6, 2.6)
#: Labels and image are read this many times finer along each axis, and averaged.
FINER = 2
#: Channels of the network's input: the image, and the fraction of each tissue.
INPUTS = LABEL_COUNT


def brain_box(low: npt.ArrayLike, high: npt.ArrayLike) -> Matrix:
    """The box around a brain.

    Args:
        low: (3,) least x, y, z of the brain in the upright frame, mm.
        high: (3,) greatest.

    Returns:
        4×4 from index (x, y, z) of the box's voxels to the upright frame's mm.
    """
    return box_to_frame(SIZE, *brain_scale(low, high))


def brain_scale(low: npt.ArrayLike, high: npt.ArrayLike) -> tuple[float, npt.NDArray[np.float64]]:
    """Side of the box's voxels and its middle (x, y, z), mm, for the same arguments."""
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    spacing = float(np.max((high - low) / (np.array(SIZE) - 1 - 2 * MARGIN)))
    return float(np.clip(spacing, *SPACINGS)), (low + high) / 2


def read_image(volume: Volume, matrix: Matrix, _size: Size, _spacing: float) -> Tensor:
    """An image (1, Z, Y, X) in the box, for ``view``: the mean of a finer linear interpolation."""
    return averaged(in_box(volume.array, matrix, 1))[None]


def read_fractions(volume: Volume, matrix: Matrix, _size: Size, _spacing: float) -> Tensor:
    """A label map's fractions (8, Z, Y, X) in the box, for ``view``."""
    return fractions(in_box(volume.array, matrix, 0))


def in_box(array: npt.NDArray, box_to_index: Matrix, order: int) -> npt.NDArray:
    """Read an array finely in the box.

    Args:
        array: (z, y, x).
        box_to_index: 4×4, from index (x, y, z) of the box's voxels to index (x, y, z) of the array.
        order: 0 nearest, 1 linear.

    Returns:
        ``FINER`` times the box's voxels along (z, y, x): the array's dtype, float32 where linear; 0 beyond the array.
    """
    finer = np.diag([1 / FINER] * 3 + [1.0])
    finer[:3, 3] = (1 / FINER - 1) / 2
    matrix = box_to_index @ finer
    shape = tuple(FINER * n for n in reversed(SIZE))
    dtype = np.dtype(np.float32) if order else array.dtype
    return affine_sample(
        array, matrix[:3, :3], matrix[:3, 3], shape, order=1 if order else 0, mode="grid-constant", dtype=dtype
    )


def averaged(fine: npt.NDArray) -> Tensor:
    """Mean (Z, Y, X) float32 over the fine voxels (Z·FINER, …) that make up each of the box's."""
    return F.avg_pool3d(torch.from_numpy(fine.astype(np.float32))[None], FINER)[0]


def fractions(fine: npt.NDArray[np.uint8]) -> Tensor:
    """Which part of each voxel has each label, from fine labels (Z·FINER, …): (8, Z, Y, X) float32, their sum 1."""
    tissues = torch.stack([averaged(fine == label) for label in range(1, LABEL_COUNT)])
    return torch.cat((1 - tissues.sum(0, keepdim=True), tissues))


def network_input(image: Tensor, labels: Tensor) -> Tensor:
    """The network's channels.

    Args:
        image: (Z, Y, X) float32.
        labels: (8, Z, Y, X) float32, fractions of the labels.

    Returns:
        (8, Z, Y, X): the image, standardised within the labels and 0 outside, then the seven tissues' fractions.
    """
    brain = 1 - labels[0]
    inside = brain > 0.5
    shown = standardise(image, inside) * brain if inside.any() else torch.zeros_like(image)
    return torch.cat((shown[None], labels[1:]))

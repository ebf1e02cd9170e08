"""A view of a volume: what lies in an isotropic box of some frame, resampled and normalised for a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from feta.grid import Matrix, box_corners, transformed
from feta.volumes import Volume
from inference.geometry.blur import gaussian_blur
from inference.geometry.frames import box_to_frame, index_to_ras, resample

Size = tuple[int, int, int]


@dataclass(frozen=True)
class View:
    """An image in a box of a frame.

    Attributes:
        image: (C, Z, Y, X) float32.
        box: 4×4 from index (x, y, z) to the frame's mm.
        to_ras: 4×4 from index (x, y, z) to RAS mm.
    """

    image: Tensor
    box: Matrix
    to_ras: Matrix

    @property
    def size(self) -> Size:
        """Voxels along (x, y, z)."""
        return self.image.shape[3], self.image.shape[2], self.image.shape[1]

    @property
    def to_index(self) -> Matrix:
        """4×4 from RAS mm to index (x, y, z)."""
        return np.asarray(np.linalg.inv(self.to_ras), np.float64)


#: Reads a volume in a box: its arguments are the volume, the 4×4 matrix from the box's index (x, y, z) to the volume's,
#: the box's voxels along (x, y, z) and their side in mm; it gives (C, Z, Y, X) float32.
Reader = Callable[[Volume, Matrix, Size, float], Tensor]


def without_aliasing(volume: Volume, matrix: Matrix, size: Size, spacing: float) -> Tensor:
    """Linear interpolation (1, Z, Y, X) of a volume that is blurred to the box's resolution; 0 outside of it.

    The point spread function is a Gaussian whose full width at half maximum makes up the difference between the two
    voxel sizes.
    """
    sigmas = [np.sqrt(max(spacing**2 - s**2, 0.0)) / (2.355 * s) for s in volume.grid.spacing[::-1]]
    array = volume.array.astype(np.float32)
    if max(sigmas) > 0.3:
        slices, rows = (_touched(matrix, size, axis, array.shape[2 - axis]) for axis in (2, 1))
        array = gaussian_blur(array, sigmas, 2.5, slices, rows)
    return resample(torch.from_numpy(array)[None], matrix, size)


def _touched(matrix: Matrix, size: Size, axis: int, count: int) -> npt.NDArray[np.bool_]:
    """Which of a volume's ``count`` voxels along an axis (0 x, 1 y, 2 z) are read for a box.

    Args:
        matrix: 4×4 from the box's index (x, y, z) to the volume's.
        size: of the box.
    """
    runs_along = np.flatnonzero(matrix[axis, :3])
    if len(runs_along) == 1:
        places = matrix[axis, runs_along[0]] * np.arange(size[runs_along[0]]) + matrix[axis, 3]
    else:
        corners = transformed(matrix, box_corners((0, 0, 0), np.subtract(size, 1)))[:, axis]
        places = np.arange(np.floor(corners.min()), np.ceil(corners.max()) + 1)
    # Where places lie is rounded in sampling: a little is added on either side.
    found = np.concatenate([np.floor(places + off) + beside for off in (-0.01, 0.01) for beside in (0, 1)])
    touched = np.zeros(count, np.bool_)
    touched[found[(found >= 0) & (found < count)].astype(int)] = True
    return touched


def view(
    source: Volume | View,
    frame: Matrix,
    spacing: float,
    size: Size,
    centre: npt.ArrayLike = (0.0, 0.0, 0.0),
    *,
    read: Reader = without_aliasing,
    normalise: Callable[[View], Tensor] | None = None,
    frame_last: bool = False,
) -> View:
    """Resample a volume, or an earlier view of one, into an isotropic box of a frame.

    Args:
        source: the volume (z, y, x); an earlier view is coarse enough already and is interpolated as it is.
        frame: 4×4 from the frame's mm to RAS mm.
        spacing: side of the box's voxels, mm.
        size: voxels of the box along (x, y, z).
        centre: middle (x, y, z) of the box in the frame, mm.
        read: how a volume is resampled.
        normalise: gives the image that is kept, from the view; the image as it was resampled where None.
        frame_last: multiply the frame by the box before the source's matrix rather than after it. The two differ in
            rounding only, which decides a few voxels' last bit.
    """
    box = box_to_frame(size, spacing, centre)
    to_ras = frame @ box
    from_ras = source.to_index if isinstance(source, View) else np.linalg.inv(index_to_ras(source.grid))
    matrix = from_ras @ to_ras if frame_last else from_ras @ frame @ box
    image = resample(source.image, matrix, size) if isinstance(source, View) else read(source, matrix, size, spacing)
    found = View(image, box, to_ras)
    return found if normalise is None else View(normalise(found), box, to_ras)

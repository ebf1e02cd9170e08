"""Native space: probabilities resampled from the upright box to the volume's own grid."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from feta.grid import Matrix, box_corners, transformed
from inference.geometry.frames import SLAB_VOXELS, coordinates, sample
from inference.geometry.orientation import Reorientation

#: Of a background likelier than this, every score rounds to 255, and every other label's to 0.
CERTAIN = 0.9985


@dataclass(frozen=True)
class NativeSpaceLabels:
    """Labels of a whole grid in native space, and scores of the part of it that the box touches.

    Attributes:
        labels: (Z, Y, X) uint8, the likeliest.
        part: slices (z, y, x) of the grid.
        scores: (L, z, y, x) uint8, probabilities within the part in units of 1/255; None where not asked for.
    """

    labels: npt.NDArray[np.uint8]
    part: tuple[slice, slice, slice]
    scores: npt.NDArray[np.uint8] | None


@dataclass(frozen=True)
class Prediction:
    """What networks predict for a volume, in its native space.

    Attributes:
        native: labels and scores, with the grid's axes in the order that the networks saw.
        to_canonical: 4×4 from index (x, y, z) of the labels to canonical brain mm.
        order: how the volume's axes were put into that order; its ``undo`` gives the order in which it is stored.
        warnings: about how it was made, one line each.
    """

    native: NativeSpaceLabels
    to_canonical: Matrix
    order: Reorientation
    warnings: tuple[str, ...] = ()


def resample_to_native(
    probabilities: Tensor, matrix: Matrix, size: tuple[int, int, int], *, scores: bool = False
) -> NativeSpaceLabels:
    """Interpolate probabilities on a grid and take the likeliest label.

    Args:
        probabilities: (L, Z, Y, X) float32; outside of it is background.
        matrix: from index (x, y, z) of the grid to index (x, y, z) of the probabilities.
        size: of the grid, voxels along (x, y, z).
        scores: whether to keep them.
    """
    labels = np.zeros(size[::-1], dtype=np.uint8)
    low, high = _reach(probabilities, matrix, size)
    x, y, z = (max(0, int(n)) for n in high - low)
    part = (slice(low[2], low[2] + z), slice(low[1], low[1] + y), slice(low[0], low[0] + x))
    kept = np.zeros((len(probabilities), z, y, x), np.uint8) if scores else None
    if not x * y * z:
        return NativeSpaceLabels(labels, part, kept)
    shift = np.eye(4)
    shift[:3, 3] = low
    fill = _on_cpu if probabilities.device.type == "cpu" else _on_device
    fill(probabilities, matrix @ shift, labels[part], kept)
    return NativeSpaceLabels(labels, part, kept)


def _on_cpu(probabilities: Tensor, matrix: Matrix, labels: npt.NDArray, scores: npt.NDArray | None) -> None:
    """Fill labels (z, y, x), and scores (L, z, y, x) where there are any, by the compiled loop; a thread a slab."""
    # numba takes a while to import, which a run on a GPU needn't pay.
    from inference.geometry.native_kernel import interpolate

    sure = probabilities[0].numpy() > (0.5 if scores is None else CERTAIN)
    sure = sure[1:] & sure[:-1]
    sure = sure[:, 1:] & sure[:, :-1]
    sure = sure[:, :, 1:] & sure[:, :, :-1]
    values = probabilities.movedim(0, -1).contiguous().numpy()
    kept = np.zeros((len(probabilities), 0, 0, 0), np.uint8) if scores is None else scores
    count = torch.get_num_threads()
    ends = np.linspace(0, len(labels), 4 * count + 1).astype(int)

    def fill(first: int, last: int) -> None:
        interpolate(
            values, sure, np.ascontiguousarray(matrix[:3]), first, labels[first:last], kept[:, first:last],
            scores is not None,
        )  # fmt: skip

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(fill, ends[:-1].tolist(), ends[1:].tolist()))


def _on_device(probabilities: Tensor, matrix: Matrix, labels: npt.NDArray, scores: npt.NDArray | None) -> None:
    """The same by torch where the probabilities lie, slab by slab, so that only one is ever held as floats."""
    z, y, x = labels.shape
    slab = max(1, SLAB_VOXELS // (x * y))
    for start in range(0, z, slab):
        where = slice(start, min(start + slab, z))
        values = sample(probabilities, coordinates(matrix, (x, y, z), where, probabilities.device))
        values[0] += 1 - values.sum(0)  # what lies outside the box is background
        labels[where] = values.argmax(0).to(torch.uint8).cpu().numpy()
        if scores is not None:
            scores[:, where] = values.mul_(255).round_().clamp_(0, 255).to(torch.uint8).cpu().numpy()


def _reach(
    probabilities: Tensor, matrix: Matrix, size: tuple[int, int, int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The part of the grid, (x, y, z) from low to below high, that the probabilities' box touches."""
    ends = box_corners((-1, -1, -1), probabilities.shape[:0:-1])
    corners = transformed(np.linalg.inv(matrix), ends)
    low = np.clip(np.floor(corners.min(0)), 0, size).astype(np.int64)
    high = np.clip(np.ceil(corners.max(0)) + 1, 0, size).astype(np.int64)
    return low, high

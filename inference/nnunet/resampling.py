"""Resampling as nnU-Net v2 does it (``default_resampling.py``, ``resample_torch.py``), an axis at a time.

nnU-Net calls scikit-image's ``resize`` (``scipy.ndimage.zoom`` with pixel centres at half places and repeated edges)
in float64. Spline interpolation is linear in the image and separable, so that along each axis it is a product with a
small matrix, whose columns are what scipy makes of the unit vectors. Where voxels are far from cubes, the thick axis
is resampled by another order, after the two others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast, get_args

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from inference.nnunet.errors import Unsupported

#: A ratio of voxel sides beyond which the thick axis is resampled by itself.
ANISOTROPY = 3.0
#: Axes of an array of three dimensions behind the channel.
AXES = (0, 1, 2)
#: Degrees of a spline.
Order = Literal[0, 1, 2, 3, 4, 5]
CLASSIC, TORCH = "resample_data_or_seg_to_shape", "resample_torch_fornnunet"


@dataclass(frozen=True)
class SplineResampling:
    """How an array is resampled.

    Attributes:
        order: of the spline.
        thick_order: of the spline along a thick axis.
        separate: resample a thick axis by itself; None where the spacing decides.
        threshold: the ratio of voxel sides that decides.
    """

    order: int = 3
    thick_order: int = 0
    separate: bool | None = None
    threshold: float = ANISOTROPY

    def thick_axis(self, spacing: Sequence[float], new_spacing: Sequence[float]) -> int | None:
        """The axis (0–2) that is resampled by itself, if any: by the spacing before, else by the one after."""
        if self.separate is False:
            return None
        for candidate in (spacing, new_spacing):
            if self.separate or max(candidate) / min(candidate) > self.threshold:
                longest = [axis for axis in AXES if candidate[axis] == max(candidate)]
                # Two thick axes are no slices.
                return longest[0] if len(longest) == 1 else None
        return None


def read_scheme(chosen: Mapping[str, Any], what: str) -> SplineResampling:
    """The scheme that a configuration names.

    Args:
        chosen: a configuration of the plans.
        what: ``resampling_fn_data`` or ``resampling_fn_probabilities``.

    Raises:
        Unsupported: a function or an argument that is not known.
    """
    name, arguments = chosen[what], dict(chosen.get(f"{what}_kwargs", {}))
    forced = arguments.pop("force_separate_z", False if name == CLASSIC else None)
    threshold = float(arguments.pop("separate_z_anisotropy_threshold", ANISOTROPY))
    if name == CLASSIC:
        order, thick = int(arguments.pop("order", 3)), int(arguments.pop("order_z", 0))
        unknown = set(arguments) - {"is_seg"}
    elif name == TORCH:
        # Multilinear in torch's sense is a spline of order 1, its "nearest-exact" one of order 0.
        modes = (arguments.pop("mode", "linear"), arguments.pop("aniso_axis_mode", "nearest-exact"))
        order, thick = 1, 0
        unknown = set(arguments) - {"is_seg", "num_threads", "device", "memefficient_seg_resampling"}
        unknown |= set() if modes == ("linear", "nearest-exact") else {f"modes {modes}"}
    else:
        raise Unsupported(f"{what} {name} is not known")
    if unknown or arguments.get("is_seg"):
        raise Unsupported(f"{what} has arguments that are not known: {', '.join(sorted(unknown)) or 'is_seg'}")
    if not {order, thick} <= set(get_args(Order)):
        raise ValueError(f"{what} of order {order} and {thick}")
    return SplineResampling(order, thick, forced, threshold)


def new_shape(shape: Sequence[int], spacing: Sequence[float], new_spacing: Sequence[float]) -> tuple[int, int, int]:
    """Shape after a change of spacing, rounded."""
    a, b, c = (round(old / new * n) for old, new, n in zip(spacing, new_spacing, shape, strict=True))
    return max(1, a), max(1, b), max(1, c)


def resample(
    array: Tensor,
    shape: Sequence[int],
    spacing: Sequence[float],
    new_spacing: Sequence[float],
    scheme: SplineResampling,
) -> Tensor:
    """Resample each channel to a shape.

    Args:
        array: (C, a, b, c) float32.
        shape: wanted, (a, b, c).
        spacing: of the array's axes, mm; only its anisotropy matters.
        new_spacing: wanted; likewise.
        scheme: how.

    Returns:
        (C, *shape) float32.
    """
    if tuple(array.shape[1:]) == tuple(shape):
        return array
    thick = scheme.thick_axis(spacing, new_spacing)
    within = [axis for axis in AXES if axis != thick]
    result = array
    for axis in within:
        result = along(result, axis, weights(array.shape[axis + 1], shape[axis], scheme.order))
    if scheme.order > 1 and any(array.shape[axis + 1] != shape[axis] for axis in within):
        # Splines overshoot: scikit-image clips to the range of what it was given, an image or a slice.
        dims = [axis + 1 for axis in within]
        result = result.clamp(array.amin(dims, keepdim=True), array.amax(dims, keepdim=True))
    if thick is not None:
        result = along(result, thick, weights(array.shape[thick + 1], shape[thick], scheme.thick_order))
    return result


def along(array: Tensor, axis: int, matrix: Tensor) -> Tensor:
    """Multiply one axis of (C, a, b, c) by a matrix (new, old)."""
    if matrix.shape[0] == matrix.shape[1]:
        return array
    if axis == 2:
        return array @ matrix.T.to(array.device)
    moved = array.movedim(axis + 1, -2)
    return (matrix.to(array.device) @ moved).movedim(-2, axis + 1)


@lru_cache(maxsize=16)
def weights(old: int, new: int, order: int) -> Tensor:
    """What each of ``new`` voxels takes of each of ``old`` along an axis of the same extent, (new, old) float32."""
    centres = old / new * (np.arange(new) + 0.5) - 0.5
    units = np.eye(old)
    degree = cast(Order, order)
    columns = [ndimage.map_coordinates(unit, centres[None], order=degree, mode="nearest") for unit in units]
    return torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))


def resampled_slabs(
    array: Tensor,
    shape: Sequence[int],
    spacing: Sequence[float],
    new_spacing: Sequence[float],
    scheme: SplineResampling,
    voxels: int = 2**21,
) -> Iterator[tuple[slice, Tensor]]:
    """What ``resample`` gives, some slices of the first axis at a time.

    Args:
        array, shape, spacing, new_spacing, scheme: as for ``resample``.
        voxels: of a slab, about.

    Yields:
        the slices, and their values (C, slices, b, c).
    """
    step = max(1, voxels // (shape[1] * shape[2]))
    pieces = [slice(start, min(start + step, shape[0])) for start in range(0, shape[0], step)]
    # Splines of a higher order reach through the whole array, and their range is the whole one's.
    if scheme.order > 1 or tuple(array.shape[1:]) == tuple(shape):
        whole = resample(array, shape, spacing, new_spacing, scheme)
        yield from ((piece, whole[:, piece]) for piece in pieces)
        return
    orders = [scheme.order] * 3
    if (thick := scheme.thick_axis(spacing, new_spacing)) is not None:
        orders[thick] = scheme.thick_order
    first, second, third = (weights(array.shape[axis + 1], shape[axis], orders[axis]) for axis in AXES)
    for piece in pieces:
        used = first[piece].any(0).nonzero()
        low, high = int(used.min()), int(used.max()) + 1
        values = torch.einsum("ij,cjkl->cikl", first[piece, low:high], array[:, low:high])
        yield piece, along(along(values, 1, second), 2, third)

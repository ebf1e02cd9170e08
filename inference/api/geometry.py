"""Where the voxels of an array lie, as the header of a file would say it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from feta.errors import FetaError
from feta.grid import Grid, StoredGeometry
from feta.nifti import (
    MAX_EXTENT_MM,
    MAX_SIDE,
    MAX_VOXELS,
    MIN_EXTENT_MM,
    SIZES_DIFFER,
    Header,
    is_orthogonal,
    parse_header,
    write_header,
)

#: As that of inference.geometry.frames, which needs torch.
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
#: Codes of a header whose affine stands in its sform alone ("aligned", as nibabel writes it), and of one without any.
_SFORM, _NO_FORM = (0, 2), (0, 0)
_MILLIMETRES = 2
_FOUR_ROWS = "give 4×4 from index (x, y, z) to RAS mm, as nibabel's image.affine"


def header_of(geometry: StoredGeometry, size: Sequence[int], source: Path) -> Header:
    """The header that a file of this geometry would have, read as it is read from a file.

    Args:
        geometry: of the voxels.
        size: (x, y, z).
        source: what messages call it.

    Raises:
        FetaError: too many voxels, too large, sheared.
    """
    x, y, z = size
    _check_size(size, source)
    return parse_header(write_header(geometry, (x, y, z), np.dtype(np.float32)), source)


def of_affine(affine: Any, spacing: tuple[float, float, float] | None) -> StoredGeometry:
    """The geometry of an affine.

    Args:
        affine: 4×4 from index (x, y, z) to RAS mm.
        spacing: mm along (x, y, z), if that was said, too.

    Raises:
        FetaError: it is none, or contradicts the spacing.
    """
    matrix = _numbers(affine)
    if matrix.shape != (4, 4):
        said = f"of shape {matrix.shape}" if matrix.size else "no array of numbers"
        raise FetaError("affine", f"is {said}, not (4, 4)", _FOUR_ROWS)
    if not np.isfinite(matrix).all():
        raise FetaError("affine", "holds numbers that are NaN or infinite", _FOUR_ROWS)
    if not np.allclose(matrix[3], [0, 0, 0, 1]):
        raise FetaError("affine", f"has a last row of {_short(matrix[3])}, not (0, 0, 0, 1)", _FOUR_ROWS)
    sides = np.linalg.norm(matrix[:3, :3], axis=0)
    if not sides.all() or abs(np.linalg.det(matrix[:3, :3] / sides)) < SIZES_DIFFER:
        raise FetaError("affine", "is singular: its axes lie in a plane", _FOUR_ROWS)
    if spacing is not None and np.abs(np.divide(spacing, sides) - 1).max() > SIZES_DIFFER:
        raise FetaError("spacing", f"is {_short(spacing)}, and by the affine {_short(sides)}", "give one of the two")
    return StoredGeometry(_SFORM, _pixdim(sides), (0.0,) * 6, tuple(matrix[:3].ravel().tolist()), _MILLIMETRES)


def of_spacing(spacing: tuple[float, float, float]) -> StoredGeometry:
    """The geometry of voxels of which only the size is known, mm along (x, y, z)."""
    return StoredGeometry(_NO_FORM, _pixdim(spacing), (0.0,) * 6, (0.0,) * 12, _MILLIMETRES)


def of_header(image: Any, size: Sequence[int]) -> StoredGeometry:
    """The geometry of an image of nibabel: all of its header's fields, as long as the header says what its affine says.

    Raises:
        FetaError: its affine can't be used.
    """
    fields = image.header
    if "sform_code" not in list(getattr(fields, "keys", tuple)()):  # of another format than NIfTI
        return of_affine(image.affine, None)
    stored = StoredGeometry(
        (int(fields["qform_code"]), int(fields["sform_code"])),
        tuple(float(v) for v in fields["pixdim"]),
        tuple(float(fields[name]) for name in _QUATERNION),
        tuple(float(v) for name in ("srow_x", "srow_y", "srow_z") for v in fields[name]),
        int(fields["xyzt_units"]),
    )
    if image.affine is None or np.allclose(image.affine, fields.get_best_affine(), atol=1e-4):
        return stored
    return of_affine(image.affine, None)


_QUATERNION = ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")


def of_simpleitk(image: sitk.Image, source: Path) -> Grid:
    """The grid of an image of SimpleITK; without an orientation where it was read from a file that has none.

    Raises:
        FetaError: it isn't three-dimensional, too large, or its axes are not at right angles.
    """
    size = image.GetSize()
    if len(size) != 3:
        raise FetaError(source, f"has {len(size)} dimensions {size}, not three", "extract one three-dimensional volume")
    _check_size(size, source)
    # Adding 0.0 turns −0.0 into 0.0, as for files.
    spacing, origin = (tuple(v + 0.0 for v in get()) for get in (image.GetSpacing, image.GetOrigin))
    grid = Grid(size, spacing, origin, tuple(v + 0.0 for v in image.GetDirection()))
    if not is_orthogonal(grid):
        raise FetaError(source, "its direction is not of right angles", "resample it to orthogonal axes")
    extent = max(n * s for n, s in zip(size, spacing, strict=True))
    if not MIN_EXTENT_MM <= extent <= MAX_EXTENT_MM:
        raise FetaError(source, f"extends over {extent:g} mm", "correct its spacing, which is in mm")
    known = [image.GetMetaData(key) for key in ("qform_code", "sform_code") if image.HasMetaDataKey(key)]
    unoriented = len(known) == 2 and {code.strip() for code in known} == {"0"}
    return grid.with_header(of_spacing(grid.spacing)) if unoriented else grid


def checked_spacing(spacing: Any) -> tuple[float, float, float]:
    """Three sizes of voxels, mm along (x, y, z).

    Raises:
        FetaError: they are no such.
    """
    sizes = _numbers(spacing)
    remedy = "give three numbers (x, y, z) in mm, such as (0.8, 0.8, 0.8)"
    if sizes.shape != (3,):
        raise FetaError("spacing", f"is {str(spacing)[:60]}, not three numbers", remedy)
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise FetaError("spacing", f"is {_short(sizes)}, not positive throughout", remedy)
    return float(sizes[0]), float(sizes[1]), float(sizes[2])


def ras_affine(grid: Grid) -> npt.NDArray[np.float64]:
    """4×4 from index (x, y, z) to RAS mm."""
    return np.asarray(LPS_TO_RAS @ grid.affine(), np.float64)


def _check_size(size: Sequence[int], source: Path) -> None:
    if math.prod(size) > MAX_VOXELS or max(size) > MAX_SIDE:
        raise FetaError(
            source, f"has {' × '.join(map(str, size))} voxels, the limit is {MAX_VOXELS} in all", "crop or resample it"
        )


def _pixdim(sides: npt.ArrayLike) -> tuple[float, ...]:
    return (1.0, *np.asarray(sides, np.float64).tolist(), 0.0, 0.0, 0.0, 0.0)


def _numbers(values: Any) -> npt.NDArray[np.float64]:
    """An array of float64; an empty one where they are no numbers."""
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError, RuntimeError):
        return np.empty(0)


def _short(values: npt.ArrayLike) -> str:
    return "(" + ", ".join(f"{v:g}" for v in np.asarray(values).tolist()) + ")"

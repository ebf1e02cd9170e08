"""The one reader and the one writer of volumes (NIfTI; arrays in (z, y, x) order).

Reading never trusts the file: it must be a regular file and not a link, its bytes are
taken once, gzip is read to its end with checksum and length held, and its length must be
the one that its header declares.
"""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from zlib_ng import gzip_ng

from feta.errors import FetaError, HostError, error_kind
from feta.files import GZIP_MAGIC, blocks, fingerprint, gunzip, open_regular, write_atomically
from feta.grid import Grid
from feta.labels import LABEL_COUNT
from feta.nifti import FIRST_VOXEL, HEADER_BYTES, MAX_VOXELS, Header, parse_header, write_header

__all__ = [
    "MAX_VOXELS",
    "Volume",
    "fingerprint",
    "gather",
    "read_label_map",
    "read_volume",
    "volume_of",
    "voxel_count",
    "write_label_map",
    "write_volume",
]


#: A lowest value in more than this share of all voxels is background: measured values are spread, and ringing is rare.
_BACKGROUND_SHARE = 0.01


@dataclass(frozen=True)
class Volume:
    """An array (z, y, x), C-contiguous, and where it lies.

    Attributes:
        array: the values.
        grid: where they lie.
        warnings: what the user should know of the file that it was read from, one line each.
    """

    array: npt.NDArray
    grid: Grid
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape:
            raise ValueError(f"array {self.array.shape} does not fit grid {self.grid.shape}")


def read_volume(path: Path) -> Volume:
    """Read a volume as float32 (z, y, x), every voxel finite, the header's scaling applied.

    Voxels outside the head that are no numbers, as masking by division leaves them, become 0, with a warning.

    Raises:
        FetaError: anything is wrong with the file, in one line.
    """
    header, stored = _load(path)
    return volume_of(header, stored, path)


def volume_of(header: Header, stored: npt.NDArray, path: Path) -> Volume:
    """The volume that a file holds, as `read_volume` gives it, from its header and its values.

    Args:
        header: says where the voxels lie.
        stored: the values (z, y, x) as they are stored.
        path: for messages.

    Raises:
        FetaError: the file contradicts itself, or a value can't be used.
    """
    if header.contradiction:
        raise FetaError(path, f"contradicts itself: {header.contradiction}", "correct whichever is wrong")
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is infinite, and dealt with below
        values = _scaled(header, stored).astype(np.float32, copy=False)
    values = np.require(values, requirements=["C", "A", "W"])
    warnings, lowest = header.warnings, values.min()
    # Minimum and maximum pass a NaN on, so two numbers tell about all voxels.
    if not (np.isfinite(lowest) and np.isfinite(values.max())):
        if np.isfinite(stored).sum() > np.isfinite(values).sum():
            raise FetaError(path, "holds values beyond float32, which are infinite there", "rescale them")
        count = _zero_outside(values, path)
        warnings = (*warnings, f"{count} voxels outside the head that are NaN or infinite were set to 0")
        lowest = values.min()
    if lowest < 0 and (said := _zero_background(values, lowest)):
        warnings = (*warnings, said)
    return Volume(values, header.grid, warnings)


def _zero_background(values: npt.NDArray[np.float32], lowest: np.float32) -> str:
    """Make a negative background 0, as everything behind takes it to be; a warning, or "" where there is none.

    MIRTK and SVRTK pad with −1; standardised intensities have the background far below 0. It is the lowest value where
    that is so common that it can be no measurement.
    """
    background = values == lowest
    if np.count_nonzero(background) < max(2, _BACKGROUND_SHARE * values.size):
        return ""
    if np.count_nonzero(values < 0) - np.count_nonzero(background) > _BACKGROUND_SHARE * values.size:
        values -= lowest
        return f"its background is {lowest:g}, with tissue below 0: {-lowest:g} was added everywhere"
    values[background] = 0.0
    return f"its background is {lowest:g}: taken for 0"


def _zero_outside(values: npt.NDArray[np.float32], path: Path) -> int:
    """Set to 0 what isn't finite and is joined to the volume's faces; say how many voxels.

    Raises:
        FetaError: there are such voxels inside, or no others.
    """
    odd = ~np.isfinite(values)
    pieces = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(odd.astype(np.uint8)), True))
    faces = [pieces[index] for axis in range(3) for index in ((slice(None),) * axis + (end,) for end in (0, -1))]
    outside = np.unique(np.concatenate([face.ravel() for face in faces]))
    if odd.all() or not np.isin(np.unique(pieces), np.append(outside, 0)).all():
        raise FetaError(path, "holds voxels inside the head that are NaN or infinite", "replace them by zeros")
    values[odd] = 0.0
    return int(odd.sum())


def read_label_map(path: Path, grid: Grid | None = None) -> Volume:
    """Read a label map as uint8 (z, y, x), whole numbers 0–7.

    Args:
        path: the file.
        grid: the grid of the image that it belongs to, if it must lie on one.

    Raises:
        FetaError: anything is wrong with the file, in one line.
    """
    header, stored = _load(path)
    gap = grid.difference(header.grid) if grid else None
    if gap:
        raise FetaError(path, f"is not on the grid of its image: {gap}", "resample it to the image")
    values = _scaled(header, stored)
    low, high = values.min(), values.max()
    if not (low >= 0 and high < LABEL_COUNT):  # a NaN fails both
        said = "labels that are no numbers (NaN)" if np.isnan(low) else f"labels from {low:g} to {high:g}"
        raise FetaError(path, f"holds {said}, not 0 to {LABEL_COUNT - 1}")
    labels = values.astype(np.uint8)
    if values.dtype.kind == "f" and not np.array_equal(labels, values):
        odd = values[labels != values].flat[0]
        raise FetaError(path, f"holds {odd:.7g}, labels are whole numbers", "resample with nearest neighbours")
    return Volume(labels, header.grid, header.warnings)


def write_label_map(path: Path, volume: Volume) -> None:
    """Write a label map as uint8, atomically; gzipped where the name ends in .gz.

    On a grid that was read from a file it carries that file's own forms, codes and voxel sizes; on any other, both
    forms alike.

    Raises:
        FetaError: it can't be written.
        ValueError: the array is no label map.
    """
    labels = volume.array.astype(np.uint8)
    if not np.array_equal(labels, volume.array) or labels.max(initial=0) >= LABEL_COUNT:
        raise ValueError(f"labels must be whole numbers from 0 to {LABEL_COUNT - 1}")
    _write(path, labels, volume.grid, level=6)


def write_volume(path: Path, volume: Volume) -> None:
    """Write a volume as float32, with a header as ``write_label_map`` writes it, atomically; gzipped for .gz.

    Raises:
        FetaError: it can't be written.
    """
    # Noise hardly compresses: more effort than level 1 costs seconds and gains a few percent.
    _write(path, volume.array.astype(np.float32), volume.grid, level=1)


def voxel_count(path: Path) -> int:
    """How many voxels a volume has, by its header; nothing else of the file is looked at.

    Raises:
        FetaError: the header can't be used.
    """
    with _inflated(path) as pieces:
        return math.prod(parse_header(_first(pieces, HEADER_BYTES), path).grid.size)


def _load(path: Path) -> tuple[Header, npt.NDArray]:
    """Header, and the stored values as an array (z, y, x) of the header's dtype."""
    with _inflated(path) as pieces:
        head = _first(pieces, HEADER_BYTES)
        header = parse_header(head, path)
        data = gather(head, pieces, header.total_bytes, path)
    return header, data[header.offset :].view(header.dtype).reshape(header.grid.shape)


@contextmanager
def _inflated(path: Path) -> Iterator[Iterator[bytes]]:
    """The bytes of a file in pieces, inflated where it is gzipped."""
    try:
        with open_regular(path) as file:
            zipped = file.read(2) == GZIP_MAGIC
            file.seek(0)
            yield gunzip(file, path) if zipped else blocks(file)
    except OSError as error:
        raise error_kind(error)(path, f"cannot be read ({error.strerror})") from error


def _first(pieces: Iterator[bytes], count: int) -> bytes:
    """The first ``count`` bytes or more of a stream, or all of a shorter one."""
    head = b""
    while len(head) < count and (piece := next(pieces, None)) is not None:
        head += piece
    return head


def gather(head: bytes, pieces: Iterator[bytes], total: int, path: Path) -> npt.NDArray[np.uint8]:
    """All bytes of a stream that must be ``total`` bytes long; nothing beyond is kept."""
    try:
        data = np.empty(total, np.uint8)
    except MemoryError as error:
        raise FetaError(path, f"needs {total >> 20} MiB of memory, more than there is") from error
    at = 0
    for piece in itertools.chain([head], pieces):
        if at + len(piece) > total:
            raise FetaError(path, f"holds more than the {total} bytes that its header declares", "copy the file again")
        data[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
        at += len(piece)
    if at < total:
        raise FetaError(path, f"is truncated: {at} of {total} bytes", "copy the file again")
    return data


def _scaled(header: Header, stored: npt.NDArray) -> npt.NDArray:
    """The values meant: as stored, or float32 where the header scales them (computed in float64)."""
    if not header.scaled:
        return stored
    values = np.empty(stored.shape, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        np.multiply(stored, header.slope, out=values, dtype=np.float64, casting="unsafe")
        np.add(values, header.intercept, out=values, dtype=np.float64, casting="unsafe")
    return values


def _write(path: Path, array: npt.NDArray, grid: Grid, level: int) -> None:
    """Form the file, then put it in place in one step."""
    if (geometry := grid.header) is not None:
        stored = array.astype(array.dtype.newbyteorder("<"), copy=False)
        data = write_header(geometry, grid.size, array.dtype) + stored.tobytes()
    else:
        data = _formed_by_simpleitk(path, array, grid)
    # No time stamp: the same result gives the same bytes.
    write_atomically(path, gzip_ng.compress(data, level, mtime=0) if path.suffix == ".gz" else data)


def _formed_by_simpleitk(path: Path, array: npt.NDArray, grid: Grid) -> bytes:
    """Let SimpleITK form the file in a private folder."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)
    try:
        with tempfile.TemporaryDirectory(prefix="feta-") as folder:
            file = Path(folder) / "volume.nii"
            sitk.WriteImage(image, str(file), imageIO="NiftiImageIO")
            data = file.read_bytes()
    except (OSError, RuntimeError) as error:
        raise HostError("TMPDIR", "no temporary file can be written", "set TMPDIR") from error
    if len(data) != FIRST_VOXEL[1] + array.nbytes:
        raise HostError("TMPDIR", "no temporary file can be written (disk full)", "set TMPDIR")
    return data

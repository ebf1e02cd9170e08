"""The one reader and the one writer of volumes (NIfTI; arrays in (z, y, x) order).

Reading never trusts the file: it must be a regular file and not a link, its bytes are
taken once, gzip is read to its end with checksum and length held, and its length must be
the one that its header declares.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from feta.errors import FetaError
from feta.files import GZIP_MAGIC, blocks, gunzip, open_regular, write_atomically
from feta.grid import Grid
from feta.labels import LABEL_COUNT
from feta.nifti import FIRST_VOXEL, HEADER_BYTES, MAX_VOXELS, Header, parse_header

__all__ = [
    "MAX_VOXELS",
    "Volume",
    "fingerprint",
    "read_label_map",
    "read_volume",
    "write_label_map",
    "write_volume",
]


@dataclass(frozen=True)
class Volume:
    """An array (z, y, x), C-contiguous, and where it lies."""

    array: npt.NDArray
    grid: Grid

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape:
            raise ValueError(f"array {self.array.shape} does not fit grid {self.grid.shape}")


def read_volume(path: Path) -> Volume:
    """Read a volume as float32 (z, y, x), every voxel finite, the header's scaling applied.

    Raises:
        FetaError: anything is wrong with the file, in one line.
    """
    header, stored = _load(path)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is infinite, and refused below
        values = _scaled(header, stored).astype(np.float32, copy=False)
    # Minimum and maximum pass a NaN on, so two numbers tell about all voxels.
    if not (np.isfinite(values.min()) and np.isfinite(values.max())):
        raise FetaError(path, "holds voxels that are NaN or infinite", "replace them by zeros")
    return Volume(np.require(values, requirements=["C", "A", "W"]), header.grid)


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
    return Volume(labels, header.grid)


def write_label_map(path: Path, volume: Volume) -> None:
    """Write a label map as uint8 with both sform and qform, atomically; gzipped where the name ends in .gz.

    Raises:
        FetaError: it can't be written.
        ValueError: the array is no label map.
    """
    labels = volume.array.astype(np.uint8)
    if not np.array_equal(labels, volume.array) or labels.max(initial=0) >= LABEL_COUNT:
        raise ValueError(f"labels must be whole numbers from 0 to {LABEL_COUNT - 1}")
    _write(path, labels, volume.grid, level=6)


def write_volume(path: Path, volume: Volume) -> None:
    """Write a volume as float32 with both sform and qform, atomically; gzipped where the name ends in .gz.

    Raises:
        FetaError: it can't be written.
    """
    # Noise hardly compresses: more effort than level 1 costs seconds and gains a few percent.
    _write(path, volume.array.astype(np.float32), volume.grid, level=1)


def fingerprint(path: Path) -> str:
    """SHA-256 of a regular file's bytes, in hexadecimal.

    Raises:
        FetaError: the file is missing or not a regular file.
    """
    digest = hashlib.sha256()
    with open_regular(path) as file:
        for block in blocks(file):
            digest.update(block)
    return digest.hexdigest()


def _load(path: Path) -> tuple[Header, npt.NDArray]:
    """Header, and the stored values as an array (z, y, x) of the header's dtype."""
    try:
        with open_regular(path) as file:
            zipped = file.read(2) == GZIP_MAGIC
            file.seek(0)
            pieces = gunzip(file, path) if zipped else blocks(file)
            head = _first(pieces, HEADER_BYTES)
            header = parse_header(head, path)
            data = _gather(head, pieces, header.total_bytes, path)
    except OSError as error:
        raise FetaError(path, f"cannot be read ({error.strerror})") from error
    return header, data[header.offset :].view(header.dtype).reshape(header.grid.shape)


def _first(pieces: Iterator[bytes], count: int) -> bytes:
    """The first ``count`` bytes or more of a stream, or all of a shorter one."""
    head = b""
    while len(head) < count and (piece := next(pieces, None)) is not None:
        head += piece
    return head


def _gather(head: bytes, pieces: Iterator[bytes], total: int, path: Path) -> npt.NDArray[np.uint8]:
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
    """Let SimpleITK form the file in a private folder, then put it in place in one step."""
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
        raise FetaError(path, "no temporary file can be written", "set TMPDIR") from error
    if len(data) != FIRST_VOXEL[1] + array.nbytes:
        raise FetaError(path, "no temporary file can be written (disk full)", "set TMPDIR")
    # No time stamp: the same result gives the same bytes.
    write_atomically(path, gzip.compress(data, level, mtime=0) if path.suffix == ".gz" else data)

"""MetaImage (.mha), as Grand Challenge hands volumes in and takes label maps: read and written with NIfTI's guards.

Format: itk.org/Wiki/MetaIO/Documentation. A header of lines ``Key = value``, the last of them ``ElementDataFile``,
then the voxels, as they are or by zlib. It is read here, not by SimpleITK, which allocates what a header declares and
may follow it to other files; SimpleITK is the tests' oracle.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from feta.errors import FetaError, error_kind
from feta.files import blocks, open_regular, write_atomically
from feta.grid import Grid
from feta.labels import LABEL_COUNT
from feta.nifti import MAX_EXTENT_MM, MAX_SIDE, MAX_VOXELS, MIN_EXTENT_MM, Header, is_orthogonal
from feta.volumes import Volume, gather, read_volume, volume_of, write_label_map

_LONGEST_HEADER = 64 << 10
_TYPES = {
    "MET_UCHAR": "u1", "MET_CHAR": "i1", "MET_USHORT": "u2", "MET_SHORT": "i2", "MET_UINT": "u4", "MET_INT": "i4",
    "MET_ULONG_LONG": "u8", "MET_LONG_LONG": "i8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
#: Names that a field has had.
_SAME = {"Rotation": "TransformMatrix", "Orientation": "TransformMatrix", "Position": "Offset", "Origin": "Offset"}
_COPY, _CONVERT = "copy the file again", "write it anew, as SimpleITK or 3D Slicer do"


def is_metaimage(path: Path) -> bool:
    """Whether the name ends in .mha."""
    return path.suffix.lower() == ".mha"


def read_image(path: Path) -> Volume:
    """Read a volume as float32 (z, y, x): a .mha, or whatever `read_volume` reads.

    Raises:
        FetaError: anything is wrong with the file, in one line.
    """
    if not is_metaimage(path):
        return read_volume(path)
    try:
        with open_regular(path) as file:
            fields, rest = _fields(blocks(file), path)
            header = _header(fields, path)
            pieces = itertools.chain([rest], blocks(file))
            data = gather(b"", _inflated(pieces, path) if _flag(fields, "CompressedData") else pieces,
                          header.total_bytes, path)  # fmt: skip
    except OSError as error:
        raise error_kind(error)(path, f"cannot be read ({error.strerror})") from error
    return volume_of(header, data.view(header.dtype).reshape(header.grid.shape), path)


def write_map(path: Path, volume: Volume) -> None:
    """Write a label map as uint8, atomically: a .mha, or whatever `write_label_map` writes.

    Raises:
        FetaError: it can't be written.
        ValueError: the array is no label map.
    """
    if not is_metaimage(path):
        write_label_map(path, volume)
        return
    labels = volume.array.astype(np.uint8)
    if not np.array_equal(labels, volume.array) or labels.max(initial=0) >= LABEL_COUNT:
        raise ValueError(f"labels must be whole numbers from 0 to {LABEL_COUNT - 1}")
    write_atomically(path, _formed(labels, volume.grid))


def _formed(labels: npt.NDArray[np.uint8], grid: Grid) -> bytes:
    data = zlib.compress(labels.tobytes(), 6)
    fields = {
        "ObjectType": "Image",
        "NDims": 3,
        "BinaryData": True,
        "BinaryDataByteOrderMSB": False,
        "CompressedData": True,
        "CompressedDataSize": len(data),
        # Its rows are the axes, SimpleITK's columns.
        "TransformMatrix": _numbers(np.reshape(grid.direction, (3, 3)).T.ravel()),
        "Offset": _numbers(grid.origin),
        "CenterOfRotation": "0 0 0",
        "ElementSpacing": _numbers(grid.spacing),
        "DimSize": _numbers(grid.size),
        "ElementType": "MET_UCHAR",
        "ElementDataFile": "LOCAL",
    }
    return "".join(f"{key} = {value}\n" for key, value in fields.items()).encode() + data


def _numbers(values: npt.ArrayLike) -> str:
    """Numbers with all their digits."""
    return " ".join(repr(value) for value in np.asarray(values).tolist())


def _fields(pieces: Iterator[bytes], path: Path) -> tuple[dict[str, str], bytes]:
    """The header's fields, and what was read behind it.

    Raises:
        FetaError: it is no MetaImage, or its voxels lie elsewhere.
    """
    data, fields, at = b"", {}, 0
    while True:
        end = data.find(b"\n", at)
        if end < 0:
            piece = next(pieces, b"")
            if not piece or len(data) - at > _LONGEST_HEADER:
                raise FetaError(path, "is no MetaImage: its header has no end", _CONVERT)
            data += piece
            continue
        key, equals, value = data[at:end].decode("latin-1").partition("=")
        at = end + 1
        if not equals or at > _LONGEST_HEADER:
            raise FetaError(path, "is no MetaImage: its header holds other than fields", _CONVERT)
        name = _SAME.get(key.strip(), key.strip())
        fields[name] = value.strip()
        if name == "ElementDataFile":
            break
    if fields[name].upper() != "LOCAL":
        raise FetaError(path, f"has its voxels elsewhere ({fields[name][:40]!r})", "write it as one .mha file")
    return fields, data[at:]


def _header(fields: dict[str, str], path: Path) -> Header:
    """What reading the voxels needs, checked before anything is allocated.

    Raises:
        FetaError: not three-dimensional, too large, of an unknown type, or its axes are not at right angles.
    """
    size = _three(fields, path)
    if not _flag(fields, "BinaryData", "True") or fields.get("ElementNumberOfChannels", "1") not in ("1", ""):
        raise FetaError(path, "holds text or several channels, not one binary number a voxel", _CONVERT)
    if fields.get("HeaderSize", "0") not in ("0", "") or fields.get("ElementType") not in _TYPES:
        raise FetaError(path, f"has voxels of type {fields.get('ElementType', 'unknown')[:40]}", _CONVERT)
    spacing = _floats(fields, "ElementSpacing", fields.get("ElementSize", "1 1 1"), 3, path)
    axes = _floats(fields, "TransformMatrix", "1 0 0 0 1 0 0 0 1", 9, path)
    origin = _floats(fields, "Offset", "0 0 0", 3, path)
    if not min(spacing) > 0:
        raise FetaError(path, f"voxel size {spacing} is not positive", "correct its ElementSpacing")
    direction = tuple(float(v) + 0.0 for v in np.reshape(axes, (3, 3)).T.ravel())
    grid = Grid(size, (spacing[0], spacing[1], spacing[2]), (origin[0], origin[1], origin[2]), direction)
    if not is_orthogonal(grid):
        raise FetaError(path, "its axes are not at right angles (TransformMatrix)", "resample it to orthogonal axes")
    extent = max(n * s for n, s in zip(size, spacing, strict=True))
    if not MIN_EXTENT_MM <= extent <= MAX_EXTENT_MM:
        raise FetaError(path, f"extends over {extent:g} mm", "correct its ElementSpacing, which is in mm")
    order = ">" if _flag(fields, "BinaryDataByteOrderMSB") or _flag(fields, "ElementByteOrderMSB") else "<"
    return Header(grid, np.dtype(order + _TYPES[fields["ElementType"]]), 0, 1.0, 0.0)


def _three(fields: dict[str, str], path: Path) -> tuple[int, int, int]:
    try:
        size = tuple(int(word) for word in fields.get("DimSize", "").split())
        dimensions = int(fields.get("NDims", ""))
    except ValueError:
        raise FetaError(path, "header is damaged (NDims, DimSize)", _COPY) from None
    if len(size) != dimensions or min(size, default=0) < 1:
        raise FetaError(path, f"header is damaged (NDims {dimensions}, DimSize {size})", _COPY)
    if len(size) != 3:
        raise FetaError(path, f"has {len(size)} dimensions {size}, not three", "extract one three-dimensional volume")
    if math.prod(size) > MAX_VOXELS or max(size) > MAX_SIDE:
        raise FetaError(path, f"header declares {size} voxels, the limit is {MAX_VOXELS} in all", "crop or resample it")
    return size[0], size[1], size[2]


def _floats(fields: dict[str, str], name: str, default: str, count: int, path: Path) -> tuple[float, ...]:
    """Finite numbers of a field."""
    try:
        values = tuple(float(word) for word in fields.get(name, default).split())
    except ValueError:
        values = ()
    if len(values) != count or not all(map(math.isfinite, values)):
        raise FetaError(path, f"header is damaged ({name} holds no {count} numbers)", _COPY)
    return values


def _flag(fields: dict[str, str], name: str, default: str = "False") -> bool:
    return fields.get(name, default)[:1].upper() in ("T", "1")


def _inflated(pieces: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """The inflated bytes, in bounded pieces, to the very end; zlib holds its checksum against them.

    Raises:
        FetaError: the data are damaged, end early, or are followed by something else.
    """
    stream = zlib.decompressobj(wbits=47)  # with zlib's header or gzip's, as MetaIO reads both
    for piece in pieces:
        if stream.eof and piece.strip(b"\0"):
            raise FetaError(path, "has more behind its voxels", _COPY)
        try:
            yield stream.decompress(piece)
        except zlib.error as error:
            raise FetaError(path, f"its voxels are damaged ({error})", _COPY) from error
    if not stream.eof or stream.unused_data.strip(b"\0"):
        raise FetaError(path, "its voxels end too early, or more follows them", _COPY)

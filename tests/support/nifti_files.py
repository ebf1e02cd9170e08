"""NIfTI files made byte by byte, so that the reader is tested on what no library would write."""

from __future__ import annotations

import gzip
import itertools
import struct
from pathlib import Path

import numpy as np
import SimpleITK as sitk

CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768, "i8": 1024, "u8": 1280}


def nifti(
    array: np.ndarray,
    *,
    version: int = 1,
    order: str = "<",
    spacing: tuple[float, ...] = (1.0, 1.0, 1.0),
    dim: tuple[int, ...] | None = None,
    datatype: int | None = None,
    offset: float | None = None,
    scale: tuple[float, float] = (0.0, 0.0),
    units: int = 2,
    sform: object = None,
    sform_code: int = 1,
    qoffset: tuple[float, float, float] | None = None,
) -> bytes:
    """A single-file volume, array (z, y, x). ``sform``: 3×4 RAS matrix; ``qoffset``: qform of no rotation, there."""
    start = {1: 352, 2: 544}[version]
    header = bytearray(start)
    size = array.shape[::-1]
    dims = dim or (len(size), *size)
    dims = (*dims, *[1] * (8 - len(dims)))
    pixdim = (1.0, *spacing, 0.0, 0.0, 0.0, 0.0)
    codes = (1 if qoffset else 0, sform_code if sform is not None else 0)
    code = datatype if datatype is not None else CODES[array.dtype.str[1:]]
    srow = np.zeros(12) if sform is None else np.asarray(sform, float).ravel()
    quatern = (0.0, 0.0, 0.0, *(qoffset or (0.0, 0.0, 0.0)))
    first = offset if offset is not None else start
    bits = array.dtype.itemsize * 8
    if version == 1:
        fields = [
            (0, "i", [348]), (40, "8h", dims), (70, "2h", [code, bits]), (76, "8f", pixdim), (108, "f", [first]),
            (112, "2f", scale), (123, "B", [units]), (252, "2h", codes), (256, "6f", quatern), (280, "12f", srow),
        ]  # fmt: skip
        header[344:348] = b"n+1\0"
    else:
        fields = [
            (0, "i", [540]), (12, "2h", [code, bits]), (16, "8q", dims), (104, "8d", pixdim), (168, "q", [int(first)]),
            (176, "2d", scale), (344, "2i", codes), (352, "6d", quatern), (400, "12d", srow), (500, "i", [units]),
        ]  # fmt: skip
        header[4:12] = b"n+2\0\r\n\x1a\n"
    for at, form, values in fields:
        struct.pack_into(order + form, header, at, *values)
    return bytes(header) + array.astype(array.dtype.newbyteorder(order)).tobytes()


def put(path: Path, data: bytes) -> Path:
    """Write the bytes, gzipped where the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def sample(shape: tuple[int, ...] = (4, 5, 6), dtype: str = "i2") -> np.ndarray:
    """Values that differ everywhere."""
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def axis_orders() -> list[tuple[float, ...]]:
    """The 48 directions whose axes run along those of space, row-major."""
    found = []
    for places in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[list(places), range(3)] = signs
            found.append(tuple(matrix.ravel()))
    return found


def simpleitk_file(path: Path, array: np.ndarray, direction, spacing, origin, forms: str) -> Path:
    """Let SimpleITK write the volume, then keep "both" forms, or the "qform" or the "sform" alone."""
    image = sitk.GetImageFromArray(array)
    image.SetDirection([float(v) for v in direction])
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    sitk.WriteImage(image, str(path))
    data = bytearray(path.read_bytes())
    if forms == "qform":
        data[254:256] = struct.pack("<h", 0)
    if forms == "sform":
        data[252:254] = struct.pack("<h", 0)
    path.write_bytes(data)
    return path

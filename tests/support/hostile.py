"""Label maps that a submission must not hold, and ones that look odd but are fine."""

from __future__ import annotations

import gzip
import os
import socket
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from feta.grid import Grid
from feta.volumes import Volume, write_label_map, write_volume
from tests.support.small_brains import brain, grid_of

Maker = Callable[[Path, Path], None]
"""Writes what is submitted in place of a good map: (its path, the true map's path)."""

SHAPE = (20, 22, 24)


def _labels(change: Callable[[np.ndarray], np.ndarray]) -> Maker:
    def make(path: Path, truth: Path) -> None:
        array = change(brain(shift=0.3).astype(np.float32)).astype(np.float32)
        image = sitk.GetImageFromArray(array)
        _place(image, grid_of(SHAPE))
        sitk.WriteImage(image, str(path))

    return make


def _place(image: sitk.Image, grid: Grid) -> None:
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)


def _on_grid(**changes: tuple) -> Maker:
    def make(path: Path, truth: Path) -> None:
        write_label_map(path, Volume(brain(shift=0.3), replace(grid_of(SHAPE), **changes)))

    return make


def _of_shape(*shape: int) -> Maker:
    return lambda path, truth: write_label_map(path, Volume(brain(shape), grid_of(shape)))  # type: ignore[arg-type]


def _voxel(value: float) -> Maker:
    def change(array: np.ndarray) -> np.ndarray:
        array[10, 11, 12] = value
        return array

    return _labels(change)


def _bytes(change: Callable[[bytes], bytes]) -> Maker:
    def make(path: Path, truth: Path) -> None:
        write_label_map(path, Volume(brain(shift=0.3), grid_of(SHAPE)))
        path.write_bytes(change(path.read_bytes()))

    return make


def _flip_a_bit(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :]


def _bomb(data: bytes) -> bytes:
    """A good header, and zeros without end (64 MiB here) where 10,560 bytes were declared."""
    packer = zlib.compressobj(9, wbits=31)
    return packer.compress(gzip.decompress(data)) + packer.compress(bytes(64 << 20)) + packer.flush()


def _declares_8_gib(data: bytes) -> bytes:
    plain = bytearray(gzip.decompress(data))
    struct.pack_into("<3h", plain, 42, 2048, 2048, 2048)
    return gzip.compress(bytes(plain))


def _beside(path: Path, truth: Path) -> None:
    volume = Volume(brain(shift=0.3), grid_of(SHAPE))
    write_label_map(path, volume)
    write_label_map(path.with_suffix(""), volume)


def _four_dimensions(path: Path, truth: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.stack([brain()] * 2), isVector=False), str(path))


def _misnamed(path: Path, truth: Path) -> None:
    _on_grid()(path.with_name(path.name.replace("001", "0O1")), truth)


def _socket(path: Path, truth: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path may have 107 bytes only
    try:
        server = socket.socket(socket.AF_UNIX)
        server.bind(path.name)
        server.close()
    finally:
        os.chdir(here)


def _hard_link(path: Path, truth: Path) -> None:
    path.hardlink_to(truth)


def _scaled(path: Path, truth: Path) -> None:
    """Stored values 0, 2, … 14 and scl_slope 0.5."""
    write_label_map(path, Volume(brain(shift=0.3), grid_of(SHAPE)))
    plain = bytearray(gzip.decompress(path.read_bytes()))
    plain[352:] = bytes(2 * v for v in plain[352:])
    struct.pack_into("<2f", plain, 112, 0.5, 0.0)
    path.write_bytes(gzip.compress(bytes(plain)))


def make_device(path: Path, truth: Path) -> None:
    """A character device that gives zeros without end; only root can make one, and not everywhere."""
    os.mknod(path, 0o020600, Path("/dev/zero").stat().st_rdev)


#: Name → maker, and the reason code that must stand beside the penalty.
REJECTED: dict[str, tuple[Maker, str]] = {
    "no file": (lambda path, truth: None, "missing-file"),
    "misnamed": (_misnamed, "missing-file"),
    "other shape": (_of_shape(20, 22, 23), "wrong-grid"),
    "other spacing": (_on_grid(spacing=(0.8, 0.8, 0.81)), "wrong-grid"),
    "other origin": (_on_grid(origin=(-8.0, 3.0, 5.01)), "wrong-grid"),
    "flipped x": (_on_grid(direction=(-1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)), "wrong-grid"),
    "flipped y": (_on_grid(direction=(1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0)), "wrong-grid"),
    "flipped z": (_on_grid(direction=(1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0)), "wrong-grid"),
    "swapped axes": (_on_grid(direction=(0, 1.0, 0, 1.0, 0, 0, 0, 0, 1.0)), "wrong-grid"),
    "2.9999": (_voxel(2.9999), "invalid-file"),
    "-1": (_voxel(-1), "invalid-file"),
    "8": (_voxel(8), "invalid-file"),
    "300": (_voxel(300), "invalid-file"),
    "NaN": (_voxel(np.nan), "invalid-file"),
    "infinity": (_voxel(np.inf), "invalid-file"),
    "4-D": (_four_dimensions, "invalid-file"),
    "empty file": (lambda path, truth: path.write_bytes(b"") and None, "invalid-file"),
    "text": (lambda path, truth: path.write_text("label map") and None, "invalid-file"),
    "truncated": (_bytes(lambda data: data[: len(data) // 2]), "invalid-file"),
    "bit flipped": (_bytes(_flip_a_bit), "invalid-file"),
    "bomb": (_bytes(_bomb), "invalid-file"),
    "declares 8 GiB": (_bytes(_declares_8_gib), "invalid-file"),
    "A.nii beside A.nii.gz": (_beside, "two-files"),
    "link to the truth": (lambda path, truth: path.symlink_to(truth), "unsafe-file"),
    "link to nowhere": (lambda path, truth: path.symlink_to("nowhere"), "unsafe-file"),
    "hard link to the truth": (_hard_link, "unsafe-file"),
    "pipe": (lambda path, truth: os.mkfifo(path), "unsafe-file"),
    "socket": (_socket, "unsafe-file"),
    "folder": (lambda path, truth: path.mkdir(), "unsafe-file"),
}
#: Name → maker of a map that is accepted, and a word of the remark that it gets.
ACCEPTED: dict[str, tuple[Maker, str]] = {
    "whole numbers in a float file": (_labels(lambda array: array), "floating-point"),
    "grid off by 1e-4 mm": (_on_grid(origin=(-8.0001, 3.0, 5.0)), "tolerance"),
    "scl_slope with whole values": (_scaled, "scl_slope"),
    "uncompressed": (lambda path, truth: _on_grid()(path.with_suffix(""), truth), ""),
    "the truth's bytes": (lambda path, truth: path.write_bytes(truth.read_bytes()) and None, ""),
}

GOOD_LENGTHS = "\tLCC\tHV\tbBIP\tsBIP\tTCD\nsub-001\t41\t19\t76\t86\t39\n"
#: Name → text of a table, lengths that survive (of LCC, HV, bBIP, sBIP, TCD), a word of the line that it gets.
TABLES: dict[str, tuple[str, int, str]] = {
    "tabs": (GOOD_LENGTHS, 5, ""),
    "commas": (GOOD_LENGTHS.replace("\t", ","), 5, "separated by commas"),
    "semicolons": (GOOD_LENGTHS.replace("\t", ";"), 5, "separated by semicolons"),
    "byte-order mark": ("\ufeff" + GOOD_LENGTHS, 5, "byte-order mark"),
    "reordered": ("\tTCD\tsBIP\tbBIP\tHV\tLCC\nsub-001\t39\t86\t76\t19\t41\n", 5, "another order"),
    "a column missing": ("\tLCC\tHV\tbBIP\tsBIP\nsub-001\t41\t19\t76\t86\n", 4, "TCD"),
    "unit in a cell": (GOOD_LENGTHS.replace("41", "41 mm"), 4, "LCC"),
    "decimal comma": (GOOD_LENGTHS.replace("41", "41,5"), 4, "LCC"),
    "decimal comma among commas": (GOOD_LENGTHS.replace("41", "41,5").replace("\t", ","), 0, "cells"),
    "negative": (GOOD_LENGTHS.replace("41", "-41"), 4, "LCC"),
    "1e300": (GOOD_LENGTHS.replace("41", "1e300"), 4, "LCC"),
    "nan": (GOOD_LENGTHS.replace("41", "nan"), 4, "LCC"),
    "inf": (GOOD_LENGTHS.replace("41", "inf"), 4, "LCC"),
    "a formula": (GOOD_LENGTHS.replace("41", "=40+1"), 4, "LCC"),
    "column twice": ("\tLCC\tLCC\tHV\tbBIP\tsBIP\tTCD\nsub-001\t41\t41\t19\t76\t86\t39\n", 4, "LCC"),
    "two rows": (GOOD_LENGTHS + "sub-001\t41\t19\t76\t86\t39\n", 0, "rows"),
    "no row": ("\tLCC\tHV\tbBIP\tsBIP\tTCD\n", 0, "no row"),
    "empty": ("", 0, "empty"),
    "binary": ("\0\1\2\3" * 50, 0, ""),
}


def write_image(path: Path) -> None:
    """The T2w volume that the maps belong to."""
    write_volume(path, Volume(brain(SHAPE).astype(np.float32), grid_of(SHAPE)))

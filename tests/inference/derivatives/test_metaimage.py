"""MetaImage files, beside SimpleITK's reader and writer; and files that no reader should take."""

from __future__ import annotations

import contextlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from feta.errors import FetaError
from feta.grid import Grid
from feta.volumes import Volume
from inference.derivatives.metaimage import read_image, write_map

HEAD = "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
VOXELS = np.arange(1, 25, dtype="<i2").reshape(2, 3, 4)


def written(path: Path, array: np.ndarray, *, compressed: bool, turn: tuple[float, ...] = (0, 0, 0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.5, 0.7, 3.25))
    image.SetOrigin((-10.125, 3.5, 1e-3))
    image.SetDirection(Rotation.from_rotvec(turn).as_matrix().ravel().tolist())
    sitk.WriteImage(image, str(path), useCompression=compressed)
    return sitk.ReadImage(str(path))


def made(path: Path, data: bytes = VOXELS.tobytes(), size: str = "4 3 2", **fields: str) -> Path:
    """A file of any fields and bytes."""
    lines = {"DimSize": size, "ElementSpacing": "1 1 1", "ElementType": "MET_SHORT", **fields}
    body = "".join(f"{key} = {value}\n" for key, value in lines.items() if value)
    path.write_bytes(
        f"{HEAD}{body}".encode() + (b"" if "ElementDataFile" in fields else b"ElementDataFile = LOCAL\n") + data
    )
    return path


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
@pytest.mark.parametrize("compressed", [False, True])
def test_every_type_is_read_as_simpleitk_reads_it(tmp_path: Path, kind: str, compressed: bool) -> None:
    theirs = written(tmp_path / "a.mha", VOXELS.astype(kind), compressed=compressed)
    ours = read_image(tmp_path / "a.mha")
    assert ours.array.dtype == np.float32
    assert np.array_equal(ours.array, sitk.GetArrayFromImage(theirs))


angles = st.floats(-3.1, 3.1)


@settings(max_examples=25, deadline=None)
@given(st.tuples(angles, angles, angles))
def test_voxels_lie_where_simpleitk_sees_them(tmp_path_factory: pytest.TempPathFactory, turn: tuple) -> None:
    folder = tmp_path_factory.mktemp("mha")
    theirs = written(folder / "a.mha", VOXELS, compressed=True, turn=turn)
    grid = read_image(folder / "a.mha").grid
    assert grid == Grid(theirs.GetSize(), theirs.GetSpacing(), theirs.GetOrigin(), tuple(grid.direction))
    assert np.allclose(grid.direction, theirs.GetDirection(), atol=1e-12)
    labels = Volume(np.arange(24, dtype=np.uint8).reshape(2, 3, 4) % 8, grid)
    write_map(folder / "b.mha", labels)
    again = sitk.ReadImage(str(folder / "b.mha"))
    assert np.array_equal(sitk.GetArrayFromImage(again), labels.array)
    assert (again.GetSpacing(), again.GetOrigin()) == (theirs.GetSpacing(), theirs.GetOrigin())
    assert np.array_equal(again.GetDirection(), theirs.GetDirection())


def test_big_endian_values_are_read(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mha", VOXELS.astype(">i2").tobytes(), ElementByteOrderMSB="True")
    assert np.array_equal(read_image(path).array, VOXELS)


def test_a_header_may_leave_its_geometry_out(tmp_path: Path) -> None:
    grid = read_image(made(tmp_path / "a.mha")).grid
    theirs = sitk.ReadImage(str(tmp_path / "a.mha"))
    assert (grid.spacing, grid.origin, grid.direction) == (
        theirs.GetSpacing(),
        theirs.GetOrigin(),
        theirs.GetDirection(),
    )


HOSTILE: dict[str, tuple[dict, str]] = {
    "sheared": ({"TransformMatrix": "1 0 0 0.2 0.98 0 0 0 1"}, "right angles"),
    "singular": ({"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, "right angles"),
    "no rotation of length 1": ({"TransformMatrix": "2 0 0 0 2 0 0 0 2"}, "right angles"),
    "infinite offset": ({"Offset": "0 0 inf"}, "Offset"),
    "eight numbers": ({"TransformMatrix": "1 0 0 0 1 0 0 0"}, "TransformMatrix"),
    "four dimensions": ({"NDims": "4", "size": "4 3 2 1"}, "4 dimensions"),
    "two dimensions": ({"NDims": "2", "size": "4 6"}, "2 dimensions"),
    "dimensions that contradict": ({"size": "4 3"}, "damaged"),
    "no voxel": ({"size": "4 0 2"}, "damaged"),
    "negative size": ({"size": "-4 -3 2"}, "damaged"),
    "huge": ({"size": "30000 30000 30000"}, "the limit is"),
    "larger than its data": ({"size": "4 3 3"}, "truncated"),
    "smaller than its data": ({"size": "4 3 1"}, "holds more than"),
    "no size": ({"size": ""}, "damaged"),
    "spacing 0": ({"ElementSpacing": "1 0 1"}, "not positive"),
    "metres": ({"ElementSpacing": "1e-4 1e-4 1e-4"}, "extends over"),
    "colours": ({"ElementNumberOfChannels": "3"}, "several channels"),
    "text": ({"BinaryData": "False"}, "several channels"),
    "unknown type": ({"ElementType": "MET_STRING"}, "MET_STRING"),
    "voxels elsewhere": ({"ElementDataFile": "/etc/passwd\n"}, "elsewhere"),
    "a list of files": ({"ElementDataFile": "LIST\n"}, "elsewhere"),
    "compressed, but not": ({"CompressedData": "True"}, "damaged"),
    "compressed, cut": ({"CompressedData": "True", "data": zlib.compress(VOXELS.tobytes())[:-3]}, "end too early"),
    "compressed, of another size": ({"CompressedData": "True", "data": zlib.compress(bytes(40))}, "truncated"),
    "a bomb": ({"CompressedData": "True", "data": zlib.compress(bytes(10**7))}, "holds more than"),
    "compressed, and more": ({"CompressedData": "True", "data": zlib.compress(VOXELS.tobytes()) + b"x"}, "follows"),
    "a flipped bit": (
        {"CompressedData": "True", "data": zlib.compress(VOXELS.tobytes(), 0).replace(b"\7\0", b"\6\0", 1)}, "damaged"
    ),
    "NaN inside": (
        {"ElementType": "MET_FLOAT", "size": "3 3 3", "data": struct.pack("<27f", *[1] * 13, float("nan"), *[1] * 13)},
        "NaN",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "said"), HOSTILE.values(), ids=HOSTILE)
def test_what_can_t_be_right_is_one_line(tmp_path: Path, fields: dict, said: str) -> None:
    path = made(tmp_path / "a.mha", **fields)
    with pytest.raises(FetaError, match=said) as error:
        read_image(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("data", [b"", b"\0" * 5000, b"NDims = 3\n" * 20000, b"a" * 100_000, b"NDims = 3\nrubbish\n"])
def test_what_is_no_metaimage_is_one_line(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.mha").write_bytes(data)
    with pytest.raises(FetaError, match="is no MetaImage"):
        read_image(tmp_path / "a.mha")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), st.integers(0, 255))
def test_a_changed_byte_raises_nothing_but_a_line(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: int
) -> None:
    path = tmp_path_factory.mktemp("mha") / "a.mha"
    written(path, VOXELS, compressed=True)
    data = bytearray(path.read_bytes())
    data[at % len(data)] = value
    path.write_bytes(data)
    with contextlib.suppress(FetaError):
        read_image(path)


def test_a_label_map_holds_labels(tmp_path: Path) -> None:
    grid = Grid((1, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    with pytest.raises(ValueError, match="0 to 7"):
        write_map(tmp_path / "a.mha", Volume(np.full((1, 1, 1), 8), grid))

"""Voxels: what is read is what was meant, and what is damaged is refused."""

from __future__ import annotations

import gzip
import os
import tracemalloc

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from feta.errors import FetaError
from feta.grid import Grid
from feta.volumes import MAX_VOXELS, Volume, fingerprint, read_label_map, read_volume, write_label_map, write_volume
from tests.support.nifti_files import CODES, axis_orders, nifti, put, sample


def refused(file, match: str, read=read_volume) -> None:
    """Reading gives one line that begins with the file's name."""
    with pytest.raises(FetaError, match=match) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_every_type_in_either_byte_order(tmp_path, dtype, order, name):
    array = sample(dtype=dtype)
    volume = read_volume(put(tmp_path / name, nifti(array, order=order)))
    assert volume.array.dtype == np.float32
    assert volume.array.dtype.isnative
    assert volume.array.flags.c_contiguous
    assert volume.array.flags.writeable
    np.testing.assert_array_equal(volume.array, array)


@pytest.mark.parametrize(
    ("scale", "factor", "shift"),
    [
        ((2.0, -3.0), 2, -3),
        ((0.0, 5.0), 1, 0),
        ((float("nan"), 5.0), 1, 0),
        ((2.0, float("nan")), 2, 0),
        ((1, 0), 1, 0),
    ],
)
def test_scaling(tmp_path, scale, factor, shift):
    volume = read_volume(put(tmp_path / "a.nii", nifti(sample(), scale=scale)))
    np.testing.assert_array_equal(volume.array, sample() * factor + shift)


def test_all_zero_reads_fine(tmp_path):
    assert not read_volume(put(tmp_path / "zero.nii.gz", nifti(np.zeros((3, 4, 5), "f4")))).array.any()


def test_extension_before_the_voxels(tmp_path):
    plain = nifti(sample(), offset=384)
    volume = read_volume(put(tmp_path / "a.nii", plain[:352] + b"\1" + bytes(31) + plain[352:]))
    np.testing.assert_array_equal(volume.array, sample())


def test_gzip_in_several_members_and_padded_with_zeros(tmp_path):
    data = nifti(sample((9, 20, 30)))
    file = tmp_path / "a.nii.gz"
    file.write_bytes(gzip.compress(data[:700]) + gzip.compress(data[700:]) + bytes(100))
    np.testing.assert_array_equal(read_volume(file).array, sample((9, 20, 30)))


def test_the_neighbour_without_gz_is_not_read_instead(tmp_path):
    put(tmp_path / "A.nii", nifti(np.ones((3, 3, 3), "i2")))
    assert not read_volume(put(tmp_path / "A.nii.gz", nifti(np.zeros((3, 3, 3), "i2")))).array.any()


@settings(max_examples=60, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True))
def test_truncated_gzip(tmp_path_factory, at):
    file = put(tmp_path_factory.mktemp("cut") / "a.nii.gz", nifti(sample((20, 20, 20))))
    whole = file.read_bytes()
    file.write_bytes(whole[: int(at * len(whole))])
    refused(file, "truncated|not a NIfTI")


@settings(max_examples=150, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed_or_harmless(tmp_path_factory, at, bit):
    file = put(tmp_path_factory.mktemp("flip") / "a.nii.gz", nifti(sample((6, 6, 6))))
    data = bytearray(file.read_bytes())
    data[int(at * len(data))] ^= 1 << bit
    file.write_bytes(data)
    try:
        volume = read_volume(file)
    except FetaError as error:
        assert "\n" not in str(error)
    else:  # in the time stamp, or in the code of a symbol that does not occur
        np.testing.assert_array_equal(volume.array, sample((6, 6, 6)))


def test_a_flipped_bit_in_the_voxels_is_noticed(tmp_path):
    file = put(tmp_path / "a.nii.gz", nifti(np.random.default_rng(0).integers(0, 30000, (9, 9, 9)).astype("i2")))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    refused(file, "damaged")


def test_wrong_length_in_the_trailer(tmp_path):
    file = put(tmp_path / "a.nii.gz", nifti(sample()))
    file.write_bytes(file.read_bytes()[:-4] + b"\xff\xff\xff\x7f")
    refused(file, "damaged")


def test_8_gib_that_the_header_declares(tmp_path):
    lying = nifti(sample(), dim=(3, 2048, 2048, 1024))
    file = put(tmp_path / "a.nii.gz", lying)
    tracemalloc.start()
    refused(file, f"limit is {MAX_VOXELS}")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 << 20


def test_8_gib_behind_a_small_header(tmp_path):
    file = tmp_path / "bomb.nii.gz"
    zeros = gzip.compress(bytes(8 << 20))
    file.write_bytes(gzip.compress(nifti(sample())) + zeros * 1024)
    tracemalloc.start()
    refused(file, "more than the")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150 << 20


DAMAGED = {
    "empty": (b"", "not a NIfTI"),
    "text": (b"participant_id\tGestational age\n" * 20, "not a NIfTI"),
    "shorter than declared": (nifti(sample())[:-1], "truncated"),
    "longer than declared": (nifti(sample()) + b"\0", "more than the"),
    "header and image apart": (nifti(sample()).replace(b"n+1\0", b"ni1\0", 1), "single-file"),
    "Analyze": (nifti(sample()).replace(b"n+1\0", bytes(4), 1), "single-file"),
    "4-D": (nifti(sample(), dim=(4, 6, 5, 2, 2)), "4 dimensions"),
    "5-D": (nifti(sample(), dim=(5, 6, 5, 2, 1, 2)), "5 dimensions"),
    "2-D": (nifti(sample(), dim=(2, 6, 20)), "2 dimensions"),
    "no size": (nifti(sample(), dim=(3, 0, 5, 4)), "damaged"),
    "negative size": (nifti(sample(), dim=(3, -6, -5, 4)), "damaged"),
    "RGB": (nifti(sample(), datatype=128), "RGB"),
    "complex": (nifti(sample(), datatype=32), "complex"),
    "no type": (nifti(sample(), datatype=0), "code 0"),
    "voxels within the header": (nifti(sample(), offset=100), "damaged"),
    "voxels nowhere": (nifti(sample(), offset=float("nan")), "damaged"),
    "voxels far away": (nifti(sample(), offset=2.0**40), "damaged"),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_damaged(tmp_path, name, ending):
    data, said = DAMAGED[name]
    refused(put(tmp_path / f"a b.{ending}", data), said)


@pytest.mark.parametrize("dim", [(4, 6, 5, 4, 1), (5, 6, 5, 4, 1, 1), (7, 6, 5, 4, 1, 1, 1, 1)])
@pytest.mark.parametrize("read", [read_volume, read_label_map])
def test_trailing_dimensions_of_one_are_dropped(tmp_path, dim, read):
    """As MIRTK and SVRTK write their volumes."""
    array = (sample() % 8).astype("u1")
    np.testing.assert_array_equal(read(put(tmp_path / "a.nii.gz", nifti(array, dim=dim))).array, array)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_voxels_outside_the_head_that_are_not_finite_become_zero(tmp_path, value, dtype):
    """Masking by division leaves them: 0/0, or 1/0 where the mask is 0 and the image is not."""
    array = sample((7, 8, 9), dtype) + 1
    array[:2] = value
    array[2, :, 0] = np.nan
    volume = read_volume(put(tmp_path / "a.nii", nifti(array)))
    assert np.array_equal(volume.array, np.nan_to_num(array, nan=0, posinf=0, neginf=0))
    assert volume.warnings == (f"{2 * 8 * 9 + 8} voxels outside the head that are NaN or infinite were set to 0",)


def head(background: float, dtype: str = "f4") -> np.ndarray:
    """Different values above 0 amid a background."""
    array = np.full((12, 13, 14), background, dtype)
    array[3:9, 3:9, 3:9] = 50 + np.arange(6**3).reshape(6, 6, 6)
    return array


@pytest.mark.parametrize("background", [-1.0, -1000.0, -0.01])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_negative_background_is_zero(tmp_path, background, dtype):
    """As MIRTK and SVRTK pad, and other programs."""
    volume = read_volume(put(tmp_path / "a.nii", nifti(head(background, dtype))))
    assert np.array_equal(volume.array, head(0.0))
    (said,) = volume.warnings
    assert f"background is {background:g}" in said


def test_a_background_of_minus_one_stored_with_a_scale_is_zero(tmp_path):
    stored = ((head(-1.0) + 1) * 10).astype("i2")
    volume = read_volume(put(tmp_path / "a.nii", nifti(stored, scale=(0.1, -1.0))))
    assert np.allclose(volume.array, head(0.0), atol=1e-4)


def test_a_negative_background_beside_voxels_that_are_no_numbers(tmp_path):
    array = head(-1.0)
    array[0] = np.nan
    volume = read_volume(put(tmp_path / "a.nii", nifti(array)))
    assert np.array_equal(volume.array, head(0.0))


def test_standardised_intensities_are_raised_above_a_background_of_zero(tmp_path):
    standardised = (head(0.0) - 150) / 60
    volume = read_volume(put(tmp_path / "a.nii", nifti(standardised)))
    assert np.allclose(volume.array, head(0.0) / 60, atol=1e-5)
    assert "added everywhere" in volume.warnings[0]


def test_ringing_below_zero_stays(tmp_path):
    """Interpolation leaves some voxels below 0, no two of them alike."""
    array = head(0.0)
    array[2, 3:9, 3:9] = -np.arange(1, 37).reshape(6, 6) / 10
    volume = read_volume(put(tmp_path / "a.nii", nifti(array)))
    assert np.array_equal(volume.array, array)
    assert volume.warnings == ()


def test_a_few_negative_voxels_on_a_negative_background_stay(tmp_path):
    array, expected = head(-1.0), head(0.0)
    array[4, 4, 4] = expected[4, 4, 4] = -0.3
    assert np.array_equal(read_volume(put(tmp_path / "a.nii", nifti(array))).array, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_voxels_that_are_not_finite(tmp_path, value, dtype):
    array = sample(dtype=dtype)
    array[1, 2, 3] = value
    refused(put(tmp_path / "a.nii", nifti(array)), "NaN or infinite")


def test_a_volume_of_nan_alone_is_refused(tmp_path):
    refused(put(tmp_path / "a.nii", nifti(np.full((3, 4, 5), np.nan, "f4"))), "NaN or infinite")


def test_voxels_beyond_float32(tmp_path):
    refused(put(tmp_path / "a.nii", nifti(sample(dtype="f8") * 1e300)), "infinite")
    refused(put(tmp_path / "b.nii", nifti(sample(), scale=(3e38, 0.0))), "infinite")


@pytest.mark.parametrize("read", [read_volume, read_label_map, fingerprint])
def test_what_is_no_regular_file(tmp_path, read):
    put(tmp_path / "real.nii", nifti(np.zeros((3, 3, 3), "u1")))
    (tmp_path / "link.nii").symlink_to(tmp_path / "real.nii")
    (tmp_path / "dangling.nii").symlink_to(tmp_path / "nothing")
    (tmp_path / "folder.nii").mkdir()
    os.mkfifo(tmp_path / "pipe.nii")  # nobody writes to it: opening must not wait
    for name, said in [("link", "link"), ("dangling", "link"), ("folder", "regular"), ("pipe", "regular")]:
        refused(tmp_path / f"{name}.nii", said, read)
    refused(tmp_path / "missing.nii", "cannot be read", read)


@pytest.mark.parametrize("value", [2.9999, -1, 8, 300, np.nan, np.inf, -0.5])
def test_what_is_no_label(tmp_path, value):
    array = np.zeros((3, 4, 5), "f4")
    array[1, 1, 1] = value
    refused(put(tmp_path / "a.nii.gz", nifti(array)), "labels", read_label_map)


@pytest.mark.parametrize(("dtype", "value"), [("i2", 263), ("i4", 65536 + 3), ("i8", 2**56 + 1), ("i1", -1), ("u1", 8)])
def test_labels_that_would_wrap_around(tmp_path, dtype, value):
    array = np.zeros((3, 4, 5), dtype)
    array[0, 0, 0] = value
    refused(put(tmp_path / "a.nii.gz", nifti(array)), "labels", read_label_map)


@pytest.mark.parametrize("dtype", CODES)
def test_label_map_of_any_type(tmp_path, dtype):
    array = (sample() % 8).astype(dtype)
    labels = read_label_map(put(tmp_path / "a.nii", nifti(array, order=">")))
    assert labels.array.dtype == np.uint8
    np.testing.assert_array_equal(labels.array, array)


def test_label_map_that_is_scaled(tmp_path):
    stored = np.array([0, 10, 20, 30, 70], "i2").reshape(1, 1, 5)
    labels = read_label_map(put(tmp_path / "a.nii", nifti(stored, scale=(0.1, 0.0))))
    assert labels.array.ravel().tolist() == [0, 1, 2, 3, 7]


def test_label_map_on_the_grid_of_its_image(tmp_path):
    array = np.zeros((4, 5, 6), "u1")
    shifted = [[1, 0, 0, 1e-4], [0, 1, 0, 0], [0, 0, 1, 0]]
    grid = read_volume(put(tmp_path / "image.nii", nifti(array, sform=np.eye(3, 4)))).grid
    assert read_label_map(put(tmp_path / "near.nii", nifti(array, sform=shifted)), grid).array.shape == (4, 5, 6)
    balanced = [[1, 0, 0, 0.5], [0, 1, 0, -0.5], [0, 0, 1, 0]]  # its differences add up to nothing
    for other in [
        {"sform": balanced},
        {"sform": np.diag([1.0, 1.0, -1.0])[:, [0, 1, 2, 2]]},
        {"spacing": (1, 1, 1.01)},
    ]:
        file = put(tmp_path / "off.nii", nifti(array, **{"sform": np.eye(3, 4), **other}))
        refused(file, "not on the grid", lambda path: read_label_map(path, grid))
    refused(put(tmp_path / "small.nii", nifti(array[:3])), "size is", lambda path: read_label_map(path, grid))


@pytest.mark.parametrize("name", ["a b.nii.gz", "a.nii"])
def test_what_is_written_is_read_back(tmp_path, name):
    labels = (sample() % 8).astype(np.uint8)
    for direction in axis_orders():
        grid = Grid((6, 5, 4), (0.5, 0.8, 1.2), (-7.0, 8.0, 9.5), direction)
        write_label_map(tmp_path / name, Volume(labels, grid))
        np.testing.assert_array_equal(read_label_map(tmp_path / name, grid).array, labels)
    write_volume(tmp_path / name, Volume(labels * np.float32(0.37), grid))
    np.testing.assert_array_equal(read_volume(tmp_path / name).array, labels * np.float32(0.37))
    image = sitk.ReadImage(str(tmp_path / name))
    assert image.GetMetaData("qform_code") != "0"
    assert image.GetMetaData("sform_code") != "0"


def test_written_bytes_depend_on_the_volume_alone(tmp_path):
    volume = Volume(np.ones((3, 4, 5), np.uint8), Grid((5, 4, 3), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    for name in ("a", "b"):
        write_label_map(tmp_path / f"{name}.nii.gz", volume)
    assert fingerprint(tmp_path / "a.nii.gz") == fingerprint(tmp_path / "b.nii.gz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nii.gz", "b.nii.gz"]


@pytest.mark.parametrize("value", [8, -1, 2.5, np.nan])
def test_only_labels_are_written(tmp_path, value):
    grid = Grid((5, 4, 3), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    with pytest.raises(ValueError, match="whole numbers"), np.errstate(invalid="ignore"):
        write_label_map(tmp_path / "a.nii.gz", Volume(np.full((3, 4, 5), value), grid))
    assert not list(tmp_path.iterdir())


def test_array_must_fit_its_grid():
    with pytest.raises(ValueError, match="does not fit"):
        Volume(np.zeros((3, 4, 5)), Grid((3, 4, 5), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1)))

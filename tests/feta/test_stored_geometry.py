"""What is written for an image lies where the image lies, for every reader: nibabel, ITK, and ours."""

from __future__ import annotations

import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from feta.errors import FetaError
from feta.grid import StoredGeometry
from feta.volumes import Volume, read_label_map, read_volume, write_label_map, write_volume
from tests.support.nifti_files import nifti, put, sample

ANGLES = st.tuples(*[st.floats(-3.1, 3.1)] * 3)
SHAPE = (4, 5, 6)


def rotation(angles: tuple[float, float, float]) -> np.ndarray:
    return np.reshape(sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix(), (3, 3))


def file_with(
    path: Path,
    codes: tuple[int, int],
    qform: np.ndarray,
    sform: np.ndarray,
    spacing: tuple[float, float, float],
    shape: tuple[int, int, int] = SHAPE,
) -> Path:
    """A volume whose header nibabel makes: both forms (4×4, RAS), and their codes."""
    data = (sample(shape) % 8 + 1).astype("u1").transpose(2, 1, 0)
    image = nibabel.Nifti1Image(data % 8, None)
    image.header.set_zooms(spacing)
    image.header.set_qform(qform, codes[0], strip_shears=False)
    image.header.set_sform(sform, codes[1])
    image.header.set_xyzt_units("mm")
    image.header["qform_code"], image.header["sform_code"] = codes
    nibabel.save(image, path)
    return path


def placed(angles: tuple[float, float, float], spacing: tuple[float, ...], offset: tuple, mirrored: bool) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(angles) @ np.diag([-1.0 if mirrored else 1.0, 1.0, 1.0]) * spacing
    matrix[:3, 3] = offset
    return matrix


@settings(max_examples=120, deadline=None)
@given(
    codes=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    angles=ANGLES,
    other=ANGLES,
    equal=st.booleans(),
    mirrored=st.booleans(),
    spacing=st.tuples(*[st.floats(0.3, 3.0)] * 3),
    offset=st.tuples(*[st.floats(-200, 200)] * 3),
)
def test_label_map_and_image_coincide_in_every_reader(
    tmp_path_factory, codes, angles, other, equal, mirrored, spacing, offset
):
    folder = tmp_path_factory.mktemp("forms")
    sform = placed(angles, spacing, offset, mirrored)
    qform = sform if equal else placed(other, spacing, (1.0, 2.0, 3.0), mirrored)
    image = file_with(folder / "image.nii.gz", codes, qform, sform, spacing)
    volume = read_volume(image)
    write_label_map(folder / "labels.nii.gz", Volume(volume.array.astype(np.uint8), volume.grid))
    write_volume(folder / "copy.nii", volume)
    for written in (folder / "labels.nii.gz", folder / "copy.nii"):
        mine, theirs = nibabel.load(written), nibabel.load(image)
        assert np.array_equal(mine.affine, theirs.affine)
        assert np.array_equal(mine.header["pixdim"], theirs.header["pixdim"])
        for name in ("qform_code", "sform_code", "quatern_b", "qoffset_x", "srow_x", "srow_y", "srow_z", "xyzt_units"):
            assert np.array_equal(mine.header[name], theirs.header[name]), name
        assert np.array_equal(np.asarray(mine.dataobj), np.asarray(theirs.dataobj))
        one, two = sitk.ReadImage(str(written)), sitk.ReadImage(str(image))
        for get in ("GetOrigin", "GetSpacing", "GetDirection"):
            assert getattr(one, get)() == getattr(two, get)()
    assert volume.grid.difference(read_label_map(folder / "labels.nii.gz").grid) is None


def placed_quaternion(matrix) -> float:
    """The first number of the quaternion by which a header would tell of this matrix."""
    axes = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    axes[:, 2] *= np.sign(np.linalg.det(axes))
    return float(nibabel.quaternions.mat2quat(axes)[0])


@settings(max_examples=60, deadline=None)
@given(angles=ANGLES, spacing=st.tuples(*[st.floats(0.3, 3.0)] * 3), mirrored=st.booleans())
def test_both_forms_are_read_as_nibabel_reads_them(tmp_path_factory, angles, spacing, mirrored):
    matrix = placed(angles, spacing, (-7.0, 8.0, 9.0), mirrored)
    # The header leaves out the first number of the quaternion, the cosine of half the angle. Near half a turn it is all
    # rounding, and readers differ by as much.
    assume(abs(placed_quaternion(matrix)) > 0.05)
    file = file_with(tmp_path_factory.mktemp("read") / "a.nii", (1, 2), matrix, matrix, spacing)
    header, own = nibabel.load(file).header, read_volume(file).grid.header
    assert own is not None
    np.testing.assert_allclose(own.qform(), header.get_qform(), atol=1e-5)
    np.testing.assert_allclose(own.sform(), header.get_sform(), atol=1e-6)
    assert own.disagreement((6, 5, 4)) < 0.01


@pytest.mark.parametrize("codes", [(1, 2), (1, 4), (2, 1), (3, 3)])
def test_forms_that_disagree_are_said_with_the_distance(tmp_path, codes):
    """The example of the report: turned by 15° and shifted."""
    qform = placed((0.0, 0.0, np.radians(15)), (1.0, 1.0, 1.0), (5.0, 0.0, 0.0), False)
    file = file_with(tmp_path / "a.nii.gz", codes, qform, np.eye(4), (1.0, 1.0, 1.0), shape=(40, 50, 60))
    (line,) = read_volume(file).warnings
    ends = np.array([[x, y, z, 1] for x in (0, 59) for y in (0, 49) for z in (0, 39)]).T
    gap = np.linalg.norm(((qform - np.eye(4)) @ ends)[:3], axis=0).max()
    assert f"disagree by up to {gap:.3g} mm" in line


@pytest.mark.parametrize("codes", [(0, 2), (1, 0), (0, 0)])
def test_a_form_that_is_not_set_contradicts_nothing(tmp_path, codes):
    turned = placed((0.4, 0.2, 0.1), (1.0, 1.0, 1.0), (5.0, 0.0, 0.0), False)
    assert read_volume(file_with(tmp_path / "a.nii.gz", codes, turned, np.eye(4), (1, 1, 1))).warnings == ()


@pytest.mark.parametrize("size", [0.5, 2.0, 1.02])
def test_a_header_that_contradicts_itself_in_size_is_refused(tmp_path, size):
    """pixdim says 1 mm, the sform something else: every length would be wrong by one of the two."""
    file = put(tmp_path / "a.nii.gz", nifti(sample(), sform=np.eye(3, 4) * size))
    with pytest.raises(FetaError, match=r"contradicts itself.*1 × 1 × 1.*sform"):
        read_volume(file)


def test_one_axis_is_enough_to_contradict(tmp_path):
    file = put(tmp_path / "a.nii.gz", nifti(sample(), sform=np.diag([1.0, 1.0, 1.3])[:, [0, 1, 2, 2]] * [1, 1, 1, 0]))
    with pytest.raises(FetaError, match="contradicts itself"):
        read_volume(file)


def test_a_sheared_sform_of_another_size_is_said(tmp_path):
    """ITK takes the qform, most others the sform, in which every length is another."""
    sheared = 0.5 * np.eye(3, 4)
    sheared[0, 1] = 0.025
    lines = read_volume(put(tmp_path / "a.nii.gz", nifti(sample(), sform=sheared, qoffset=(0, 0, 0)))).warnings
    assert any("voxels of 1 × 1 × 1 by its pixdim, of 0.5 × " in line for line in lines)


def test_sizes_that_nearly_agree_are_a_warning(tmp_path):
    (line,) = read_volume(put(tmp_path / "a.nii.gz", nifti(sample(), sform=np.eye(3, 4) * 1.005))).warnings
    assert "lengths may be off" in line


@pytest.mark.parametrize("shear", [3e-4, 1e-3, -5e-3, 9e-3])
def test_a_shear_of_rounded_digits_is_the_nearest_rotation(tmp_path, shear):
    sheared = np.eye(3, 4)
    sheared[0, 1] = shear
    volume = read_volume(put(tmp_path / "a.nii.gz", nifti(sample(), sform=sheared)))
    axes = np.reshape(volume.grid.direction, (3, 3))
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-5)
    assert np.abs(axes - np.diag([-1, -1, 1])).max() < abs(shear)
    assert any("sheared" in line for line in volume.warnings)
    write_label_map(tmp_path / "labels.nii.gz", Volume(np.zeros((4, 5, 6), np.uint8), volume.grid))
    assert np.array_equal(nibabel.load(tmp_path / "labels.nii.gz").affine, nibabel.load(tmp_path / "a.nii.gz").affine)


@pytest.mark.parametrize(
    ("spacing", "units", "word"),
    [((0.5,) * 3, 1, "metres"), ((0.5,) * 3, 3, "micrometres"), ((0.0005,) * 3, 2, "milli")],
)
def test_a_unit_that_contradicts_the_size_is_named(tmp_path, spacing, units, word):
    with pytest.raises(FetaError, match=rf"{spacing[0]:g} {word}"):
        read_volume(put(tmp_path / "a.nii", nifti(sample(), spacing=spacing, units=units)))


def test_a_derived_grid_does_not_carry_the_file_s_header(tmp_path):
    """Another origin with the old forms would lie elsewhere."""
    from dataclasses import replace

    grid = read_volume(put(tmp_path / "a.nii", nifti(sample(), sform=np.eye(3, 4)))).grid
    assert grid.header is not None
    moved = replace(grid, origin=(9.0, 9.0, 9.0))
    assert moved.header is None
    write_label_map(tmp_path / "moved.nii", Volume(np.zeros((4, 5, 6), np.uint8), moved))
    assert moved.difference(read_label_map(tmp_path / "moved.nii").grid) is None


def test_half_a_turn_with_rounded_digits_is_a_rotation() -> None:
    geometry = StoredGeometry((1, 0), (1.0, 1.0, 1.0, 1.0, 0, 0, 0, 0), (1.0001, 0.0, 0.0, 0, 0, 0), (0.0,) * 12, 2)
    np.testing.assert_allclose(geometry.qform()[:3, :3], np.diag([1, -1, -1]), atol=1e-12)


@pytest.mark.parametrize("code", [5, 7, -3])
def test_codes_beyond_the_standard_are_read_as_itk_reads_them(tmp_path, code):
    data = bytearray(nifti(sample(), sform=np.diag([1.0, -1.0, 1.0])[:, [0, 1, 2, 2]] * [1, 1, 1, 0]))
    data[254:256] = struct.pack("<h", code)
    file = put(tmp_path / "a.nii", bytes(data))
    image = sitk.ReadImage(str(file))
    assert read_volume(file).grid.direction == tuple(v + 0.0 for v in image.GetDirection())


@pytest.mark.parametrize("codes", [(1, 7), (300, 1), (2, 5)])
def test_codes_beyond_the_standard_are_carried_as_they_are(tmp_path, codes):
    data = bytearray(file_with(tmp_path / "a.nii", (1, 1), np.eye(4), np.eye(4), (1.0, 1.0, 1.0)).read_bytes())
    data[252:256] = struct.pack("<2h", *codes)
    (tmp_path / "a.nii").write_bytes(data)
    grid = read_volume(tmp_path / "a.nii").grid
    write_label_map(tmp_path / "b.nii", Volume(np.zeros(grid.shape, np.uint8), grid))
    assert struct.unpack("<2h", (tmp_path / "b.nii").read_bytes()[252:256]) == codes

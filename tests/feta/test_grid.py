"""The reader's grid is SimpleITK's, whatever the header looks like."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from feta.errors import FetaError
from feta.grid import Grid
from feta.volumes import read_volume
from tests.support.nifti_files import axis_orders, nifti, put, sample, simpleitk_file


def grid_by_simpleitk(path) -> tuple[Grid, np.ndarray]:
    image = sitk.ReadImage(str(path))
    grid = Grid(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    return grid, sitk.GetArrayFromImage(image)


def assert_same(path) -> None:
    volume = read_volume(path)
    grid, array = grid_by_simpleitk(path)
    assert grid.difference(volume.grid, tolerance_mm=1e-4) is None
    np.testing.assert_allclose(volume.grid.spacing, grid.spacing, rtol=1e-6)
    np.testing.assert_array_equal(volume.array, array)


@pytest.mark.parametrize("forms", ["qform", "sform", "both"])
def test_all_48_axis_orders(tmp_path, forms):
    for direction in axis_orders():
        file = simpleitk_file(tmp_path / "a.nii", sample(), direction, (0.5, 0.8, 1.2), (-31.0, 17.5, 5.25), forms)
        assert_same(file)
        axes = np.round(read_volume(file).grid.direction, 6)
        np.testing.assert_array_equal(np.abs(axes), np.abs(direction))


@settings(max_examples=40, deadline=None)
@given(
    turn=st.tuples(*[st.floats(-3.1, 3.1)] * 3),
    spacing=st.tuples(*[st.floats(0.3, 3.0)] * 3),
    origin=st.tuples(*[st.floats(-300, 300)] * 3),
    forms=st.sampled_from(["qform", "sform", "both"]),
    mirrored=st.booleans(),
)
def test_any_rotation(tmp_path_factory, turn, spacing, origin, forms, mirrored):
    rotation = sitk.Euler3DTransform((0, 0, 0), *turn).GetMatrix()
    direction = np.reshape(rotation, (3, 3)) * ([1, 1, -1] if mirrored else [1, 1, 1])
    file = tmp_path_factory.mktemp("turned") / "a.nii"
    assert_same(simpleitk_file(file, sample(), direction.ravel(), spacing, origin, forms))


def scaled(*diagonal: float, shear: float = 0.0) -> np.ndarray:
    matrix = np.hstack([np.diag(diagonal).astype(float), [[10.0], [20.0], [30.0]]])
    matrix[0, 1] = shear
    return matrix


HEADERS = {
    "neither form": {"spacing": (0.5, 0.6, 0.7)},
    "0.3 mm": {"spacing": (0.3,) * 3, "sform": scaled(0.3, 0.3, 0.3)},
    "3 mm": {"spacing": (3.0,) * 3, "sform": scaled(3, 3, 3)},
    "metres": {"spacing": (0.001,) * 3, "units": 1, "qoffset": (0.01, 0.02, 0.03)},
    "micrometres": {"spacing": (500.0,) * 3, "units": 3, "sform": scaled(500, 500, 500)},
    "no unit": {"spacing": (0.5,) * 3, "units": 0, "sform": scaled(0.5, 0.5, 0.5)},
    "forms that disagree, sform of the scanner": {"sform": scaled(1, 1, -1), "qoffset": (1, 2, 3)},
    "forms that disagree, sform aligned": {"sform": scaled(1, 1, -1), "sform_code": 2, "qoffset": (1, 2, 3)},
    "sform aligned alone": {"sform": scaled(1, -1, 1), "sform_code": 2},
    "sform of a template": {"sform": scaled(-1, 1, 1), "sform_code": 4},
    "sheared sform, good qform": {"sform": scaled(1, 1, 1, shear=0.3), "qoffset": (1, 2, 3)},
    "hardly sheared": {"sform": scaled(1, 1, 1, shear=1e-4)},
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("order", "<>")
def test_header_as_simpleitk_reads_it(tmp_path, name, order):
    assert_same(put(tmp_path / "a.nii", nifti(sample(), order=order, **HEADERS[name])))


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("order", "<>")
def test_nifti_2_is_read_as_the_same_nifti_1(tmp_path, name, order):
    one = read_volume(put(tmp_path / "1.nii", nifti(sample(), **HEADERS[name])))
    two = read_volume(put(tmp_path / "2.nii.gz", nifti(sample(), version=2, order=order, **HEADERS[name])))
    assert one.grid.difference(two.grid, tolerance_mm=1e-4) is None
    np.testing.assert_array_equal(one.array, two.array)


@pytest.mark.parametrize("shape", [(1, 5, 6), (4, 1, 6), (4, 5, 1), (1, 1, 1)])
def test_a_volume_one_voxel_thick(tmp_path, shape):
    assert_same(put(tmp_path / "thin.nii", nifti(sample(shape), sform=scaled(1, 1, 1))))


BAD = {
    "sheared": ({"sform": scaled(1, 1, 1, shear=0.3)}, "sheared"),
    "sheared a little": ({"sform": scaled(1, 1, 1, shear=0.01)}, "sheared"),
    "a zero column": ({"sform": scaled(1, 1, 0)}, "singular"),
    "an axis twice": ({"sform": [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]}, "singular"),
    "NaN in the sform": ({"sform": scaled(1, float("nan"), 1)}, "not finite"),
    "NaN in the origin": ({"sform": [[1, 0, 0, float("nan")], [0, 1, 0, 0], [0, 0, 1, 0]]}, "not finite"),
    "infinite origin": ({"qoffset": (float("inf"), 0, 0)}, "not finite"),
    "zero voxel size": ({"spacing": (0.0, 1.0, 1.0)}, "not positive"),
    "negative voxel size": ({"spacing": (-1.0, 1.0, 1.0)}, "not positive"),
    "voxel size NaN": ({"spacing": (1.0, float("nan"), 1.0)}, "not positive"),
    "half a metre a voxel": ({"spacing": (0.5,) * 3, "units": 1}, "unit"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("version", [1, 2])
def test_bad_affine_is_refused_in_one_line(tmp_path, name, version):
    changes, said = BAD[name]
    file = put(tmp_path / "bad.nii", nifti(sample(), version=version, **changes))
    with pytest.raises(FetaError, match=said) as caught:
        read_volume(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_no_temporary_folder_is_one_clear_line(tmp_path, monkeypatch):
    file = put(tmp_path / "a.nii", nifti(sample()))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(FetaError, match="TMPDIR"):
        read_volume(file)

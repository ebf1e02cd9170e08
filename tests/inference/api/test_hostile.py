"""What can't be used gets one line, that says what it is and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import given
from hypothesis import strategies as st

from feta.errors import FetaError
from feta.grid import Grid
from inference import load, segment
from inference.api import call
from inference.api.geometry import header_of, of_affine
from inference.api.given import take
from tests.support.folders import SMALL, Counting, make_weights

ARRAY = np.ascontiguousarray(SMALL.array.T)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
SHEARED = AFFINE + np.pad([[0, 0.6, 0], [0, 0, 0], [0, 0, 0]], ((0, 1), (0, 1)))


@pytest.fixture(autouse=True)
def _model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FETA_WEIGHTS", str(make_weights(tmp_path / "weights")))
    monkeypatch.setattr("inference.api.call.load_models", Counting().load)
    yield
    call._kept.cache_clear()


def filled(value: float) -> np.ndarray:
    """The head with a value in its middle."""
    array = ARRAY.copy()
    array[tuple(n // 2 for n in array.shape)] = value
    return array


@pytest.mark.parametrize(
    ("image", "line"),
    [
        (ARRAY[0], r"array: has 2 dimensions \(50, 50\), not three"),
        (np.stack([ARRAY, ARRAY]), r"array: has 4 dimensions \(2, 50, 50, 50\), not three"),
        (np.stack([ARRAY, ARRAY], axis=-1), r"array: has 4 dimensions \(50, 50, 50, 2\), not three"),
        (ARRAY[:0], r"array: is empty: its shape is \(0, 50, 50\)"),
        (ARRAY[:3], r"array: is only 3 voxels \(6 mm\) thick along i"),
        (filled(np.nan), "inside the head that are NaN or infinite"),
        (filled(np.inf), "inside the head that are NaN or infinite"),
        (np.full_like(ARRAY, np.nan), "NaN or infinite"),
        (np.full_like(ARRAY, 7.0), "array: is empty: every voxel is 7"),
        (ARRAY.astype(np.complex64), "array: holds values of type complex64, not real numbers"),
        (ARRAY.astype(object), "array: holds values of type object, not real numbers"),
        (ARRAY.astype(str), "array: holds values of type <U32, not real numbers"),
        (ARRAY > 100, "array: holds only 2 distinct values: a mask or a label map, no scan"),
        (np.rint(ARRAY / 100).astype(np.uint8), "distinct values: a mask or a label map, no scan"),
        (None, "array: holds values of type object"),
        ([[1, 2], [3]], "array: cannot be read as an array of numbers"),
        (np.ma.masked_less(ARRAY, 100), r"array: has masked voxels; give array.filled\(0\)"),
        (torch.zeros(2, 2), r"tensor: has 2 dimensions \(2, 2\), not three"),
    ],
)
def test_an_array_that_is_no_scan(image: Any, line: str) -> None:
    with pytest.raises(FetaError, match=line) as error:
        segment(image, affine=AFFINE)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("spacing", "line"),
    [
        (None, "spacing: is needed, or an affine"),
        (0.8, "spacing: is 0.8, not three numbers; give three numbers"),
        ((2, 2), r"spacing: is \(2, 2\), not three numbers"),
        ((2, 2, 2, 1), "not three numbers"),
        ((2, 0, 2), r"spacing: is \(2, 0, 2\), not positive throughout"),
        ((2, -2, 2), r"spacing: is \(2, -2, 2\), not positive throughout"),
        ((2, np.nan, 2), "not positive throughout"),
        ("wide", "spacing: is wide, not three numbers"),
        ((2e-3, 2e-3, 2e-3), "array: extends over 0.1 mm"),
        ((2e3, 2e3, 2e3), r"array: extends over 100000 mm"),
    ],
)
def test_a_spacing_that_is_none(spacing: Any, line: str) -> None:
    with pytest.raises(FetaError, match=line):
        segment(ARRAY, spacing=spacing)


@pytest.mark.parametrize(
    ("affine", "line"),
    [
        (np.eye(3), r"affine: is of shape \(3, 3\), not \(4, 4\)"),
        (np.diag([2.0, 2, 0, 1]), "affine: is singular"),
        (np.array([[2.0, 2, 0, 0], [0, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]), "affine: is singular"),
        (SHEARED, "affine is sheared, singular or not finite; resample it"),
        (np.diag([2.0, 2, np.nan, 1]), "affine: holds numbers that are NaN or infinite"),
        (np.diag([2.0, 2, 2, 2]), r"affine: has a last row of \(0, 0, 0, 2\)"),
        ("RAS", "affine: is no array of numbers|affine: is of shape"),
    ],
)
def test_an_affine_that_is_none(affine: Any, line: str) -> None:
    with pytest.raises(FetaError, match=line):
        segment(ARRAY, affine=affine)


def test_a_spacing_that_contradicts_the_affine() -> None:
    line = r"spacing: is \(1, 2, 2\), and by the affine \(2, 2, 2\); give one of the two"
    with pytest.raises(FetaError, match=line):
        segment(ARRAY, affine=AFFINE, spacing=(1, 2, 2))


@pytest.mark.parametrize("name", ["spacing", "affine"])
def test_an_image_that_says_itself_where_it_lies_takes_neither(name: str) -> None:
    image = nib.Nifti1Image(ARRAY, AFFINE)
    for each in (image, sitk.GetImageFromArray(SMALL.array), "scan.nii.gz"):
        with pytest.raises(FetaError, match=f"{name}: is given, and the image says itself"):
            segment(each, **{name: AFFINE if name == "affine" else (2, 2, 2)})


@pytest.mark.parametrize(
    ("ga", "line"),
    [
        ("28+3", r"ga: gestational age '28\+3' is not a number of weeks \(write 28.4\)"),
        (5, "ga: gestational age '5' is outside"),
        (197, "ga: gestational age '197' is outside"),
        (float("nan"), "ga: 'nan' is no number of weeks; leave it out"),
        (float("inf"), "ga: 'inf' is no number of weeks"),
        ("", "ga: '' is no number of weeks"),
        (True, "ga: '1' is no number of weeks"),
        ([28], r"ga: gestational age '\[28\]' is not a number"),
    ],
)
def test_an_age_that_is_none(ga: Any, line: str) -> None:
    with pytest.raises(FetaError, match=line):
        segment(ARRAY, affine=AFFINE, ga=ga)


@pytest.mark.parametrize("name", ["nothing.nii.gz", "nothing.mha"])
def test_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(FetaError, match=f"{name}: does not exist"):
        segment(tmp_path / name)


def test_a_folder_and_a_file_of_another_format(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match="is a folder; give one volume"):
        segment(tmp_path)
    (tmp_path / "scan.txt").write_text("no scan")
    with pytest.raises(FetaError, match="is no volume"):
        segment(tmp_path / "scan.txt")


class OnGpu:
    """A tensor on a GPU that this machine has not."""

    dtype = torch.float32

    def detach(self) -> OnGpu:
        return self

    def cpu(self) -> OnGpu:
        raise RuntimeError("CUDA error: no kernel image is available\nfor execution on the device")


def test_a_tensor_that_cannot_be_fetched_from_its_gpu() -> None:
    with pytest.raises(FetaError, match=r"tensor: cannot be read as an array of numbers \(CUDA error: no kernel image"):
        segment(OnGpu(), affine=AFFINE)


def test_tensors_of_any_real_type_are_read() -> None:
    tensor = torch.from_numpy(ARRAY)
    for each in (tensor.double(), tensor.bfloat16(), tensor.half(), tensor.clone().requires_grad_(), tensor.int()):
        assert take(each, affine=AFFINE).volume.array == pytest.approx(SMALL.array, rel=0.01, abs=1)


def test_a_simpleitk_image_that_is_no_scan() -> None:
    with pytest.raises(FetaError, match=r"has 2 dimensions \(50, 50\)"):
        segment(sitk.GetImageFromArray(SMALL.array[0]))
    with pytest.raises(FetaError, match="has several values a voxel"):
        segment(sitk.GetImageFromArray(np.stack([SMALL.array] * 2, axis=-1), isVector=True))
    image = sitk.GetImageFromArray(SMALL.array)
    image.SetDirection([1, 0.5, 0, 0, 1, 0, 0, 0, 1])
    with pytest.raises(FetaError, match="its direction is not of right angles"):
        segment(image)


def test_an_image_of_nibabel_whose_file_is_cut_off(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(ARRAY, AFFINE), tmp_path / "cut.nii")
    image = nib.load(tmp_path / "cut.nii")
    data = (tmp_path / "cut.nii").read_bytes()
    (tmp_path / "cut.nii").write_bytes(data[: len(data) // 2])
    with pytest.raises(FetaError, match=r"cut\.nii: its voxels cannot be read"):
        segment(image)


def test_an_affine_that_was_changed_in_an_image_counts_as_it_is() -> None:
    image = nib.Nifti1Image(ARRAY, AFFINE)
    image.affine[:3, 3] = (5, 6, 7)
    assert segment(image).affine == pytest.approx(image.affine)


@pytest.mark.parametrize("wrong", [{"device": "tpu"}, {"weights": "nowhere"}, {"biometry": "ruler"}])
def test_options_that_do_not_exist(wrong: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(FetaError, match=re.escape(next(iter(wrong.values())))):
        load(**wrong)  # type: ignore[arg-type]


@given(
    st.permutations(range(3)),
    st.tuples(*[st.sampled_from([-1, 1])] * 3),
    st.tuples(*[st.floats(0.2, 4)] * 3),
    st.tuples(*[st.floats(-300, 300)] * 3),
)
def test_any_orthogonal_affine_is_understood_as_nibabel_does(order: list[int], signs: Any, sides: Any, at: Any) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[order] * signs * sides
    affine[:3, 3] = at
    grid: Grid = header_of(of_affine(affine, None), (60, 50, 40), Path("array")).grid
    assert np.diag([-1, -1, 1, 1]) @ grid.affine() == pytest.approx(affine, abs=1e-4)

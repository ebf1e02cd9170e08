"""Calls from Python give what the command gives, whatever holds the volume, and stay loaded."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.spatial.transform import Rotation

from feta.errors import FetaError
from feta.volumes import read_label_map, read_volume, write_volume
from inference import Segmented, segment
from inference.api import call
from inference.api.given import Given, take
from inference.derivatives.size_table import read_sizes
from tests.support.folders import SMALL, Counting, make_weights
from tests.support.heads import TO_CANONICAL
from tests.support.infer_calls import Calls
from tests.support.nifti_files import axis_orders, simpleitk_file

#: A rotation about no axis in particular.
OBLIQUE = Rotation.from_rotvec([0.3, -0.5, 0.7]).as_matrix()


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    """In place of the networks one that reads labels off the image."""
    counting = Counting()
    monkeypatch.setenv("FETA_WEIGHTS", str(make_weights(tmp_path / "weights")))
    monkeypatch.setattr("inference.api.call.load_models", counting.load)
    yield counting
    call._kept.cache_clear()


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "sub-001_T2w.nii.gz"
    write_volume(path, SMALL)
    return path


def holders(path: Path) -> list[Given]:
    """The volume of a file as all that can hold it give it."""
    image = nib.load(path)
    data = image.get_fdata(dtype=np.float32)
    tensor = torch.from_numpy(data)
    sides = image.header.get_zooms()
    return [
        take(str(path)),
        take(image),
        take(data, affine=image.affine),
        take(tensor, affine=image.affine, spacing=sides),
        take(tensor[None, ..., None], affine=torch.from_numpy(image.affine)),
        take(sitk.ReadImage(str(path))),
    ]


@pytest.mark.parametrize("turn", [*axis_orders()[::5], tuple(OBLIQUE.ravel())])
def test_networks_see_the_very_volume_and_grid_that_the_command_reads(tmp_path: Path, turn: tuple[float, ...]) -> None:
    array = np.random.default_rng(1).normal(100, 20, (20, 24, 28)).astype(np.float32)
    path = simpleitk_file(tmp_path / "scan.nii", array, turn, (0.8, 0.9, 1.1), (-10.0, 20.0, 30.0), "both")
    expected = read_volume(path)
    for given in holders(path):
        assert np.array_equal(given.volume.array, expected.array)
        assert given.volume.grid.difference(expected.grid, tolerance_mm=1e-5) is None
    of_image, of_simpleitk = holders(path)[1], holders(path)[-1]
    assert of_image.volume.grid == of_simpleitk.volume.grid == expected.grid


def test_labels_are_those_of_the_command_in_the_order_of_what_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scan: Path, model: Counting
) -> None:
    assert Calls(tmp_path / "calls", monkeypatch)(scan, tmp_path / "out", "--no-qc", "--no-report") == 0
    command = nib.load(next((tmp_path / "out").rglob("*_dseg.nii.gz")))
    expected, image = np.asarray(command.dataobj), nib.load(scan)
    data = image.get_fdata(dtype=np.float32)
    for result in (segment(scan), segment(image), segment(data, affine=image.affine)):
        assert result.labels.dtype == np.uint8
        assert np.array_equal(result.labels, expected)
        assert np.allclose(result.affine, image.affine, atol=1e-5)
    assert np.array_equal(segment(sitk.ReadImage(str(scan))).labels, expected.T)
    assert np.array_equal(segment(data[None, ..., None], affine=image.affine).labels, expected[None, ..., None])


def test_sizes_are_those_of_the_commands_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scan: Path, model: Counting
) -> None:
    calls = Calls(tmp_path / "calls", monkeypatch)
    assert calls(scan, tmp_path / "out", "--no-qc", "--no-report", "--ga", "28.4") == 0
    table = read_sizes(next((tmp_path / "out").rglob("*_volumes.tsv")))
    result = segment(scan, ga=28.4)
    assert (table.age, [size.key for size in table.sizes]) == (result.age, [size.key for size in result.sizes])
    for size, told in zip(result.sizes, table.sizes, strict=True):
        assert size.value == pytest.approx(told.value, abs=0.006), size.key
        assert size.centile == pytest.approx(told.centile, abs=0.06), size.key
    assert result.volumes["GM"].unit == "ml"
    assert result.lengths["TCD"].value == next(s.value for s in result.sizes if s.key == "TCD")


def test_the_verdict_is_that_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scan: Path, model: Counting
) -> None:
    assert Calls(tmp_path / "calls", monkeypatch)(scan, tmp_path / "out", "--no-qc", "--no-report") == 0
    (case,) = json.loads((tmp_path / "out/run.json").read_text())["cases"].values()
    result = segment(scan)
    assert result.verdict == case["verdict"] == "check"
    assert result.reasons == tuple(reason["text"] for reason in case["verdict_reasons"])
    assert (result.expected_dice, result.age_estimated) == ({}, None)  # nobody measured this model's errors


def test_the_networks_stay_loaded_until_other_options_are_asked_for(scan: Path, model: Counting) -> None:
    segment(scan)
    segment(scan, ga=30)
    assert (model.loads, model.calls) == (1, 2)
    segment(scan, tta=True)
    assert model.loads == 2


def test_threads_load_once_and_all_get_their_result(scan: Path, model: Counting) -> None:
    results: list[Segmented] = []
    threads = [threading.Thread(target=lambda: results.append(segment(scan))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (model.loads, len(results)) == (1, 3)


def test_the_pose_takes_ras_to_the_upright_brain(scan: Path, model: Counting) -> None:
    pose = segment(scan).pose
    by_construction = TO_CANONICAL @ np.diag([-1.0, -1.0, 1.0, 1.0])
    assert np.degrees(np.arccos((np.trace(pose[:3, :3] @ by_construction[:3, :3].T) - 1) / 2)) < 3
    centre = np.linalg.inv(by_construction)[:, 3]
    assert abs((pose @ centre)[0]) < 1.0


def test_without_an_affine_no_side_is_named_and_it_is_said(model: Counting) -> None:
    result = segment(SMALL.array.T, spacing=(2, 2, 2))
    assert any("left and right are unknown" in line for line in result.warnings)
    assert result.volumes["WM_left"].value is None
    assert result.volumes["WM"].value is not None


def test_a_simpleitk_image_of_a_file_without_orientation_names_no_side_either(tmp_path: Path, model: Counting) -> None:
    image = nib.Nifti1Image(SMALL.array.T, None)
    image.header.set_zooms((2, 2, 2))
    nib.save(image, tmp_path / "bare.nii")
    result = segment(sitk.ReadImage(str(tmp_path / "bare.nii")))
    assert any("left and right are unknown" in line for line in result.warnings)


def test_nothing_is_printed_written_or_changed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, model: Counting
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    array = np.asfortranarray(SMALL.array.T).copy(order="F")
    array[0, 0, 0] = np.nan  # set to 0 in a copy
    before, threads = array.copy(), torch.get_num_threads()
    result = segment(array, affine=np.diag([2.0, 2, 2, 1]), ga=28)
    assert any("were set to 0" in line for line in result.warnings)
    assert np.array_equal(array, before, equal_nan=True)
    assert torch.get_num_threads() == threads
    assert list(Path.cwd().iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_what_is_saved_lies_where_the_scan_lies(tmp_path: Path, scan: Path, model: Counting) -> None:
    result = segment(nib.load(scan))
    result.save(tmp_path / "new" / "labels.nii.gz")
    saved = nib.load(tmp_path / "new" / "labels.nii.gz")
    assert np.array_equal(np.asarray(saved.dataobj), result.labels)
    assert np.allclose(saved.affine, nib.load(scan).affine)
    assert read_label_map(tmp_path / "new" / "labels.nii.gz").array.any()
    with pytest.raises(FetaError, match="is of no format that is written"):
        result.save(tmp_path / "labels.png")


def test_an_image_with_slope_and_intercept_is_read_as_its_file(tmp_path: Path) -> None:
    image = nib.Nifti1Image(SMALL.array.T.astype(np.int16), np.diag([2.0, 2, 2, 1]))
    image.header.set_slope_inter(0.37, 11.3)
    nib.save(image, tmp_path / "scaled.nii.gz")
    path = tmp_path / "scaled.nii.gz"
    assert np.array_equal(take(nib.load(path)).volume.array, take(path).volume.array)

"""Derivatives and inputs before the official BIDS validator."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from feta.labels import TISSUES
from feta.volumes import Volume, read_label_map, read_volume
from inference.derivatives.validation import errors_of, is_installed
from inference.geometry.segmentation_result import Segmentation, SoftLabels
from inference.topology.correction import sure_scores
from tests.support.folders import Counting
from tests.support.infer_calls import Calls, bids_dataset

SCANS = (
    "sub-01/anat/sub-01_rec-mial_T2w.nii.gz",
    "sub-02/ses-1/anat/sub-02_ses-1_acq-haste_rec-svrtk_run-1_T2w.nii.gz",
    "sub-02/ses-2/anat/sub-02_ses-2_T2w.nii",
)
#: The validator is one of the tests' own packages: without it they prove nothing, and fail.


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(tmp_path, monkeypatch)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return bids_dataset(tmp_path / "data", *SCANS)


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return bids_dataset(tmp_path / "one", SCANS[0])


def test_the_validator_is_installed() -> None:
    assert is_installed()


def test_derivatives_are_valid(call: Calls, data: Path) -> None:
    assert call(data, data / "derivatives/feta", "--layout", "bids", "--landmarks") == 0
    assert errors_of(data / "derivatives/feta") == []
    assert errors_of(data) == []


class Soft(Counting):
    """A stand-in that gives probabilities, too: certain ones."""

    def __call__(self, volume: Volume) -> Segmentation:
        found = super().__call__(volume)
        shape = found.labels.grid.shape
        scores = sure_scores(found.labels.array)
        everywhere = (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
        return replace(found, soft=SoftLabels(scores, everywhere, shape, np.asarray))


def test_probabilities_are_valid_derivatives(
    tmp_path: Path, call: Calls, one: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.runs.run.load_models", Soft().load)
    assert call(one, tmp_path / "out", "participant", "--probseg", "--no-qc") == 0
    assert errors_of(tmp_path / "out") == []
    stem = "sub-01/anat/sub-01_rec-mial_seg-feta"
    labels = read_label_map(tmp_path / f"out/{stem}_dseg.nii.gz").array
    for tissue in TISSUES:
        soft = read_volume(tmp_path / f"out/{stem}_label-{tissue.name}_probseg.nii.gz").array
        assert np.array_equal(soft, labels == tissue)
    assert call(one, tmp_path / "c", "participant", "--probseg", "--layout", "challenge") == 2


def test_the_validator_finds_what_is_wrong_with_derivatives(tmp_path: Path, call: Calls, one: Path) -> None:
    """Or the test above would prove nothing."""
    out = tmp_path / "out"
    assert call(one, out, "participant") == 0
    made = out / "sub-01/anat/sub-01_rec-mial_seg-feta_dseg.nii.gz"
    shutil.copy(made, made.with_name("sub-01_rec-mial_T2w_dseg.nii.gz"))  # as the challenge names it
    assert any("sub-01_rec-mial_T2w_dseg.nii.gz" in line for line in errors_of(out))


def test_errors_of_the_input_are_said_and_the_work_done_unless_strict(
    tmp_path: Path, call: Calls, one: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (one / "dataset_description.json").unlink()
    assert call(one, tmp_path / "out", "participant", "--strict") == 2
    said = capsys.readouterr().err
    assert "MISSING_DATASET_DESCRIPTION" in said
    assert "is no valid BIDS data set (1 kinds of error)" in said
    assert not (tmp_path / "out").exists()
    assert call(one, tmp_path / "out", "participant", "--no-qc") == 0
    assert "is no valid BIDS data set: MISSING_DATASET_DESCRIPTION" in capsys.readouterr().err
    assert call(one, tmp_path / "out", "participant", "--no-qc", "--skip_bids_validation") == 0
    assert "MISSING" not in capsys.readouterr().err


def test_a_valid_data_set_is_no_warning(
    tmp_path: Path, call: Calls, one: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(one, tmp_path / "out", "participant", "--strict", "--no-qc") == 0
    assert "BIDS" not in capsys.readouterr().err


def test_strict_needs_the_validator(
    tmp_path: Path, call: Calls, one: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("inference.derivatives.validation.PACKAGE", "no_such_package")
    assert call(one, tmp_path / "out", "participant", "--strict") == 2
    assert "pip install bids-validator-deno" in capsys.readouterr().err
    assert call(one, tmp_path / "out", "participant", "--no-qc") == 0


def test_a_validator_that_breaks_is_said_and_stops_nothing(
    tmp_path: Path, call: Calls, one: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken_validator.py").write_text("def cli():\n    raise SystemExit('no room left')\n")
    monkeypatch.setattr("inference.derivatives.validation.PACKAGE", "broken_validator")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    assert call(one, tmp_path / "out", "participant", "--no-qc") == 0
    assert "the BIDS validator failed (no room left)" in capsys.readouterr().err
    assert call(one, tmp_path / "out", "participant", "--strict") == 2


def test_the_container_is_named_as_far_as_it_is_known(tmp_path: Path) -> None:
    from inference.derivatives.dataset_description import description

    for environment, container in [
        ({}, None),
        ({"FETA_PROGRAM": "feta-infer"}, {"Type": "docker"}),
        ({"FETA_PROGRAM": "x", "FETA_CONTAINER_TAG": "feta:1.0"}, {"Type": "docker", "Tag": "feta:1.0"}),
        ({"FETA_PROGRAM": "x", "APPTAINER_CONTAINER": "/a.sif"}, {"Type": "apptainer"}),
    ]:
        made_by = description(tmp_path / "o", tmp_path, environment)["GeneratedBy"][0]
        assert made_by.get("Container") == container


def test_the_source_is_linked_relatively_from_within_it(tmp_path: Path) -> None:
    from inference.derivatives.dataset_description import description

    (tmp_path / "dataset_description.json").write_text(json.dumps({"Name": "d", "DatasetDOI": "doi:10.1/2"}))
    inside = description(tmp_path / "derivatives/feta", tmp_path, {})
    assert inside["DatasetLinks"] == {"raw": "../.."}
    assert inside["SourceDatasets"] == [{"URL": "../..", "DOI": "doi:10.1/2"}]
    assert description(tmp_path.parent / "o", tmp_path, {})["DatasetLinks"] == {"raw": tmp_path.as_uri()}

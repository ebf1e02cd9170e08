"""``feta-infer BIDS OUT participant`` and ``group``: calls, files, and what is said of bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from feta.cases import CaseList, find_cases
from feta.labels import TISSUES
from feta.volumes import read_label_map
from inference.derivatives.label_tables import label_tables
from inference.runs.outputs import CaseJob, bids_jobs
from inference.runs.settings import Settings
from tests.support.infer_calls import Calls, bids_dataset, names

ONE, TWO = "sub-01/anat/sub-01_rec-mial_T2w.nii.gz", "sub-02/anat/sub-02_T2w.nii.gz"


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(tmp_path, monkeypatch)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return bids_dataset(tmp_path / "data", ONE, TWO)


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the volumes that a call would do, which it doesn't."""
    names: list[str] = []

    def note(_found: CaseList, jobs: list[CaseJob], _settings: Settings, _root: Path) -> tuple[int, dict]:
        names.extend(job.case.name for job in jobs)
        return 0, {}

    monkeypatch.setattr("inference.commands.bids_app.run_jobs", note)
    return names


def test_participant_writes_derivatives(tmp_path: Path, call: Calls, data: Path) -> None:
    out = tmp_path / "out"
    assert call(data, out, "participant") == 0
    stem = "sub-01/anat/sub-01_rec-mial"
    ends = ("seg-feta_dseg.nii.gz", "seg-feta_dseg.json", "desc-brain_mask.nii.gz", "desc-brain_mask.json")
    of_one = {f"{stem}_{end}" for end in (*ends, "biom.tsv", "biom.json", "volumes.tsv")} | {
        "sub-01/figures/sub-01_rec-mial_qc.png",
        "sub-01/figures/sub-01_rec-mial_report.html",
    }
    of_all = {
        "dataset_description.json",
        "dseg.tsv",
        "README.md",
        ".bidsignore",
        "run.json",
        *label_tables(),
        "cohort.tsv",
        "cohort.json",
        "cohort.html",
    }
    assert {name for name in names(out) if not name.startswith("sub-02")} == of_one | of_all
    labels, mask = (read_label_map(out / f"{stem}_{end}").array for end in (ends[0], ends[2]))
    assert np.array_equal(mask, labels > 0)
    told = json.loads((out / f"{stem}_seg-feta_dseg.json").read_text())
    assert told["Sources"] == [f"bids:raw:{ONE}"]
    assert told["SpatialReference"] == f"bids:raw:{ONE}"
    assert (out / f"{stem}_biom.tsv").read_text().startswith("participant_id\tLCC\t")
    table = [line.split("\t") for line in (out / "dseg.tsv").read_text().splitlines()]
    assert table[0][:3] == ["index", "name", "abbreviation"]
    assert [(int(row[0]), row[2]) for row in table[2:]] == [(tissue.value, tissue.name) for tissue in TISSUES]


def test_what_is_finished_is_not_done_again(tmp_path: Path, call: Calls, data: Path) -> None:
    assert call(data, tmp_path / "out", "participant") == 0
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*") if p.is_file() and p.name != "run.json"}
    assert call(data, tmp_path / "out", "participant") == 0
    assert call.model.calls == 2
    assert {p: p.stat().st_mtime_ns for p in before} == before
    (tmp_path / "out/sub-02/anat/sub-02_desc-brain_mask.json").write_text("{}")
    assert call(data, tmp_path / "out", "participant") == 0
    assert call.model.calls == 3


@pytest.mark.parametrize(
    "labels",
    [
        ["--participant-label", "02"],
        ["--participant_label", "sub-02"],
        ["--participant_label=02"],
        ["--participant-label", "02", "--skip_bids_validation"],
        ["--participant-label", "02", "--skip-bids-validator", "--no-tta"],
    ],
)
def test_one_participant_by_any_spelling(
    tmp_path: Path, call: Calls, data: Path, planned: list[str], labels: list[str]
) -> None:
    assert call(data, tmp_path / "out", "participant", *labels) == 0
    assert planned == ["sub-02_T2w"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["participant", "--participant_label", "a", "sub-c", "--no-qc"],
        ["--participant-label", "a", "c", "participant"],
        ["participant", "--participant-label", "a,sub-c"],
        ["participant", "--participant-label", "c a c"],
        ["participant", "--participant-label", "a", "--device", "cpu", "--participant-label", "c"],
    ],
)
def test_several_labels_follow_one_option_wherever_it_stands(
    tmp_path: Path, call: Calls, planned: list[str], arguments: list[str]
) -> None:
    data = bids_dataset(tmp_path / "d", *(f"sub-{n}/anat/sub-{n}_T2w.nii.gz" for n in "abc"))
    assert call(data, tmp_path / "1", *arguments, "--skip-bids-validation") == 0
    assert planned == ["sub-a_T2w", "sub-c_T2w"]


def test_labels_may_stand_before_the_folders(tmp_path: Path, call: Calls, data: Path, planned: list[str]) -> None:
    assert call("--participant-label", "02", data, tmp_path / "o", "participant", "--skip-bids-validation") == 0
    assert planned == ["sub-02_T2w"]


@pytest.mark.parametrize("given", [["--participant-label"], ["--participant-label="], ["--session-label", ""]])
def test_an_option_without_its_label_is_one_line(
    tmp_path: Path, call: Calls, data: Path, given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(data, tmp_path / "out", "participant", *given) == 2
    said = capsys.readouterr().err
    assert "names none; write labels behind it" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("label", ["7", "sub-7", "07"])
def test_a_participant_that_is_not_there_is_one_line(
    tmp_path: Path, call: Calls, data: Path, label: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(data, tmp_path / "out", "participant", "--participant-label", "01", label) == 2
    said = capsys.readouterr().err
    assert f"holds no sub-{label.removeprefix('sub-')}; it holds sub-01, sub-02" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_participant_of_another_spelling_is_suggested(
    tmp_path: Path, call: Calls, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(data, tmp_path / "out", "participant", "--participant-label", "1") == 2
    assert "'sub-01' is probably meant" in capsys.readouterr().err


def test_a_participant_without_a_volume_is_said_to_have_none(
    tmp_path: Path, call: Calls, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "sub-09/func").mkdir(parents=True)
    assert call(data, tmp_path / "out", "participant", "--participant-label", "09") == 2
    assert "sub-09 has no T2w volume" in capsys.readouterr().err


def test_others_are_done_beside_a_participant_without_a_volume(
    tmp_path: Path, call: Calls, data: Path, planned: list[str]
) -> None:
    (data / "sub-09/func").mkdir(parents=True)
    labels = ("--participant-label", "09", "02", "--skip-bids-validation")
    assert call(data, tmp_path / "out", "participant", *labels) == 0
    assert planned == ["sub-02_T2w"]


def test_sessions_and_reconstructions_are_told_apart(tmp_path: Path, call: Calls, planned: list[str]) -> None:
    scans = [f"sub-01/ses-{s}/anat/sub-01_ses-{s}_rec-{r}_run-{n}_T2w.nii.gz" for s in "12" for r in "ab" for n in "12"]
    stack = "sub-01/ses-1/anat/sub-01_ses-1_run-3_T2w.nii.gz"
    data = bids_dataset(tmp_path / "d", *scans, stack)
    stems = [Path(scan).name.removesuffix(".nii.gz") for scan in scans]
    assert call(data, tmp_path / "out", "participant", "--session-label", "2", "--skip-bids-validation") == 0
    assert planned == [stem for stem in stems if "ses-2" in stem]
    planned.clear()
    assert call(data, tmp_path / "out", "participant", "--session_label", "ses-1", "2", "--skip-bids-validation") == 0
    assert planned == stems  # a raw stack beside reconstructions isn't taken
    jobs = bids_jobs(find_cases(data).cases, tmp_path / "out")
    assert len({path for job in jobs for path in (*job.outputs, job.record)}) == 7 * len(scans)


def test_a_session_that_is_not_there_is_one_line(
    tmp_path: Path, call: Calls, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(data, tmp_path / "out", "participant", "--session-label", "3") == 2
    assert "holds no ses-3; it holds none" in capsys.readouterr().err


def test_a_session_of_another_participant_is_one_line(
    tmp_path: Path, call: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    scans = ("sub-01/ses-1/anat/sub-01_ses-1_T2w.nii.gz", "sub-02/ses-2/anat/sub-02_ses-2_T2w.nii.gz")
    data = bids_dataset(tmp_path / "d", *scans)
    labels = ("--participant-label", "01", "--session-label", "2")
    assert call(data, tmp_path / "out", "participant", *labels) == 2
    assert "sub-01 has no ses-2" in capsys.readouterr().err


def test_a_call_that_can_t_be_used_leaves_nothing(tmp_path: Path, call: Calls, data: Path) -> None:
    assert call(data, tmp_path / "out", "participant", "--weights", tmp_path / "nowhere") == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("planned")
def test_another_participant_s_trouble_is_not_told(
    tmp_path: Path, call: Calls, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "sub-03/anat").mkdir(parents=True)
    assert call(data, tmp_path / "out", "participant", "--participant-label", "01", "--skip-bids-validation") == 0
    assert "sub-03" not in capsys.readouterr().err


def test_group_says_what_is_missing(
    tmp_path: Path, call: Calls, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert call(data, out, "group") == 2
    assert f"run feta-infer {data} {out} participant first" in capsys.readouterr().err
    assert not out.exists()
    call(data, out, "participant", "--participant-label", "01")
    capsys.readouterr()
    assert call(data, out, "group") == 1
    assert "sub-02/anat/sub-02_T2w: has no result" in capsys.readouterr().err
    call(data, out, "participant", "--participant-label", "02", "--no-qc")
    assert call(data, out, "group") == 0
    assert len((out / "cohort.tsv").read_text().splitlines()) > 1
    (out / "sub-01/anat/sub-01_rec-mial_biom.tsv").unlink()
    assert call(data, out, "group") == 1


def test_group_over_the_challenge_s_layout(tmp_path: Path, call: Calls, data: Path) -> None:
    assert call(data, tmp_path / "out", "participant", "--layout", "challenge") == 0
    assert (tmp_path / "out/sub-02/anat/sub-02_T2w_dseg.nii.gz").is_file()
    assert call(data, tmp_path / "out", "group", "--layout=challenge") == 0


def test_the_challenge_s_layout_stays_the_default_of_the_plain_call(tmp_path: Path, call: Calls, data: Path) -> None:
    assert call(data, tmp_path / "participant") == 0  # a folder of that name is no level
    assert (tmp_path / "participant/sub-02/anat/sub-02_T2w_dseg.nii.gz").is_file()
    assert not (tmp_path / "participant/dataset_description.json").exists()


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (["--layout", "bids"], [], "holds results as BIDS names them; choose another folder, or add --layout bids"),
        ([], ["--layout", "bids"], "holds results as the challenge names them; choose another folder"),
        ([], ["participant"], "holds results as the challenge names them; choose another folder"),
    ],
)
def test_a_folder_of_the_other_layout_is_refused(
    tmp_path: Path, call: Calls, data: Path, first: list, second: list, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(data, tmp_path / "out", *first) == 0
    before = names(tmp_path / "out")
    capsys.readouterr()
    assert call(data, tmp_path / "out", *second) == 2
    assert said in capsys.readouterr().err
    assert names(tmp_path / "out") == before


def test_derivatives_are_not_written_over_another_data_set(
    tmp_path: Path, call: Calls, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(data, data, "participant") == 2
    assert "is the input" in capsys.readouterr().err
    other = tmp_path / "fmriprep"
    other.mkdir()
    (other / "dataset_description.json").write_text('{"Name": "fMRIPrep", "GeneratedBy": [{"Name": "fMRIPrep"}]}')
    assert call(data, other, "participant") == 2
    assert "is another data set (fMRIPrep)" in capsys.readouterr().err


def test_one_folder_of_derivatives_is_of_one_data_set_which_may_be_moved(
    tmp_path: Path, call: Calls, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = ("participant", "--participant-label", "02", "--fast", "--skip-bids-validation")
    inside, outside = Path("derivatives/my feta"), tmp_path / "my out"
    other = bids_dataset(tmp_path / "other", TWO)
    for place in (data / inside, outside):
        assert call(data, place, *one) == 0
        capsys.readouterr()
        assert call(other, place, *one) == 2
        assert f"holds results of another data set ({data})" in capsys.readouterr().err
    (tmp_path / "link").symlink_to(data)
    assert call(tmp_path / "link", outside, *one) == 0
    moved = data.rename(tmp_path / "moved")
    assert call(moved, moved / inside, *one) == 0
    assert call(moved, outside, *one) == 0


def test_a_flat_folder_has_no_bids_names(
    tmp_path: Path, call: Calls, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = bids_dataset(tmp_path / "flat", "a.nii.gz")
    assert call(flat, tmp_path / "out", "participant") == 2
    assert "does not lie in a BIDS tree" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [["--participant-label", "01"], ["x", "--skip-bids-validation"]])
def test_a_call_without_its_level_is_status_2(call: Calls, arguments: list[str]) -> None:
    assert call(*arguments) == 2


def test_help_is_a_screen(call: Calls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert call("BIDS", "OUT", "participant", "--help") == 0
    said = capsys.readouterr().out
    assert "--participant-label" in said
    assert len(said.splitlines()) <= 48

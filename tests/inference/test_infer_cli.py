"""Every form of call, its files and its exit status."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from feta.biometry_table import read_biometry
from feta.labels import LABEL_COUNT
from feta.measurements import MEASUREMENTS
from feta.volumes import Volume, read_label_map, write_volume
from inference.cli import main
from inference.derivatives.label_tables import label_tables
from inference.options import RENAMED
from tests.support.folders import SMALL, Counting, make_tree, make_weights

Call = Callable[..., int]


@pytest.fixture
def model() -> Counting:
    return Counting()


@pytest.fixture
def call(tmp_path: Path, model: Counting, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls feta-infer in this process and gives its exit status."""
    monkeypatch.setenv("FETA_WEIGHTS", str(make_weights(tmp_path / "weights")))
    monkeypatch.setattr("inference.runs.run.load_models", model.load)
    monkeypatch.setattr("inference.cli.stop_on_sigterm", lambda: None)
    monkeypatch.setattr("inference.runs.at_once.allowed_threads", lambda: 1)  # all cases in this process

    def start(*arguments: str | Path) -> int:
        monkeypatch.setattr(sys, "argv", ["feta-infer", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        assert isinstance(end.value.code, int)
        return end.value.code

    return start


def scan(folder: Path, name: str = "my scan.nii.gz") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_volume(folder / name, SMALL)
    return folder / name


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_the_version_is_the_package_s(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert capsys.readouterr().out == f"feta-infer {version('feta-submission')}\n"


def test_one_scan_gets_its_files_beside_it_and_centiles(
    tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(scan(tmp_path / "a b"), "--ga", "28.3") == 0
    endings = ("dseg.nii.gz", "dseg.json", "biom.csv", "biom.json", "volumes.tsv", "confidence.csv", "qc.png")
    endings = (*endings, "report.html")
    made = {f"my scan_{end}" for end in endings}
    assert names(tmp_path / "a b") == {"my scan.nii.gz"} | made
    said = capsys.readouterr()
    assert "centile at 28.3 weeks" in said.out
    for measurement in MEASUREMENTS:
        row = next(line for line in said.out.splitlines() if line.startswith(measurement.value))
        assert "–" not in row
    assert "warning" not in said.err


def test_one_scan_again_prints_the_same(
    tmp_path: Path, call: Call, model: Counting, capsys: pytest.CaptureFixture
) -> None:
    image = scan(tmp_path / "a")
    call(image, "--ga", "28.3")
    first = capsys.readouterr().out
    call(image, "--ga", "28.3")
    assert capsys.readouterr().out == first
    assert model.calls == 1


def test_one_scan_without_an_age_prints_no_centile(
    tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(scan(tmp_path / "a"), "--no-qc") == 0
    assert not list((tmp_path / "a").glob("*.png"))
    said = capsys.readouterr()
    assert "weeks" not in said.out
    assert said.err.count("warning: ") == 1


@pytest.mark.parametrize("age", ["99", "seven", "nan"])
def test_an_impossible_age_is_one_warning_and_status_1(
    age: str, tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    image = scan(tmp_path / "a")
    assert call(image, "--ga", age) == 1
    assert capsys.readouterr().err.count("warning: ") == 1
    assert read_label_map(tmp_path / "a" / "my scan_dseg.nii.gz", SMALL.grid).array.any()


def test_a_tree_is_mirrored(tmp_path: Path, call: Call) -> None:
    make_tree(tmp_path / "in", 1)
    assert call(tmp_path / "in", tmp_path / "out", "--fast") == 0
    stem = "sub-001/anat/sub-001_rec-mial_T2w_"
    endings = {"dseg.nii.gz", "dseg.json", "biom.csv", "biom.json", "volumes.tsv", "confidence.csv"}
    of_the_run = {"run.json", "cohort.tsv", "cohort.json", *label_tables()}
    assert names(tmp_path / "out") == of_the_run | {stem + ending for ending in endings}


def pages(folder: Path) -> set[str]:
    return {name for name in names(folder) if name.endswith(".html")}


def test_a_run_leaves_a_page_a_case_and_one_of_all(tmp_path: Path, call: Call) -> None:
    make_tree(tmp_path / "in", 2)
    assert call(tmp_path / "in", tmp_path / "out", "--neurological") == 0
    cases = [f"sub-00{n}/anat/sub-00{n}_rec-mial_T2w_report.html" for n in (1, 2)]
    assert pages(tmp_path / "out") == {"cohort.html", *cases}
    links = (tmp_path / "out/cohort.html").read_text()
    assert all(f'href="{case}"' in links for case in cases)
    assert "the fetus&#39;s left is on the left" in (tmp_path / "out" / cases[0]).read_text()


def test_the_last_lines_of_a_run_say_what_became_of_it_and_where_to_look(
    tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tree(tmp_path / "in", 2)
    next((tmp_path / "in/sub-002").rglob("*_T2w.nii.gz")).write_bytes(b"no scan")
    assert call(tmp_path / "in", tmp_path / "out") == 1
    first, verdicts, page, numbers = capsys.readouterr().out.splitlines()
    assert first == "results of 1 of 2 cases, 1 failed: run.json says why"
    assert verdicts == "verdicts: 1 check, 1 reject"
    assert page.startswith(f"{tmp_path / 'out' / 'cohort.html'}: look here first")
    assert numbers.startswith(f"{tmp_path / 'out' / 'cohort.tsv'}: ")


def test_a_page_of_all_cases_is_never_left_outdated(tmp_path: Path, call: Call) -> None:
    for n in (1, 2):
        make_tree(tmp_path / str(n), n)
    call(tmp_path / "1", tmp_path / "out")
    call(tmp_path / "2", tmp_path / "out", "--no-report")
    assert "sub-002" in (tmp_path / "out/cohort.html").read_text()


def test_pages_are_left_out_where_they_are_not_wanted(tmp_path: Path, call: Call) -> None:
    make_tree(tmp_path / "in", 1)
    assert call(tmp_path / "in", tmp_path / "out", "--no-report") == 0
    assert pages(tmp_path / "out") == set()
    assert list((tmp_path / "out").rglob("*_qc.png"))


def test_the_page_of_all_cases_is_written_anew_and_pages_to_share_name_nobody(
    tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tree(tmp_path / "in", 1)
    call(tmp_path / "in", tmp_path / "out")
    (tmp_path / "out/cohort.html").unlink()
    assert call("report", tmp_path / "out") == 0
    assert pages(tmp_path / "out") > {"cohort.html"}
    assert call("report", tmp_path / "out", "--share", tmp_path / "share") == 0
    assert names(tmp_path / "share") == {"cohort.html", "case-0001.html"}
    assert not any("sub-001" in (tmp_path / "share" / name).read_text() for name in names(tmp_path / "share"))
    assert "keep it to yourself" in capsys.readouterr().out


@pytest.mark.parametrize("options", [["--keep-ids"], ["--share", "in"]])
def test_a_page_that_cannot_be_written_is_one_line(
    options: list[str], tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(tmp_path / "in", 1)
    monkeypatch.chdir(tmp_path)
    assert call("report", tmp_path / "in", *options) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_landmark_images_come_where_they_are_asked_for(tmp_path: Path, call: Call) -> None:
    make_tree(tmp_path / "in", 1)
    assert call(tmp_path / "in", tmp_path / "out", "--landmarks", "--fast") == 0
    assert any(name.endswith("_meas.nii.gz") for name in names(tmp_path / "out"))


def test_lengths_from_another_age_model(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path / "in", 1)
    baseline = tmp_path / "ga.json"
    baseline.write_text("{" + ", ".join(f'"{m}": [10.0, 1.0]' for m in MEASUREMENTS) + "}")
    monkeypatch.setattr("inference.biometry.measure.measure_upright", lambda *_: {})
    assert call(tmp_path / "in", tmp_path / "out", "--no-qc", "--ga-baseline", baseline) == 0
    lengths = read_biometry(tmp_path / "out/sub-001/anat/sub-001_rec-mial_T2w_biom.csv").values
    assert set(lengths.values()) == {36.0}


def test_case_writes_what_is_named_and_nothing_else(tmp_path: Path, call: Call) -> None:
    image = scan(tmp_path / "in", "sub-007_T2w.nii.gz")
    out = tmp_path / "new folder"
    assert call("case", "--image", image, "--biom", out / "b.csv", "--landm", out / "l.nii.gz") == 0
    assert names(out) == {"b.csv", "l.nii.gz"}
    assert names(tmp_path / "in") == {"sub-007_T2w.nii.gz"}
    landmarks = read_label_map(out / "l.nii.gz", SMALL.grid).array
    assert [int((landmarks == v).sum()) for v in range(1, LABEL_COUNT)] == [2] * len(MEASUREMENTS) + [0, 0]
    assert (out / "b.csv").read_text().startswith("\tLCC\tHV\tbBIP\tsBIP\tTCD\nsub-007\t")


def test_case_with_a_participants_table(tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    make_tree(tmp_path / "in", 1)
    image = tmp_path / "in/sub-001/anat/sub-001_rec-mial_T2w.nii.gz"
    table = shutil.move(tmp_path / "in/participants.tsv", tmp_path / "ages.tsv")
    assert call("case", "--image", image, "--participants", table, "--seg", tmp_path / "s.nii.gz") == 0
    assert "warning" not in capsys.readouterr().err


def test_challenge_2024(tmp_path: Path, call: Call) -> None:
    make_tree(tmp_path / "in", 1)
    assert call("challenge-2024", tmp_path / "in", "--team", "Team A") == 0
    stem = "sub-001/anat/sub-001_rec-mial_T2w_"
    made = names(tmp_path / "in/derivatives/predictions/Team A")
    assert made == {"run.json", *(stem + end for end in ("dseg.nii.gz", "dseg.json", "biom.csv", "meas.nii.gz"))}


def test_challenge_2021(tmp_path: Path, call: Call) -> None:
    scan(tmp_path / "img/anat", "sub-001_T2w.nii.gz")
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/meta.json").write_text('{"Pathology": "Neurotypical", "Gestational age": 27.0}')
    places = ["--images", tmp_path / "img", "--meta", tmp_path / "meta", "--output", tmp_path / "out"]
    assert call("challenge-2021", *places) == 0
    assert "sub-001_seg_result.nii.gz" in names(tmp_path / "out")


@pytest.mark.parametrize("arguments", [["--help"], ["case", "--help"], ["challenge-2024", "--help"]])
def test_help(arguments: list[str], call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*arguments) == 0
    assert "--device" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nowhere", "out"],
        ["in"],
        ["in", "out", "--ga", "28"],
        ["in", "out", "--no-such-flag"],
        ["in", "out", "--weights", "nowhere"],
        ["in", "out", "--ga-baseline", "nowhere.json"],
        ["empty", "out"],
        ["case", "--image", "in/sub-001/anat/sub-001_rec-mial_T2w.nii.gz"],
        ["case", "--image", "nowhere.nii.gz", "--seg", "s.nii.gz"],
        ["challenge-2024", "in", "--team", "../elsewhere"],
        ["challenge-2021", "--images", "nowhere"],
    ],
)
def test_an_unusable_call_is_status_2_in_a_line(
    arguments: list[str],
    tmp_path: Path,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_tree(tmp_path / "in", 1)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unwritable_output_is_status_2(tmp_path: Path, call: Call) -> None:
    make_tree(tmp_path / "in", 1)
    # Nobody may write there, not even root.
    assert call(tmp_path / "in", "/proc/out") == 2


@pytest.mark.parametrize("form", [[], ["challenge-2024"], ["challenge-2021"], ["case"]])
def test_the_help_of_each_form_is_a_screen(
    form: list[str], call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert call(*form, "--help") == 0
    assert len(capsys.readouterr().out.splitlines()) <= 40


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_of_an_option_is_a_line_of_warning(
    old: str, new: str, tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = []
    for option in (old, new):
        out = tmp_path / option
        assert call(scan(tmp_path / "in"), out, "--fast", option) == 0
        assert (f"warning: {old} is now {new}" in capsys.readouterr().err) == (option == old)
        settings.append(json.loads((out / "run.json").read_text())["settings"])
    assert settings[0] == settings[1]
    assert call("--help") == 0
    assert old not in capsys.readouterr().out.split()


def test_a_data_set_of_datalad_is_read(tmp_path: Path, call: Call) -> None:
    make_tree(tmp_path / "objects", 1)
    for path in [p for p in (tmp_path / "objects").rglob("*") if p.is_file()]:
        link = tmp_path / "in" / path.relative_to(tmp_path / "objects")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    assert call(tmp_path / "in", tmp_path / "out", "--fast") == 0
    assert (
        json.loads((tmp_path / "out/run.json").read_text())["cases"]["sub-001/anat/sub-001_rec-mial_T2w"]["age"] == 26
    )


def test_what_was_not_fetched_is_one_line_and_stops_no_other(
    tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tree(tmp_path / "in", 2)
    image = tmp_path / "in/sub-001/anat/sub-001_rec-mial_T2w.nii.gz"
    image.unlink()
    image.symlink_to("../../.git/annex/objects/Xx/1y/KEY/KEY")
    assert call(tmp_path / "in", tmp_path / "out", "--fast") == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert line.endswith(f"datalad get {image}")
    assert (tmp_path / "out/sub-002/anat/sub-002_rec-mial_T2w_dseg.nii.gz").exists()


@pytest.mark.parametrize("form", ["plain", "allowed", "case", "challenge-2024", "challenge-2021"])
def test_in_a_container_results_go_to_a_mount_but_for_the_challenge_s_own_calls(
    form: str, tmp_path: Path, call: Call, model: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mountinfo").write_text("700 600 0:90 / / rw - overlay overlay rw\n")
    monkeypatch.setattr("inference.runs.mounts.MOUNTS", tmp_path / "mountinfo")
    monkeypatch.setenv("FETA_PROGRAM", "feta-infer")
    make_tree(tmp_path / "in", 1)
    (tmp_path / "meta").mkdir()
    image = tmp_path / "in/sub-001/anat/sub-001_rec-mial_T2w.nii.gz"
    calls = {
        "plain": [tmp_path / "in", tmp_path / "out"],
        "allowed": [tmp_path / "in", tmp_path / "out", "--allow-unmounted"],
        "case": ["case", "--image", image, "--seg", tmp_path / "s.nii.gz"],
        "challenge-2024": ["challenge-2024", tmp_path / "in", "--team", "a"],
        "challenge-2021": ["challenge-2021", "--images", image.parents[1], "--meta", tmp_path, "--output", tmp_path],
    }
    assert call(*calls[form]) == (2 if form == "plain" else 0)
    assert model.calls == (0 if form == "plain" else 1)


def test_a_mask_is_left_out_of_a_folder_and_refused_where_it_is_named(
    tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    scan(tmp_path / "in")
    mask = tmp_path / "in" / "my scan_mask.nii.gz"
    write_volume(mask, Volume((SMALL.array > 0).astype("f4"), SMALL.grid))
    assert call(tmp_path / "in", tmp_path / "out", "--fast") == 0
    assert "my scan_mask.nii.gz" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*_mask_*"))
    assert call(mask, "--fast") == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert "2 distinct values" in line


def test_raw_stacks_are_taken_where_they_are_asked_for(tmp_path: Path, call: Call, model: Counting) -> None:
    for name in ("rec-a", "run-1", "run-2"):
        scan(tmp_path / "in/sub-1/anat", f"sub-1_{name}_T2w.nii.gz")
    assert call(tmp_path / "in", tmp_path / "out", "--fast") == 0
    assert model.calls == 1
    assert call(tmp_path / "in", tmp_path / "out", "--fast", "--stacks") == 0
    assert model.calls == 3

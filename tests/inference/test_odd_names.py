"""Names that are no UTF-8, and pictures that can't be drawn, fail no case."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from feta.cases import find_cases
from feta.volumes import write_volume
from inference.derivatives.label_tables import label_tables
from inference.report.picture_canvas import PictureCanvas
from inference.runs.outputs import Looks, folder_jobs
from inference.runs.run import run
from inference.runs.settings import Settings
from tests.support.folders import SMALL, Counting, make_tree, make_weights

ROOT = Path(__file__).parents[2]
NAMES = [b"sc\xe4n", b"\xff\xfe", "胎児 МРТ".encode(), b"a\nb", b"$x_{1}$", b"a" * 230, b"tab\there\x1b[31m"]


def scan(folder: Path, name: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_volume(folder / os.fsdecode(name + b".nii.gz"), SMALL)
    return folder


def feta_infer(tmp_path: Path, *arguments: object, encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"FETA_WEIGHTS": str(make_weights(tmp_path / "weights")), "PYTHONIOENCODING": encoding}
    call = [sys.executable, "-m", "tests.support.driver", *map(os.fspath, arguments)]
    return subprocess.run(call, cwd=ROOT, env=environment, capture_output=True, check=False)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_all_names_get_all_their_files(tmp_path: Path, encoding: str) -> None:
    for name in NAMES:
        scan(tmp_path / "in", name)
    done = feta_infer(tmp_path, tmp_path / "in", tmp_path / "out", encoding=encoding)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"no picture" not in done.stderr
    made = {os.fsencode(path.name) for path in (tmp_path / "out").iterdir()}
    endings = (
        b"_dseg.nii.gz",
        b"_biom.csv",
        b"_qc.png",
        b"_dseg.json",
        b"_biom.json",
        b"_volumes.tsv",
        b"_confidence.csv",
        b"_report.html",
    )
    of_the_run = {b"run.json", b"cohort.tsv", b"cohort.json", b"cohort.html", *map(os.fsencode, label_tables())}
    assert made == of_the_run | {*(name + ending for name in NAMES for ending in endings)}
    assert len(json.loads((tmp_path / "out/run.json").read_text())["cases"]) == len(NAMES)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_the_summary_of_one_scan_is_printed_whatever_the_terminal_knows(tmp_path: Path, encoding: str) -> None:
    folder = scan(tmp_path / "in", NAMES[0])
    done = feta_infer(tmp_path, next(folder.iterdir()), "--no-qc", encoding=encoding)
    assert done.returncode == 0, done.stderr
    assert b"TCD" in done.stdout
    assert b"wrote" in done.stdout


def test_a_finished_case_of_an_odd_name_is_not_done_again(tmp_path: Path) -> None:
    scan(tmp_path / "in", NAMES[1])
    for word in (b": done", b"already finished"):
        assert word in feta_infer(tmp_path, tmp_path / "in", tmp_path / "out", "--no-qc").stderr


@pytest.mark.parametrize("error", [ValueError("no such glyph"), MemoryError(), RuntimeError("a\nlong story")])
def test_a_picture_that_cannot_be_drawn_is_a_warning(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    make_tree(tmp_path / "in", 1)
    model = Counting()
    monkeypatch.setattr(PictureCanvas, "rendered", fail)
    jobs = folder_jobs(find_cases(tmp_path / "in").cases, tmp_path / "out", Looks(report=False))
    settings = Settings(make_weights(tmp_path / "weights"))
    assert run(jobs, settings, root=tmp_path / "out", load=model.load)[0] == 0
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "no picture could be drawn" in line]
    assert line.startswith("warning: ")
    # All else is there, so that the case is not done again.
    assert run(jobs, settings, root=tmp_path / "out", load=model.load)[0] == 0
    assert model.calls == 1


def test_a_folder_in_the_place_of_the_picture_is_a_warning(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_tree(tmp_path / "in", 1)
    jobs = folder_jobs(find_cases(tmp_path / "in").cases, tmp_path / "out", Looks(report=False))
    assert jobs[0].picture is not None
    jobs[0].picture.mkdir(parents=True)
    settings = Settings(make_weights(tmp_path / "weights"))
    assert run(jobs, settings, root=tmp_path / "out", load=Counting().load)[0] == 0
    assert "no picture could be drawn" in capfd.readouterr().err

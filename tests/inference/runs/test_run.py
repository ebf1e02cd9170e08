"""A run over a folder: exit status, resume, and that no case stops another."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feta.biometry_table import read_biometry
from feta.cases import find_cases
from feta.errors import FetaError
from feta.grid import Grid
from feta.measurements import MEASUREMENTS
from feta.volumes import Volume, read_label_map, write_volume
from inference.runs.outputs import Looks, folder_jobs
from inference.runs.run import run
from inference.runs.settings import Settings
from tests.support.folders import SMALL, Counting, damage, make_tree, make_weights

Go = Callable[..., int]


@pytest.fixture
def model() -> Counting:
    return Counting()


@pytest.fixture
def go(tmp_path: Path, model: Counting) -> Go:
    """Runs tmp_path/in → tmp_path/out and gives the exit status."""
    weights = make_weights(tmp_path / "weights")

    def start(picture: bool = False, **changed: Any) -> int:
        settings = Settings(**{"weights": weights, **changed})
        found = find_cases(tmp_path / "in")
        jobs = folder_jobs(found.cases, tmp_path / "out", Looks(picture=picture, report=False))
        arguments: dict[str, Any] = {"warnings": found.warnings, "problems": found.problems}
        return run(jobs, settings, root=tmp_path / "out", load=model.load, **arguments)[0]

    return start


def log(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "out" / "run.json").read_text())


def anat(tmp_path: Path, side: str, n: int) -> Path:
    return tmp_path / side / f"sub-{n:03d}" / "anat"


def image(tmp_path: Path, n: int) -> Path:
    return anat(tmp_path, "in", n) / f"sub-{n:03d}_rec-mial_T2w.nii.gz"


def outcomes(tmp_path: Path) -> list[str]:
    return [c["status"] for c in log(tmp_path)["cases"].values()]


def test_a_run_writes_everything_and_loads_the_model_once(tmp_path: Path, go: Go, model: Counting) -> None:
    make_tree(tmp_path / "in", 2)
    assert go(picture=True) == 0
    assert (model.loads, model.calls) == (1, 2)
    for n in (1, 2):
        stem = f"sub-{n:03d}_rec-mial_T2w"
        endings = {"_dseg.nii.gz", "_dseg.json", "_biom.csv", "_biom.json", "_volumes.tsv", "_qc.png"}
        endings.add("_confidence.csv")
        assert {p.name for p in anat(tmp_path, "out", n).iterdir()} == {stem + e for e in endings}
        labels = read_label_map(anat(tmp_path, "out", n) / f"{stem}_dseg.nii.gz", SMALL.grid)
        assert np.array_equal(labels.array, np.rint(SMALL.array / 100))
        assert None not in read_biometry(anat(tmp_path, "out", n) / f"{stem}_biom.csv").values.values()
    written = log(tmp_path)
    assert written["finished"] is True
    assert written["device"] == "a stand-in"
    assert {"feta-submission", "python", "torch", "numpy"} <= set(written["versions"])
    assert all(c["seconds"] > 0 and c["age"] for c in written["cases"].values())


def test_a_finished_run_is_not_done_again(tmp_path: Path, go: Go, model: Counting) -> None:
    make_tree(tmp_path / "in", 2)
    go()
    assert go() == 0
    assert (model.loads, model.calls) == (1, 2)
    assert outcomes(tmp_path) == ["skipped", "skipped"]
    assert go(overwrite=True) == 0
    assert model.calls == 4


def change_input(tmp_path: Path) -> None:
    write_volume(image(tmp_path, 1), Volume(SMALL.array * 1.001, SMALL.grid))


def change_weights(tmp_path: Path) -> None:
    make_weights(tmp_path / "weights", "other")


def change_age(tmp_path: Path) -> None:
    table = tmp_path / "in" / "participants.tsv"
    table.write_text(table.read_text().replace("\t26", "\t27"))


def remove_output(tmp_path: Path) -> None:
    (anat(tmp_path, "out", 1) / "sub-001_rec-mial_T2w_biom.csv").unlink()


def remove_table(tmp_path: Path) -> None:
    (anat(tmp_path, "out", 1) / "sub-001_rec-mial_T2w_volumes.tsv").unlink()


def cut_output(tmp_path: Path) -> None:
    damage(anat(tmp_path, "out", 1) / "sub-001_rec-mial_T2w_dseg.nii.gz")


def damage_record(tmp_path: Path) -> None:
    (anat(tmp_path, "out", 1) / "sub-001_rec-mial_T2w_dseg.json").write_text("[]")


@pytest.mark.parametrize(
    "change",
    [change_input, change_weights, change_age, remove_output, remove_table, cut_output, damage_record],
    ids=lambda f: f.__name__,
)
def test_what_no_longer_fits_is_done_again(
    change: Callable[[Path], None], tmp_path: Path, go: Go, model: Counting
) -> None:
    make_tree(tmp_path / "in", 1)
    go()
    change(tmp_path)
    assert go() == 0
    assert model.calls == 2
    assert outcomes(tmp_path) == ["done"]


@pytest.mark.parametrize("changed", [{"mirror_tta": True}, {"topology": False}, {"brain_extraction": False}])
def test_a_changed_setting_is_noticed(changed: dict[str, bool], tmp_path: Path, go: Go, model: Counting) -> None:
    make_tree(tmp_path / "in", 1)
    go()
    go(**changed)
    assert model.calls == 2


def test_a_picture_of_earlier_numbers_does_not_stay(tmp_path: Path, go: Go) -> None:
    make_tree(tmp_path / "in", 1)
    assert go(picture=True) == 0
    (picture,) = anat(tmp_path, "out", 1).glob("*_qc.png")
    assert go(mirror_tta=True) == 0
    assert not picture.exists()
    assert len(list(anat(tmp_path, "out", 1).glob("*_dseg.nii.gz"))) == 1


def test_records_name_settings_as_the_first_release_did(tmp_path: Path) -> None:
    """Under other names, every case that an earlier release finished would be done again."""
    settings = Settings(make_weights(tmp_path), mirror_tta=False, brain_extraction=True)
    for stored in (settings.result_key(), settings.described()):
        assert (stored["flips"], stored["extraction"]) == (False, True)
        assert not {"mirror_tta", "brain_extraction"} & set(stored)


def test_a_result_of_another_input_does_not_stand_beside_a_failed_case(tmp_path: Path, go: Go) -> None:
    make_tree(tmp_path / "in", 2)
    go()
    damage(image(tmp_path, 1))
    assert go() == 1
    assert list(anat(tmp_path, "out", 1).iterdir()) == []
    assert list(anat(tmp_path, "out", 2).glob("*_dseg.nii.gz"))


@pytest.mark.parametrize("how", ["gone", "dangling link", "folder"])
def test_a_result_stays_while_its_input_cannot_be_read(tmp_path: Path, go: Go, how: str) -> None:
    """Such as after `datalad drop`: nobody knows that it is another."""
    make_tree(tmp_path / "in", 2)
    go()
    before = contents(anat(tmp_path, "out", 1))
    image(tmp_path, 1).unlink()
    if how == "dangling link":
        image(tmp_path, 1).symlink_to("../../.git/annex/objects/x.nii.gz")
    if how == "folder":
        image(tmp_path, 1).mkdir()
    go()
    assert contents(anat(tmp_path, "out", 1)) == before


def test_a_result_of_somebody_elses_is_left_alone(tmp_path: Path, go: Go) -> None:
    make_tree(tmp_path / "in", 1)
    damage(image(tmp_path, 1))
    mine = anat(tmp_path, "out", 1) / "sub-001_rec-mial_T2w_dseg.nii.gz"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"drawn by hand")
    assert go() == 1
    assert mine.read_bytes() == b"drawn by hand"


def test_a_file_in_the_place_of_a_folder_is_one_clear_line(
    tmp_path: Path, go: Go, capfd: pytest.CaptureFixture[str]
) -> None:
    make_tree(tmp_path / "in", 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub-001").touch()
    assert go() == 1
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert "make the output folder writable" in said
    assert outcomes(tmp_path) == ["failed", "done"]


def flat(tmp_path: Path, n: int, value: float) -> None:
    write_volume(image(tmp_path, n), Volume(np.full_like(SMALL.array, value), SMALL.grid))


def test_bad_cases_stop_no_other(tmp_path: Path, go: Go, capfd: pytest.CaptureFixture[str]) -> None:
    make_tree(tmp_path / "in", 6)
    damage(image(tmp_path, 1))
    flat(tmp_path, 2, 0.0)
    flat(tmp_path, 3, 7.0)
    thin = Grid((50, 50, 1), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0), SMALL.grid.direction)
    write_volume(image(tmp_path, 4), Volume(np.ascontiguousarray(SMALL.array[25:26]), thin))
    image(tmp_path, 5).unlink()
    image(tmp_path, 5).symlink_to(image(tmp_path, 6))
    assert go() == 1
    assert outcomes(tmp_path).count("done") == 1
    failures = log(tmp_path)["failures"]
    assert len(failures) == 5
    lines = capfd.readouterr().err.splitlines()
    assert sum(line.startswith("error: ") for line in lines) == 5
    assert not any("Traceback" in line for line in lines)
    said = " ".join(failures.values())
    for words in ("every voxel is 0", "every voxel is 7", "1 voxels", "is a link"):
        assert words in said


def test_a_bug_shows_its_traceback_and_stops_no_other(
    tmp_path: Path, go: Go, model: Counting, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    make_tree(tmp_path / "in", 2)
    original = Counting.__call__

    def sometimes(self: Counting, volume: Volume) -> Any:
        result = original(self, volume)
        if self.calls == 1:
            raise KeyError("something unforeseen")
        return result

    monkeypatch.setattr(Counting, "__call__", sometimes)
    assert go() == 1
    assert outcomes(tmp_path) == ["failed", "done"]
    assert "Traceback" in capfd.readouterr().err


def test_running_out_of_memory_is_said_plainly(tmp_path: Path, go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(_self: Counting, _volume: Volume) -> None:
        raise MemoryError

    make_tree(tmp_path / "in", 1)
    monkeypatch.setattr(Counting, "__call__", too_much)
    assert go() == 1
    assert "not enough memory" in next(iter(log(tmp_path)["failures"].values()))


@pytest.mark.parametrize(
    ("table", "status"),
    [
        ("", 1),
        ("participant_id\tGestational age\n", 0),
        ("participant_id\tGestational age\nsub-001\t\n", 0),
        ("participant_id\tGestational age\nsub-001\t99\n", 1),
        ("participant_id\tGestational age\nsub-001\t25\nsub-001\t26\n", 1),
    ],
    ids=["empty table", "no row", "empty cell", "impossible", "listed twice"],
)
def test_without_an_age_the_image_alone_is_measured(
    table: str, status: int, tmp_path: Path, go: Go, capfd: pytest.CaptureFixture[str]
) -> None:
    make_tree(tmp_path / "in", 1, table)
    assert go() == status
    # A table that can't be used is a failure of its own.
    assert outcomes(tmp_path) == (["done"] if table else ["failed", "done"])
    lengths = read_biometry(anat(tmp_path, "out", 1) / "sub-001_rec-mial_T2w_biom.csv").values
    assert all(lengths[m] for m in MEASUREMENTS)
    assert capfd.readouterr().err.count("warning: ") <= 1


def test_a_broken_model_ends_the_run(tmp_path: Path, model: Counting) -> None:
    def broken(_settings: Settings) -> Any:
        raise FetaError("weights", "sha256 differs")

    make_tree(tmp_path / "in", 2)
    jobs = folder_jobs(find_cases(tmp_path / "in").cases, tmp_path / "out")
    with pytest.raises(FetaError, match="sha256"):
        run(jobs, Settings(make_weights(tmp_path / "weights")), root=tmp_path / "out", load=broken)


def test_missing_weights_are_said_before_anything_is_read(tmp_path: Path, model: Counting) -> None:
    with pytest.raises(FetaError, match=r"model\.yaml"):
        run([], Settings(tmp_path / "nowhere"), root=tmp_path / "out", load=model.load)
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_a_file_is_refused(tmp_path: Path, go: Go) -> None:
    make_tree(tmp_path / "in", 1)
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(FetaError, match="written"):
        go()


def contents(folder: Path) -> dict[str, bytes]:
    """Every result by name; seconds differ from run to run, so records and run.json are left out."""
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.suffix != ".json"}


@pytest.mark.parametrize("writes", range(1, 14))
def test_kill_at_any_write_then_resume(writes: int, tmp_path: Path, go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is killed in front of the n-th rename; the next run ends with what an undisturbed one gives."""
    make_tree(tmp_path / "in", 2)
    child = os.fork()
    if child == 0:
        kill_at_rename(writes)
        go()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert go() == 0
    resumed = contents(tmp_path / "out")
    assert go(overwrite=True) == 0
    whole = contents(tmp_path / "out")
    assert {n: d for n, d in resumed.items() if not n.endswith(".part")} == {
        n: d for n, d in whole.items() if not n.endswith(".part")
    }


def kill_at_rename(number: int) -> None:
    replace, seen = Path.replace, [0]

    def counted(self: Path, target: Path) -> Path:
        seen[0] += 1
        if seen[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(self, target)

    Path.replace = counted  # type: ignore[method-assign]

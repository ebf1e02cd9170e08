"""Whole cohorts: every hostile file, the cache, processes, several reconstructions."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from evaluation.metrics import surface_elements
from evaluation.scoring import cache as cache_module
from evaluation.scoring import case_task as tasks
from evaluation.scoring.score import score
from evaluation.scoring.score_table import SEGMENTATION_METRICS, ScoreTable
from evaluation.submissions.reasons import Reason
from feta.errors import FetaError
from feta.labels import EXPECTED_BETTI, TISSUES, euler
from feta.volumes import write_label_map
from tests.support.hostile import ACCEPTED, REJECTED, TABLES
from tests.support.small_brains import LENGTHS, brain, volume, write_team, write_truth

NAME = "sub-001_rec-mial"


@pytest.fixture
def cohort(tmp_path: Path) -> tuple[Path, Path]:
    truth = write_truth(tmp_path / "truth", 2)
    write_team(tmp_path / "submissions" / "good", 2, shift=0.7, factor=1.1)
    return truth, tmp_path / "submissions"


def value(table: ScoreTable, team: str, metric: str, case: int = 0) -> np.ndarray:
    return table.values[table.teams.index(team), case, :, SEGMENTATION_METRICS.index(metric)]


def same(one: ScoreTable, other: ScoreTable) -> None:
    for name in ScoreTable.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_good_and_perfect(cohort: tuple[Path, Path]) -> None:
    truth, submissions = cohort
    write_team(submissions / "perfect", 2)
    table, messages = score(truth, submissions, jobs=1)
    assert table.teams == ("good", "perfect")
    assert value(table, "perfect", "dice").tolist() == [1] * 7
    assert value(table, "perfect", "ed").tolist() == table.ed_floor[0].tolist()
    assert 0.5 < value(table, "good", "dice").min() < 1
    assert table.length_errors[0] == pytest.approx(10)
    assert table.length_errors[1].max() == 0
    assert table.true_lengths[1] == pytest.approx(np.array(LENGTHS) + 2)
    assert not (table.reasons != "").any()
    assert messages.teams == {"good": [], "perfect": []}
    assert [c.site for c in table.cases] == ["B", "A"]


@pytest.mark.parametrize("name", REJECTED)
def test_rejected_maps_cost_the_penalty_and_nobody_else(cohort: tuple[Path, Path], name: str) -> None:
    truth, submissions = cohort
    alone, _ = score(truth, submissions, jobs=1)
    make, reason = REJECTED[name]
    team = write_team(submissions / "bad", 2)
    path = team / f"sub-001/anat/{NAME}_T2w_dseg.nii.gz"
    path.unlink()
    make(path, truth / f"sub-001/anat/{NAME}_dseg.nii.gz")
    table, messages = score(truth, submissions, jobs=1)
    assert set(table.reasons[table.teams.index("bad"), 0].ravel()) == {reason}
    assert value(table, "bad", "dice").tolist() == [0] * 7
    assert value(table, "bad", "ed").tolist() == [1000] * 7
    assert value(table, "bad", "dice", case=1).tolist() == [1] * 7
    assert messages.teams["bad"]
    assert all(len(line.splitlines()) == 1 for line in messages.teams["bad"])
    np.testing.assert_array_equal(table.values[table.teams.index("good")], alone.values[0])


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_maps_are_measured(cohort: tuple[Path, Path], name: str) -> None:
    truth, submissions = cohort
    make, remark = ACCEPTED[name]
    team = write_team(submissions / "odd", 2)
    path = team / f"sub-001/anat/{NAME}_T2w_dseg.nii.gz"
    path.unlink()
    make(path, truth / f"sub-001/anat/{NAME}_dseg.nii.gz")
    table, messages = score(truth, submissions, jobs=1)
    assert not (table.reasons != "").any()
    assert value(table, "odd", "dice").tolist() == [1] * 7
    assert len(messages.teams["odd"]) == bool(remark)


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_lengths(cohort: tuple[Path, Path], name: str) -> None:
    truth, submissions = cohort
    text, survive, remark = TABLES[name]
    team = write_team(submissions / "team", 2)
    (team / f"sub-001/anat/{NAME}_T2w_biom.csv").write_text(text, encoding="utf-8")
    table, messages = score(truth, submissions, jobs=1)
    t = table.teams.index("team")
    assert (table.length_reasons[t, 0] == "").sum() == survive
    measured = table.length_reasons[t, 0] == ""
    assert table.length_errors[t, 0][measured] == pytest.approx(0)
    assert (table.length_errors[t, 0][~measured] == 100).all()
    assert any(remark in line for line in messages.teams["team"]) or not (remark or survive < 5)
    assert bool(messages.teams["team"]) == (survive < 5 or bool(remark))


@pytest.mark.parametrize("cell", ["SECRET", "-7654321", "7654321", "1e7654321", "=7654321"])
def test_what_a_submission_writes_is_not_quoted(cohort: tuple[Path, Path], cell: str) -> None:
    """It can tell of test data, and the lines stand on the report."""
    truth, submissions = cohort
    path = write_team(submissions / "bad", 2) / f"sub-001/anat/{NAME}_T2w_biom.csv"
    path.write_text(f"SECRET\tLCC\tSECRET\nSECRET\t{cell}\tSECRET\n")
    _, messages = score(truth, submissions, jobs=1)
    assert any("LCC" in line for line in messages.teams["bad"])
    assert not any(word in line for line in messages.teams["bad"] for word in ("SECRET", "7654321"))


@pytest.mark.parametrize("text", [";" * (1 << 21), "LCC\n" * (1 << 19), "\tLCC" + " " * (1 << 21) + "\nsub-001\t40\n"])
def test_a_table_of_lengths_that_is_no_table_of_lengths_is_not_read(cohort: tuple[Path, Path], text: str) -> None:
    truth, submissions = cohort
    (write_team(submissions / "bad", 2) / f"sub-001/anat/{NAME}_T2w_biom.csv").write_text(text)
    table, messages = score(truth, submissions, jobs=1)
    assert set(table.length_reasons[table.teams.index("bad"), 0]) == {Reason.INVALID_FILE}
    assert any("not read" in line for line in messages.teams["bad"])


def test_noise_is_told_of_and_costs_nobody_else(cohort: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    truth, submissions = cohort
    alone, _ = score(truth, submissions, jobs=1)
    monkeypatch.setattr(surface_elements, "ALWAYS_KEPT", 500)
    labels = np.random.default_rng(0).integers(0, 8, brain().shape, dtype=np.uint8)
    write_label_map(write_team(submissions / "noise", 2) / f"sub-001/anat/{NAME}_T2w_dseg.nii.gz", volume(labels))
    table, messages = score(truth, submissions, jobs=1)
    reasons = table.reasons[table.teams.index("noise"), 0]
    assert set(reasons[:, :2].ravel()) == {""}
    assert Reason.TOO_RAGGED in reasons[:, SEGMENTATION_METRICS.index("hd95")]
    (line,) = [line for line in messages.teams["noise"] if "surface elements" in line]
    assert "as noise has: HD95 and topology count as missing" in line
    np.testing.assert_array_equal(table.values[table.teams.index("good")], alone.values[0])


def turned(path: Path) -> None:
    """Give a file's qform a code and another turn than its sform's."""
    data = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into("<2h", data, 252, 1, 1)
    struct.pack_into("<3f", data, 256, 0.0, 0.0, 0.13)
    path.write_bytes(gzip.compress(bytes(data), mtime=0))


def test_a_map_whose_two_forms_disagree_is_told_of(cohort: tuple[Path, Path], tmp_path: Path) -> None:
    truth, submissions = cohort
    for team in (write_team(submissions / "turned", 2), truth):
        for path in team.rglob("*_dseg.nii.gz"):
            turned(path)
    for _ in range(2):  # measured, and kept
        table, messages = score(truth, submissions, jobs=1, cache=tmp_path / "kept")
        assert sum("qform and sform disagree by up to" in line for line in messages.teams["turned"]) == 2
        assert sum("true label map: its qform and sform disagree" in line for line in messages.warnings) == 2
    assert not (table.reasons[table.teams.index("turned")] != "").any()


@pytest.mark.parametrize("form", ["qform", "sform"])
def test_a_map_by_either_form_of_its_image_lies_on_its_grid(cohort: tuple[Path, Path], form: str) -> None:
    """As nibabel saves it: with one affine, that of the form that it takes."""
    truth, submissions = cohort
    for path in truth.rglob("*_dseg.nii.gz"):
        turned(path)
    for path in write_team(submissions / "by-one-form", 2).rglob("*_dseg.nii.gz"):
        true = nib.load(next(truth.rglob(path.name.replace("_T2w_dseg", "_dseg"))))
        affine = getattr(true, f"get_{form}")()
        nib.save(nib.Nifti1Image(np.asarray(nib.load(path).dataobj), affine), path)
    table, messages = score(truth, submissions, jobs=1)
    assert not (table.reasons[table.teams.index("by-one-form")] != "").any()
    said = ["one of two forms" in line for line in messages.teams["by-one-form"]]
    assert sum(said) in (0, 2)  # the form that is taken for the grid itself needs no word


def test_a_map_by_neither_form_lies_elsewhere(cohort: tuple[Path, Path]) -> None:
    truth, submissions = cohort
    for path in truth.rglob("*_dseg.nii.gz"):
        turned(path)
    for path in write_team(submissions / "elsewhere", 2).rglob("*_dseg.nii.gz"):
        image = nib.load(path)
        affine = image.affine.copy()
        affine[0, 3] += 0.5
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), path)
    table, _ = score(truth, submissions, jobs=1)
    assert Reason.WRONG_GRID in table.reasons[table.teams.index("elsewhere")]


def test_a_link_in_place_of_a_team(cohort: tuple[Path, Path]) -> None:
    truth, submissions = cohort
    (submissions / "linked").symlink_to(truth)
    table, messages = score(truth, submissions, jobs=1)
    assert set(table.reasons[1].ravel()) == {"unsafe-file"}
    assert "link" in messages.teams["linked"][0]


def test_what_was_measured_is_not_measured_again(
    cohort: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, submissions = cohort
    kept = tmp_path / "cache"
    first, _ = score(truth, submissions, jobs=1, cache=kept)
    monkeypatch.setattr(tasks, "analyse", lambda volume: pytest.fail("measured again"))
    shutil.copytree(submissions / "good", submissions / "twin")  # other files, the same bytes
    again, _ = score(truth, submissions, jobs=1, cache=kept)
    np.testing.assert_array_equal(again.values[0], first.values[0])
    np.testing.assert_array_equal(again.values[1], first.values[0])
    np.testing.assert_array_equal(again.ed_floor, first.ed_floor)


def test_adding_a_team_measures_only_that_team(
    cohort: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, submissions = cohort
    score(truth, submissions, jobs=1, cache=tmp_path / "cache")
    write_team(submissions / "new", 2, shift=2)
    compared = []
    compare = tasks.compare
    monkeypatch.setattr(tasks, "compare", lambda *maps: compared.append(1) or compare(*maps))
    score(truth, submissions, jobs=1, cache=tmp_path / "cache")
    assert len(compared) == 2


def test_damaged_and_outdated_measurements_are_made_anew(
    cohort: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, submissions = cohort
    first, _ = score(truth, submissions, jobs=1, cache=tmp_path / "cache")
    for text in ("", "[]", "null", '{"key": 1}', "\x00"):
        for path in (tmp_path / "cache").rglob("*.json"):
            path.write_text(text)
        same(score(truth, submissions, jobs=1, cache=tmp_path / "cache")[0], first)
    monkeypatch.setattr(cache_module, "VERSION", "another")
    compared = []
    compare = tasks.compare
    monkeypatch.setattr(tasks, "compare", lambda *maps: compared.append(1) or compare(*maps))
    score(truth, submissions, jobs=1, cache=tmp_path / "cache")
    assert len(compared) == 2


def test_processes_change_nothing(cohort: tuple[Path, Path]) -> None:
    truth, submissions = cohort
    seen = []
    one, _ = score(truth, submissions, jobs=1)
    two, _ = score(truth, submissions, jobs=2, progress=lambda done, total: seen.append((done, total)))
    same(one, two)
    assert seen == [(0, 2), (1, 2), (2, 2)]


def test_other_reading_of_the_true_euler_characteristic(cohort: tuple[Path, Path]) -> None:
    truth, submissions = cohort
    write_team(submissions / "perfect", 2)
    table, _ = score(truth, submissions, jobs=1)
    reference, _ = score(truth, submissions, jobs=1, euler="reference")
    assert value(reference, "perfect", "ed").tolist() == [0] * 7
    assert not reference.ed_floor.any()
    # Prediction − table = (prediction − reference) ± floor.
    difference = np.abs(value(table, "good", "ed") - value(reference, "good", "ed"))
    assert (difference <= table.ed_floor[0]).all()
    assert euler(EXPECTED_BETTI[TISSUES[1]]) == 2


def test_several_reconstructions_of_a_subject(tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "truth", 1)
    write_label_map(truth / "sub-001/anat/sub-001_rec-irtk_dseg.nii.gz", volume(brain(shift=2)))
    write_label_map(truth / "sub-001/anat/sub-001_desc-landmarks_dseg.nii.gz", volume(brain(shift=5)))
    team = write_team(tmp_path / "submissions/team", 1)
    write_label_map(team / "sub-001/anat/sub-001_rec-irtk_T2w_dseg.nii.gz", volume(brain(shift=2)))
    table, _ = score(truth, tmp_path / "submissions", jobs=1)
    assert [case.name for case in table.cases] == ["sub-001_rec-irtk", NAME]
    assert table.values[0, :, :, 0].min() == 1
    assert (table.true_lengths[0] == table.true_lengths[1]).all()
    assert table.length_reasons[0, :, 0].tolist() == ["missing-file", ""]


def test_an_unreadable_true_map_takes_the_maps_away_and_no_length(cohort: tuple[Path, Path]) -> None:
    truth, submissions = cohort
    expected, _ = score(truth, submissions, jobs=1)
    (truth / f"sub-001/anat/{NAME}_dseg.nii.gz").write_bytes(b"no map")
    table, messages = score(truth, submissions, jobs=1)
    assert table.mapped.tolist() == [False, True]
    assert set(table.reasons[0, 0].ravel()) == {Reason.NO_TRUTH}
    assert np.isnan(table.values[:, 0]).all()
    np.testing.assert_array_equal(table.values[:, 1], expected.values[:, 1])
    np.testing.assert_array_equal(table.length_errors, expected.length_errors)
    assert set(table.length_reasons.ravel()) == {""}
    assert any("left out for every team" in line for line in messages.warnings)
    (truth / "sub-002/anat/sub-002_rec-mial_dseg.nii.gz").write_bytes(b"no map")
    with pytest.raises(FetaError, match="no label map of the truth"):
        score(truth, submissions, jobs=1)


def test_truth_of_links_is_fine(cohort: tuple[Path, Path]) -> None:
    """Data sets under git-annex are made of links."""
    truth, submissions = cohort
    path = truth / f"sub-001/anat/{NAME}_dseg.nii.gz"
    path.rename(truth / "object")
    path.symlink_to(truth / "object")
    table, messages = score(truth, submissions, jobs=1)
    assert len(table.cases) == 2
    assert messages.warnings == []


def test_without_tables(cohort: tuple[Path, Path]) -> None:
    truth, submissions = cohort
    (truth / "participants.tsv").unlink()
    (truth / "biometry.tsv").unlink()
    table, messages = score(truth, submissions, jobs=1)
    assert {case.site for case in table.cases} == {"unknown"}
    assert np.isnan(table.length_errors).all()
    assert set(table.length_reasons.ravel()) == {"no-truth"}
    assert len(messages.warnings) == 2


def test_lengths_below_derivatives(cohort: tuple[Path, Path]) -> None:
    truth, submissions = cohort
    expected, _ = score(truth, submissions, jobs=1)
    (truth / "derivatives/biometry").mkdir(parents=True)
    (truth / "biometry.tsv").rename(truth / "derivatives/biometry/biometry.tsv")
    same(score(truth, submissions, jobs=1)[0], expected)


def test_missing_true_length_is_left_out_for_all(cohort: tuple[Path, Path]) -> None:
    truth, submissions = cohort
    (truth / "biometry.tsv").write_text("participant_id\tTCD\tLCC\nsub-001\tn/a\t40\nsub-002\t30\t\n")
    table, _ = score(truth, submissions, jobs=1)
    np.testing.assert_array_equal(np.isfinite(table.length_errors[0]), np.isfinite(table.true_lengths))
    assert np.isfinite(table.true_lengths).sum() == 2


def _die(task: tasks.CaseTask) -> tasks.CaseResult:
    if any(files.label_map.name and files.root.name == "deadly" for files in task.teams):
        os._exit(9)
    return tasks.run_case(task)


def _die_of_a_truth(task: tasks.CaseTask) -> tasks.CaseResult:
    if "sub-002" in task.case and not task.problem:
        os._exit(9)
    return tasks.run_case(task)


def test_a_process_that_dies(cohort: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    truth, submissions = cohort
    expected, _ = score(truth, submissions, jobs=1)
    team = write_team(submissions / "deadly", 2)
    (team / "sub-002/anat/sub-002_rec-mial_T2w_dseg.nii.gz").unlink()
    monkeypatch.setattr("evaluation.scoring.process_pool.run_case", _die)
    table, messages = score(truth, submissions, jobs=2)
    assert set(table.reasons[0, 0].ravel()) == {"not-measured"}
    assert set(table.reasons[0, 1].ravel()) == {"missing-file"}
    assert set(table.length_reasons[0].ravel()) == {""}
    assert "ended the process" in messages.teams["deadly"][0]
    np.testing.assert_array_equal(table.values[1], expected.values[0])


def test_a_truth_that_ends_its_process(cohort: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    truth, submissions = cohort
    expected, _ = score(truth, submissions, jobs=1)
    monkeypatch.setattr("evaluation.scoring.process_pool.run_case", _die_of_a_truth)
    table, messages = score(truth, submissions, jobs=2)
    assert table.mapped.tolist() == [True, False]
    np.testing.assert_array_equal(table.length_errors, expected.length_errors)
    assert any("sub-002" in line and "left out for every team" in line for line in messages.warnings)


def test_a_fault_of_the_evaluator_stops_nothing(
    cohort: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    truth, submissions = cohort
    compare, calls = tasks.compare, []

    def faulty(*maps: object) -> object:
        calls.append(maps)
        return compare(*maps) if len(calls) > 1 else 1 / 0

    monkeypatch.setattr(tasks, "compare", faulty)
    table, _ = score(truth, submissions, jobs=1)
    assert set(table.reasons[0, 0].ravel()) == {"not-measured"}
    assert set(table.reasons[0, 1].ravel()) == {""}
    assert "ZeroDivisionError" in caplog.text

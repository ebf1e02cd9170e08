"""What the ground truth's tables say that its label maps don't, and sessions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from evaluation.scoring.truth import read_truth
from tests.support.small_brains import write_truth


def test_a_subject_without_a_label_map_is_said(tmp_path: Path) -> None:
    write_truth(tmp_path)
    shutil.rmtree(tmp_path / "sub-002")
    said = read_truth(tmp_path).warnings
    assert f"{tmp_path}: 1 with true lengths but no label map, not scored: sub-002" in said
    assert f"{tmp_path}: 1 with a row but no label map, not scored: sub-002" in said


def test_true_lengths_of_a_mistyped_subject_are_said(tmp_path: Path) -> None:
    table = write_truth(tmp_path) / "biometry.tsv"
    table.write_text(table.read_text().replace("sub-003", "sub-3"))
    assert f"{tmp_path}: 1 with true lengths but no label map, not scored: sub-3" in read_truth(tmp_path).warnings


def test_where_all_have_one_nothing_is_said(tmp_path: Path) -> None:
    assert read_truth(write_truth(tmp_path)).warnings == ()


@pytest.mark.parametrize("row", ["sub-001\t{session}", "001\t{session}"])
def test_each_session_has_what_its_own_row_says(tmp_path: Path, row: str) -> None:
    write_truth(tmp_path, cases=1)
    for session in ("ses-01", "ses-02"):
        folder = tmp_path / "sub-001" / session / "anat"
        folder.mkdir(parents=True)
        source = tmp_path / "sub-001" / "anat" / "sub-001_rec-mial_dseg.nii.gz"
        shutil.copy(source, folder / f"sub-001_{session}_rec-mial_dseg.nii.gz")
    shutil.rmtree(tmp_path / "sub-001" / "anat")
    rows = [row.format(session="ses-01") + "\t22\tA\tx", row.format(session="ses-02") + "\t33\tB\ty"]
    text = "\n".join(["participant_id\tsession_id\tga\tsite\tpathology", *rows])
    (tmp_path / "participants.tsv").write_text(text)
    cases = read_truth(tmp_path).cases
    assert [(case.age, case.site, case.pathology) for case in cases] == [(22.0, "A", "x"), (33.0, "B", "y")]

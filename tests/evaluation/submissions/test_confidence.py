"""What a team expects of its results: read, checked, and one line for each fault."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from evaluation.submissions.confidence import CheckedConfidence, check_confidence
from evaluation.submissions.intake import RejectedError, private_folder, take
from evaluation.submissions.validation import validate
from tests.support.small_brains import write_team, write_truth

HEADER = "case,measure,target,value,low,high\n"
NAME = "sub-001_rec-mial_T2w_confidence.csv"


def check(folder: Path, text: str) -> CheckedConfidence:
    (folder / NAME).write_text(text)
    with private_folder() as private:
        return check_confidence(take(folder, PurePosixPath(NAME), private, largest=1 << 20), "sub-001_rec-mial")


def test_each_measure_is_read_with_its_value_and_interval(tmp_path: Path) -> None:
    rows = ["dice,CBM,0.9,0.8,0.95", "hd95,GM,1.2,0.5,4", "volume,WM,90,80,99", "length,TCD,34.5,33,36"]
    found = check(tmp_path, HEADER + "".join(f"sub-001_rec-mial_T2w,{row}\n" for row in rows))
    assert not found.problems
    assert [(p.measure, p.target, p.value) for p in found.promises] == [
        ("dice", "CBM", 0.9), ("hd95", "GM", 1.2), ("volume", "WM", 90.0), ("length", "TCD", 34.5),
    ]  # fmt: skip


def test_case_of_letters_and_order_of_columns_do_not_matter(tmp_path: Path) -> None:
    text = "target;Measure;case;low;high;value\ngm;Dice;sub-001_rec-mial;0.5;0.9;0.8\n"
    (promise,) = check(tmp_path, text).promises
    assert (promise.target, promise.value) == ("GM", 0.8)


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ("sub-002,dice,GM,0.9,0.8,0.95", "not of sub-001_rec-mial"),
        ("sub-001_rec-mial,jaccard,GM,0.9,0.8,0.95", "is no measure"),
        ("sub-001_rec-mial,dice,TCD,0.9,0.8,0.95", "is unknown"),
        ("sub-001_rec-mial,dice,GM,0.9,0.8,1.2", "<= 1"),
        ("sub-001_rec-mial,dice,GM,0.9,0.95,0.8", "low <= value"),
        ("sub-001_rec-mial,length,TCD,30,-1,34", "0 <= low"),
        ("sub-001_rec-mial,length,TCD,nan,29,34", "must be numbers"),
        ("sub-001_rec-mial,length,TCD,about 30,29,34", "must be numbers"),
        ("sub-001_rec-mial,hd95,GM,1,0,inf", "must be numbers"),
        ("sub-001_rec-mial,hd95,GM,1e308,0,1e308", "<= 10000"),
        ("sub-001_rec-mial,dice,GM,0.9", "row 2"),
    ],
)
def test_a_row_that_cannot_be_is_left_out_with_one_line(tmp_path: Path, row: str, word: str) -> None:
    found = check(tmp_path, f"{HEADER}{row}\n")
    assert not found.promises
    assert len(found.problems) == 1
    assert word in found.problems[0]
    assert len(found.problems[0].splitlines()) == 1


def test_a_figure_that_stands_there_twice_counts_once(tmp_path: Path) -> None:
    row = "sub-001_rec-mial,dice,GM,0.9,0.8,0.95\n"
    found = check(tmp_path, HEADER + row + row)
    assert (len(found.promises), len(found.problems)) == (1, 1)


def test_a_table_without_a_column_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(RejectedError, match="no column measure, high"):
        check(tmp_path, "case,target,value,low\n")


def test_a_table_with_a_column_twice_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(RejectedError, match="two columns value"):
        check(tmp_path, "case,measure,target,value,Value (new),low,high\n")


@pytest.mark.parametrize("content", [b"", b"\0" * 99, (HEADER + "x").encode("utf-16-le"), b"PK\x03\x04" * 9])
def test_a_file_that_is_no_table_of_text_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with private_folder() as private, pytest.raises(RejectedError, match=NAME) as error:
        check_confidence(take(tmp_path, PurePosixPath(NAME), private, largest=1 << 20), "sub-001_rec-mial")
    assert len(error.value.line.splitlines()) == 1


def test_a_thousand_faults_are_told_in_a_few_lines(tmp_path: Path) -> None:
    assert len(check(tmp_path, HEADER + "x,dice,GM,0.9,0.8,0.95\n" * 1000).problems) < 10


def test_validate_names_what_is_wrong_and_misses_no_file(tmp_path: Path) -> None:
    truth, team = write_truth(tmp_path / "input", 2), write_team(tmp_path / "team", 2)
    (team / "sub-001/anat" / NAME).write_text(HEADER + "sub-001_rec-mial,dice,GM,0.9,0.8,0.95\n")
    assert validate(team, truth).problems == ()
    (team / "sub-001/anat" / NAME).write_text(HEADER + "sub-001_rec-mial,dice,GM,high,0.8,0.95\n")
    (problem,) = validate(team, truth).problems
    assert "dice of GM" in problem
    assert NAME in problem

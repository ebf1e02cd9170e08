"""The table of all cases of an output folder, and its dictionary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from inference.derivatives.cohort import write_cohort
from inference.derivatives.size_table import write_sizes
from inference.morphometry.growth_curve import TRANSCRIBED
from inference.morphometry.measured import Kind, Measured
from inference.morphometry.norms import place

SIZES = [
    Measured("WM", "white matter", Kind.VOLUME, 95.0, source="label map"),
    Measured("CBM", "cerebellum", Kind.VOLUME, 7.5, source="label map"),
    Measured("supratentorial", "all above", Kind.VOLUME, 140.0, source="label map"),
    Measured("TCD", "transverse cerebellar diameter", Kind.LENGTH, 35.1, 33.0, 37.0, source="image"),
]


def entry(root: Path, title: str, age: float | None = 30.0, **more: Any) -> dict[str, Any]:
    write_sizes(root / f"{title}_volumes.tsv", [place(size, age) for size in SIZES], age)
    return {"status": "done", "age": age, "warnings": [], "table": f"{title}_volumes.tsv", **more}


def cohort(root: Path, entries: dict[str, dict[str, Any]]) -> pd.DataFrame:
    write_cohort(root, entries)
    return pd.read_csv(root / "cohort.tsv", sep="\t", index_col="case")


def test_each_case_is_a_row_with_all_that_was_measured(tmp_path: Path) -> None:
    titles = [f"sub-{n}/ses-1/anat/sub-{n}_ses-1_T2w" for n in (2, 1)]
    table = cohort(tmp_path, {title: entry(tmp_path, title) for title in titles})
    assert list(table.index) == sorted(titles)
    assert list(table.participant_id) == ["sub-1", "sub-2"]
    assert list(table.session_id) == ["ses-1", "ses-1"]
    row = table.iloc[0]
    assert (row.WM, row.TCD, row.TCD_low, row.TCD_high) == (95.0, 35.1, 33.0, 37.0)
    assert 0 < row.CBM_centile < 100
    assert row.CBM_z == pytest.approx((7.5 - 7.179) / 0.8405, abs=0.006)
    assert (row.supratentorial_flag, pd.isna(row.supratentorial_centile)) == ("norms differ", True)
    assert row.TCD_source == "image"


def test_every_column_is_in_the_dictionary_and_every_norm_says_that_it_was_transcribed(tmp_path: Path) -> None:
    table = cohort(tmp_path, {"a": entry(tmp_path, "a")})
    dictionary = json.loads((tmp_path / "cohort.json").read_text())
    assert set(dictionary) == {"case", *table.columns}
    assert all(column["Description"] for column in dictionary.values())
    assert dictionary["WM"]["Units"] == "ml"
    norms = [norm for column in dictionary.values() for norm in column.get("Norms", [])]
    assert len(norms) > 5
    assert all(norm.endswith(TRANSCRIBED) for norm in norms)


def test_a_failed_case_has_a_row_with_its_error_and_no_size(tmp_path: Path) -> None:
    entries = {"a": entry(tmp_path, "a"), "b": {"status": "failed", "error": "b:\tis\nempty"}}
    table = cohort(tmp_path, entries)
    assert (table.status["a"], table.status["b"], table.error["b"]) == ("done", "failed", "b: is empty")
    assert pd.isna(table.WM["b"])


def test_a_case_of_another_release_has_the_lengths_that_were_noted(tmp_path: Path) -> None:
    entries = {"a": {"status": "skipped", "age": 28, "lengths": {"TCD": 31.0}}, "b": entry(tmp_path, "b")}
    table = cohort(tmp_path, entries)
    assert (table.status["a"], table.TCD["a"], table.TCD["b"]) == ("done", 31.0, 35.1)


def test_a_table_that_was_removed_or_replaced_takes_no_case_away(tmp_path: Path) -> None:
    entries = {title: entry(tmp_path, title, lengths={"TCD": 35.1}) for title in "abc"}
    (tmp_path / "a_volumes.tsv").unlink()
    (tmp_path / "b_volumes.tsv").write_text("something else\n")
    table = cohort(tmp_path, entries)
    assert list(table.TCD) == [35.1] * 3
    assert list(table.WM.isna()) == [True, True, False]


def test_names_and_ages_of_any_kind_make_whole_rows(tmp_path: Path) -> None:
    entries = {
        "tab\there": {"status": "done", "age": None, "warnings": ["two\nlines", "<b>"]},
        "sc\udce4n": {"status": "done", "lengths": "none", "warnings": None},
    }
    table = cohort(tmp_path, entries)
    assert table.index[1] == "tab here"
    assert table.warnings["tab here"] == "two lines; <b>"
    assert (tmp_path / "cohort.tsv").read_text("utf-8").startswith("participant_id\t")


def test_no_case_makes_a_header_alone(tmp_path: Path) -> None:
    assert len(cohort(tmp_path, {})) == 0


def test_verdict_reasons_and_estimated_age_stand_in_their_columns(tmp_path: Path) -> None:
    said = [{"text": "cerebellum: expected\tDice 0.40", "about": "CBM", "verdict": "check"}, {"text": "cut off"}]
    known = {"verdict": "check", "verdict_reasons": said, "age_estimated": [27.3, 25.9, 28.7]}
    table = cohort(tmp_path, {"a": entry(tmp_path, "a", None, **known), "b": entry(tmp_path, "b")})
    assert (table.verdict["a"], table.verdict_reasons["a"]) == ("check", "cerebellum: expected Dice 0.40; cut off")
    assert [table[f"age_estimated{end}"]["a"] for end in ("", "_low", "_high")] == [27.3, 25.9, 28.7]
    assert pd.isna(table.verdict["b"])
    assert pd.isna(table.age_estimated["b"])


@pytest.mark.parametrize("odd", ["much", [1, 2], [1, "x", 3], None, {"a": 1}])
def test_an_odd_verdict_of_another_release_takes_no_case_away(tmp_path: Path, odd: object) -> None:
    table = cohort(tmp_path, {"a": entry(tmp_path, "a", verdict_reasons=odd, age_estimated=odd)})
    assert table.WM["a"] == 95.0
    assert pd.isna(table.age_estimated["a"])

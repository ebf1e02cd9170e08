"""The table of a case's sizes, read again and by another library."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feta.errors import FetaError
from inference.derivatives.size_table import COLUMNS, read_sizes, write_sizes
from inference.morphometry.growth_curve import TRANSCRIBED
from inference.morphometry.measured import Kind, Measured
from inference.morphometry.norms import place

SIZES = (
    place(Measured("WM", "white matter", Kind.VOLUME, 95.20001, source="label map"), 30.0),
    place(Measured("CBM", "cerebellum", Kind.VOLUME, 7.5, source="label map"), 30.0),
    place(Measured("TCD", "cerebellum", Kind.LENGTH, 35.126, 33.0, 37.0, source="image and age"), 30.0),
    Measured("SGM", "deep grey matter", Kind.VOLUME, None, flag="not in the label map"),
)


def test_another_library_reads_every_row_and_nothing_missing_as_a_number(tmp_path: Path) -> None:
    write_sizes(tmp_path / "a_volumes.tsv", SIZES, 30.0)
    table = pd.read_csv(tmp_path / "a_volumes.tsv", sep="\t", index_col="measure")
    assert list(table.index) == ["WM", "CBM", "TCD", "SGM"]
    assert (table.gestational_age == 30.0).all()
    assert list(table.unit) == ["ml", "ml", "mm", "ml"]
    assert table.value["WM"] == pytest.approx(95.2)
    assert (table.interval_low["TCD"], table.interval_high["TCD"]) == (33.0, 37.0)
    assert pd.isna(table.value["SGM"])
    assert table.norm["CBM"].endswith(TRANSCRIBED)
    assert table.other_norm["CBM"].endswith(TRANSCRIBED)


def test_what_is_read_again_is_what_was_written(tmp_path: Path) -> None:
    write_sizes(tmp_path / "a.tsv", SIZES, 30.5)
    found = read_sizes(tmp_path / "a.tsv")
    assert found.age == 30.5
    for one, other in zip(found.sizes, SIZES, strict=True):
        assert (one.key, one.title, one.kind, one.source, one.flag) == (
            other.key, other.title, other.kind, other.source, other.flag,
        )  # fmt: skip
        assert one.value == (None if other.value is None else pytest.approx(other.value, abs=0.006))
        assert [n.source for n in one.norms] == [n.source for n in other.norms]
        assert [n.centile for n in one.norms] == pytest.approx([n.centile for n in other.norms], abs=0.06)


@given(title=st.text(), flag=st.text())
def test_words_never_break_a_row(title: str, flag: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tsv"
        write_sizes(path, [Measured("WM", title, Kind.VOLUME, 1.0, flag=flag)], None)
        assert read_sizes(path).sizes[0].value == 1.0


@pytest.mark.parametrize("content", ["", "a\tb\n", "\t".join(COLUMNS) + "\nWM\t1\n"])
def test_another_table_is_one_clear_line(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(content)
    with pytest.raises(FetaError):
        read_sizes(tmp_path / "a.tsv")


def test_an_estimated_age_is_never_taken_for_a_given_one(tmp_path: Path) -> None:
    write_sizes(tmp_path / "a.tsv", SIZES, None, 27.31)
    found = read_sizes(tmp_path / "a.tsv")
    assert (found.age, found.estimated) == (None, 27.3)

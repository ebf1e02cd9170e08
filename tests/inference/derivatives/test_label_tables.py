"""Label tables, each read as the program that it is for reads it."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from feta.labels import TISSUE_COLOURS, TISSUES, Tissue
from inference.derivatives.label_tables import BIDS, FREESURFER, ITK_SNAP, SLICER, label_tables, write_label_tables


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_label_tables(tmp_path)
    return tmp_path


def colours(table: pd.DataFrame, columns: list[str]) -> None:
    """Of each tissue as in `feta.labels`."""
    for tissue in TISSUES:
        row = table.loc[tissue.value, columns]
        assert [v / 255 for v in row] == pytest.approx(TISSUE_COLOURS[tissue], abs=0.003)


def test_the_table_of_bids(folder: Path) -> None:
    table = pd.read_csv(folder / BIDS, sep="\t", index_col="index")
    assert list(table.columns) == ["name", "abbreviation", "color", "mapping"]
    assert list(table.index) == list(range(8))
    assert list(table.abbreviation) == ["BG", *(t.name for t in TISSUES)]
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in table.color)
    # BIDS: 8 cortical grey matter, 2 white matter, 3 CSF, 9 subcortical grey matter, 10 brainstem, 11 cerebellum.
    assert dict(zip(table.abbreviation, table.mapping, strict=True)) == {
        "BG": 0, "ECSF": 3, "GM": 8, "WM": 2, "VM": 3, "CBM": 11, "SGM": 9, "BSM": 10,
    }  # fmt: skip


def test_the_label_file_of_itk_snap(folder: Path) -> None:
    names = ["IDX", "R", "G", "B", "A", "VIS", "MSH", "LABEL"]
    table = pd.read_csv(folder / ITK_SNAP, sep=r"\s+", comment="#", names=names, quotechar='"', index_col="IDX")
    colours(table, ["R", "G", "B"])
    assert table.LABEL[Tissue.SGM.value] == "deep grey matter"
    assert list(table.A) == [0, *[1] * 7]


@pytest.mark.parametrize(("name", "alpha"), [(SLICER, 255), (FREESURFER, 0)])
def test_the_colour_tables_of_slicer_and_freesurfer(folder: Path, name: str, alpha: int) -> None:
    names = ["value", "label", "R", "G", "B", "A"]
    table = pd.read_csv(folder / name, sep=r"\s+", comment="#", names=names, index_col="value")
    colours(table, ["R", "G", "B"])
    assert list(table.A[1:]) == [alpha] * 7
    assert table.label.is_unique


def test_tables_that_are_there_are_left_alone(folder: Path) -> None:
    before = {name: (folder / name).stat().st_ino for name in label_tables()}
    write_label_tables(folder)
    assert {name: (folder / name).stat().st_ino for name in label_tables()} == before

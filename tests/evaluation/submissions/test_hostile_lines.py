"""What is told of inputs that are hostile as a folder; single files have tests of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.hostile_lines import CASES, NAMES, html, told_of_a_change, told_of_case

CODES = {
    "extra files": "",
    "results of no case": "",
    "a missing case": "missing-file",
    "a misnamed case": "missing-file",
    "a case's folder that links to the truth's": "missing-file",
    "a pipe in place of a table": "unsafe-file",
}


@pytest.mark.parametrize("name", CASES)
def test_each_gets_its_code_and_a_line(name: str, tmp_path: Path) -> None:
    _, code, line = told_of_case(tmp_path, name, CASES[name])
    assert code == CODES[name]
    assert line
    assert str(tmp_path) not in line


def test_a_file_that_changes_costs_its_case(tmp_path: Path) -> None:
    _, code, line = told_of_a_change(tmp_path)
    assert code == "unsafe-file"
    assert "changed while it was read" in line


@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_markup(name: str) -> None:
    assert "<" not in html(name)

"""Measured tables take the place of a page's tables with the same heading."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.tables import filled

ROOT = Path(__file__).resolve().parents[2]
PAGE = """# Title

As is:

| a | b |
|---|---|
| x | 1 |

Turned:

| a | b |
|---|---|
| x | 2 |

| c |
|---|
| 3 |

End.
"""


def test_the_first_takes_the_firsts_place_and_other_words_stay() -> None:
    measured = "log line\n| a | b |\n| --- | --- |\n| x | 10 |\n| y | 11 |\n\n| a | b |\n|---|---|\n| x | 20 |"
    text, count = filled(PAGE, measured)
    assert count == 2
    assert re.findall(r"\d+", text) == ["10", "11", "20", "3"]
    assert text.startswith("# Title\n\nAs is:\n\n| a | b |\n| --- | --- |\n| x | 10 |\n")
    assert text.endswith("| 3 |\n\nEnd.\n")


def test_what_was_measured_twice_is_the_same_page() -> None:
    assert filled(PAGE, PAGE) == (PAGE, 3)


def test_a_table_without_a_place_is_said() -> None:
    with pytest.raises(ValueError, match=r"a \| z"):
        filled(PAGE, "| a | z |\n|---|---|\n| 1 | 2 |\n")


def test_nothing_measured_leaves_the_page_and_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    call = [sys.executable, "-m", "tools.tables", str(page)]
    done = subprocess.run(call, input="no table\n", cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "tables: nothing was read that is a Markdown table\n")
    assert page.read_text() == PAGE

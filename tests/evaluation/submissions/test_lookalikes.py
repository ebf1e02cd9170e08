"""Names that look the same are told apart; all others are left as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.submissions.find import find_submissions
from evaluation.submissions.lookalikes import shape, told_apart

ALIKE = [
    ("Vienna", "V\u0456enna", "Vienna", "V\u0456enna [U+0456 at 2]"),  # Cyrillic
    ("ABC", "\u0391BC", "ABC", "\u0391BC [U+0391 at 1]"),  # Greek
    ("team", "te\u200bam", "team", "te\u200bam [U+200B at 3]"),  # no width
    ("team", "team\u00ad", "team", "team\u00ad [U+00AD at 5]"),  # soft hyphen
    ("team", "team\ufe0f", "team", "team\ufe0f [U+FE0F at 5]"),  # a variation
    ("a b", "a\u00a0b", "a b", "a\u00a0b [U+00A0 at 2]"),  # a blank that does not break
    ("a b", "a  b", "a b", "a  b [U+0020 at 2, U+0020 at 3]"),
    ("a-b", "a\u2011b", "a-b", "a\u2011b [U+2011 at 2]"),
    ("team", "\uff54eam", "team", "\uff54eam [U+FF54 at 1]"),  # wide
    ("caf\u00e9", "cafe\u0301", "caf\u00e9 [U+00E9 at 4]", "cafe\u0301 [U+0301 at 5]"),
    ("team 1", "team l", "team 1", "team l"),
    ("modern", "modem", "modern", "modem"),
    ("r0b0t", "rObOt", "r0b0t", "rObOt"),
]


@pytest.mark.parametrize(("one", "other", "shown", "other_shown"), ALIKE)
def test_names_that_look_the_same(one: str, other: str, shown: str, other_shown: str) -> None:
    names, lines = told_apart([one, "else", other])
    assert names == [shown, "else", other_shown]
    (line,) = lines
    assert "look the same" in line


@pytest.mark.parametrize(
    ("one", "other"),
    [("team", "Team"), ("caf\u00e9", "cafe"), ("a", "b"), ("a-b", "a_b"), ("ab", "a b"), ("\u65e5", "\u672c")],
)
def test_names_that_anybody_tells_apart(one: str, other: str) -> None:
    assert told_apart([one, other]) == ([one, other], [])


def test_a_name_of_other_letters_alone_is_left_as_it_is() -> None:
    names = ["\u0412\u0435\u043d\u0430", "\u65e5\u672c", "te\u200bam"]
    assert told_apart(names) == (names, [])


def test_names_with_the_same_hidden_character_in_two_places_are_shown_as_two() -> None:
    names, _ = told_apart(["te\u200bam", "tea\u200bm", "team"])
    assert names == ["te\u200bam [U+200B at 3]", "tea\u200bm [U+200B at 4]", "team"]


def test_a_name_of_nothing_that_is_seen() -> None:
    assert shape("\u200b\u3164") == shape("\u2800") == ""


def test_folders_of_teams_are_shown_as_two(tmp_path: Path) -> None:
    for name in ("Vienna", "V\u0456enna"):
        (tmp_path / name).mkdir()
    teams, lines = find_submissions(tmp_path)
    assert [team.team for team in teams] == ["Vienna", "V\u0456enna [U+0456 at 2]"]
    assert "look the same" in lines[-1]

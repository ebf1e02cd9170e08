"""Which submissions are taken, by the phase's times and the machine's clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.harness.engine_errors import GoneError
from evaluation.harness.roster import Exceptions, Phase, Team
from evaluation.phases.admission import admit, check_clock, run_again
from feta.errors import FetaError
from tests.support.made_up_history import DAY, NOON, hand_in, new_history

PHASE = Phase("validation", a_day=2)


def test_a_new_image_is_a_new_submission_and_the_same_is_none(tmp_path: Path) -> None:
    history = new_history(tmp_path)
    for image, taken in (("one", 1), ("one", 0), ("two", 1), ("two", 0)):
        assert len(hand_in(history, PHASE, NOON, a=image).taken) == taken
    assert [(e.number, e.image_id) for e in history.entries("validation")] == [(1, "one"), (2, "two")]


def test_two_teams_of_one_image_are_both_taken(tmp_path: Path) -> None:
    assert len(hand_in(new_history(tmp_path), PHASE, NOON, a="one", b="one").taken) == 2


def test_no_more_a_day_than_the_phase_takes_and_more_on_the_next(tmp_path: Path) -> None:
    history = new_history(tmp_path)
    for image in ("1", "2"):
        hand_in(history, PHASE, NOON, a=image)
    (line,) = hand_in(history, PHASE, NOON + DAY / 2 - 1, a="3", b="3").refused
    assert line.startswith("a: not taken: it has handed in 2 on this day of UTC")
    assert line.endswith("the clock of this machine says 2026-08-01 23:59:59 UTC")
    assert [e.team for e in hand_in(history, PHASE, NOON + DAY / 2, a="3").taken] == ["a"]


def test_no_more_in_all_than_the_phase_takes(tmp_path: Path) -> None:
    history, phase = new_history(tmp_path), Phase("test", at_most=1)
    hand_in(history, phase, NOON, a="1")
    assert "which takes 1" in hand_in(history, phase, NOON + 9 * DAY, a="2").refused[0]


@given(minutes=st.integers(-3000, 3000))
def test_a_day_is_open_from_its_first_moment_to_its_last(
    minutes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    phase, now = Phase("test", opens=date(2026, 8, 1), closes=date(2026, 8, 1)), NOON + 60 * minutes
    admitted = hand_in(new_history(tmp_path_factory.mktemp("h")), phase, now, a="1")
    assert bool(admitted.taken) is (-720 <= minutes < 720)
    if admitted.refused:
        said = "opens 2026-08-01 00:00:00 UTC" if minutes < 0 else "is over since 2026-08-01 23:59:59 UTC"
        assert said in admitted.refused[0]


def test_times_of_another_zone_are_turned_and_those_of_none_are_utc() -> None:
    zurich = datetime.fromisoformat("2026-08-01T14:00:00+02:00")
    assert Phase("test", closes=zurich).end == Phase("test", closes=datetime(2026, 8, 1, 12)).end
    assert Phase("test", closes=zurich).end == datetime(2026, 8, 1, 12, tzinfo=UTC)


def test_an_image_that_is_not_there_hinders_no_other_team(tmp_path: Path) -> None:
    def image_id(name: str) -> str:
        if name == "gone":
            raise GoneError(name, "no such image here")
        return name

    admitted = admit(new_history(tmp_path), PHASE, [Team("a", "gone"), Team("b", "1")], image_id, NOON)
    assert [e.team for e in admitted.taken] == ["b"]
    assert admitted.refused == ("a: not taken: gone: no such image here",)


def test_a_name_that_leaves_no_room_for_a_number_is_refused(tmp_path: Path) -> None:
    assert "58 letters" in hand_in(new_history(tmp_path), PHASE, NOON, **{"x" * 59: "1"}).refused[0]


def test_a_clock_behind_what_is_on_record_is_refused_with_both_times(tmp_path: Path) -> None:
    history = new_history(tmp_path, PHASE)
    hand_in(history, PHASE, NOON, a="1")
    check_clock(history, NOON)
    with pytest.raises(FetaError, match=r"says 2026-07-31 12:00:00 UTC, but 2026-08-01 12:00:00 UTC is on record"):
        check_clock(history, NOON - DAY)


def test_an_appeal_costs_nothing_and_comes_when_the_phase_is_over(tmp_path: Path) -> None:
    phase, history = Phase("test", closes=date(2026, 8, 1), at_most=1), new_history(tmp_path)
    hand_in(history, phase, NOON, a="1")
    again = run_again(
        history, phase, Team("a", "moved", exceptions=Exceptions(root=True)), None, " Chair: why ", NOON + DAY
    )
    assert (again.number, again.again_of, again.image_id, again.word) == (2, 1, "1", "Chair: why")
    assert again.as_team().exceptions.root
    assert history.entries("test")[0].again_of is None


def test_appeals_follow_one_another_and_are_no_submissions(tmp_path: Path) -> None:
    history, team = new_history(tmp_path), Team("a", "2")
    for image in ("1", "2"):
        hand_in(history, PHASE, NOON, a=image)
    numbers = [run_again(history, PHASE, team, number, "Chair", NOON).again_of for number in (1, None, 1, 3, None)]
    assert numbers == [1, 2, 3, 5, 4]
    assert hand_in(history, PHASE, NOON, a="2").taken == ()


def test_an_appeal_needs_a_word_and_a_submission(tmp_path: Path) -> None:
    history = new_history(tmp_path)
    hand_in(history, PHASE, NOON, a="1")
    with pytest.raises(FetaError, match="by whose word"):
        run_again(history, PHASE, Team("a", "1"), None, " ", NOON)
    for team, number in (("a", 7), ("b", None)):
        with pytest.raises(FetaError, match="has no submission"):
            run_again(history, PHASE, Team(team, "1"), number, "Chair", NOON)


def test_rules_that_held_before_stay_on_record(tmp_path: Path) -> None:
    history = new_history(tmp_path, PHASE)
    history.put_phase(PHASE, NOON + 1)
    history.put_phase(replace(PHASE, closes=date(2026, 9, 1)), NOON + 2)
    (rules,) = history.phases().values()
    assert [(r.phase.closes, r.since) for r in rules] == [(None, NOON), (date(2026, 9, 1), NOON + 2)]


def test_a_file_that_is_no_history_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "history.sqlite").write_text("no database" * 99)
    with pytest.raises(FetaError, match="can't be used"):
        new_history(tmp_path)

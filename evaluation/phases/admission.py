"""Which submissions are taken: by the phase's times, and how many a day, against the clock of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from evaluation.harness.engine_errors import GoneError
from evaluation.harness.roster import Phase, Team
from evaluation.phases.history import Entry, History, moment, rules_of, said
from feta.errors import FetaError

#: A submission's name is its team's and a number, and no longer than any team's.
LONGEST_NAME = 58


@dataclass(frozen=True)
class Admitted:
    """What was taken, and a line for each that was not."""

    taken: tuple[Entry, ...] = ()
    refused: tuple[str, ...] = ()


def check_clock(history: History, now: float) -> None:
    """Refuse to go on by a clock that is behind what was recorded by it.

    Raises:
        FetaError: so it is.
    """
    if now < history.latest():
        problem = f"says {said(now)}, but {said(history.latest())} is on record in {history.path}"
        raise FetaError("this machine's clock", problem, "set it right; if that record is ahead, wait until then")


def admit(
    history: History, phase: Phase, teams: Iterable[Team], image_id: Callable[[str], str], now: float
) -> Admitted:
    """Take what is new: each team whose image is another than that of its last submission to the phase.

    Args:
        image_id: the local id that an image's name stands for; raises GoneError where there is none.
        now: Unix time.
    """
    taken, refused = [], []
    entries = history.entries(phase.name)
    for team in teams:
        own = [entry for entry in entries if entry.team == team.name]
        handed_in = [entry for entry in own if entry.again_of is None]
        try:
            image = image_id(team.image)
        except GoneError as error:
            if not handed_in:
                refused.append(f"{team.name}: not taken: {error}")
            continue
        if handed_in and handed_in[-1].image_id == image:
            continue
        if why := _refusal(phase, handed_in, now) or _too_long(team):
            refused.append(f"{team.name}: not taken: {why}; the clock of this machine says {said(now)}")
            continue
        entry = Entry(phase.name, team.name, len(own) + 1, team.image, image, rules_of(team), now)
        history.put(entry)
        taken.append(entry)
    return Admitted(tuple(taken), tuple(refused))


def run_again(
    history: History,
    phase: Phase,
    team: Team,
    number: int | None,
    word: str,
    now: float,
    finished: Callable[[Entry], bool] = lambda entry: True,
) -> Entry | None:
    """Add a submission once more, after an appeal: the same image, by the rules of the roster as it is now.

    It takes its place, costs none of the team's submissions, and may come when the phase is over.

    Args:
        number: the submission's; None for the last.
        word: by whose word, and why.
        finished: whether an entry was run to its end.

    Returns:
        What was added; None where the very same was called for before and is not finished, so that it goes on.

    Raises:
        FetaError: there is no such submission, or no word.
    """
    if not word.strip():
        raise FetaError(
            "--word", "is missing", 'say by whose word it is run again, and why: --word "A. Chair: disk full"'
        )
    own = [entry for entry in history.entries(phase.name) if entry.team == team.name]
    handed_in = [entry for entry in own if entry.again_of is None]
    again = next((entry for entry in (own if number else handed_in)[::-1] if number in (None, entry.number)), None)
    if again is None:
        has = f"it has {', '.join(str(entry.number) for entry in own)}" if own else "it has none"
        raise FetaError(team.name, f"has no submission {number or ''} in phase {phase.name}".replace("  ", " "), has)
    # What was run again already is in the place of its own: that is what is run again now.
    while newer := next((entry for entry in own if entry.again_of == again.number), None):
        again = newer
    if again.again_of is not None and again.word == word.strip() and not finished(again):
        return None
    entry = Entry(
        phase.name,
        team.name,
        len(own) + 1,
        again.image,
        again.image_id,
        rules_of(team),
        now,
        again.number,
        word.strip(),
    )
    history.put(entry)
    return entry


def _refusal(phase: Phase, handed_in: list[Entry], now: float) -> str:
    """Why a team may not hand in now; "" where it may."""
    today = [entry for entry in handed_in if moment(entry.received).date() == moment(now).date()]
    if moment(now) < phase.begin:
        return f"the phase {phase.name} opens {said(phase.begin)}"
    if moment(now) > phase.end:
        return f"the phase {phase.name} is over since {said(phase.end)}"
    if phase.at_most is not None and len(handed_in) >= phase.at_most:
        return f"it has handed in {len(handed_in)} to the phase {phase.name}, which takes {phase.at_most}"
    if len(today) >= phase.a_day:
        return f"it has handed in {len(today)} on this day of UTC, and the phase {phase.name} takes {phase.a_day} a day"
    return ""


def _too_long(team: Team) -> str:
    return f"with phases a name may have {LONGEST_NAME} letters" if len(team.name) > LONGEST_NAME else ""

"""The site of a challenge's boards: an index and a page a phase, of text alone, for any server of files.

Published are teams, times, means over the whole cohort, and appeals. Nothing of a case, no image's name, nothing that a
container printed; of a hidden phase no more than how much came in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from evaluation.harness.roster import Counts, Phase
from evaluation.phases.history import HISTORY, SCORES, Entry, History, Rules, moment, said
from evaluation.phases.standings import (
    Board,
    PhaseScores,
    boards,
    look_alikes,
    mean_of,
    read_phase_scores,
)
from evaluation.ranking.leaderboard import Row
from evaluation.release.published import SEGMENTATION, biometry_columns, published_row
from evaluation.report.cells import ReportTable, TableCell, text_cell, value_cell
from evaluation.report.render import render_page
from evaluation.report.tables import NOT_TOLD
from feta.errors import FetaError
from feta.files import write_together
from feta.measurements import MEASUREMENTS

_SEGMENTATION = {"score": "Score", "dice": "Dice", "vs": "VS", "hd95": "HD95 mm", "ed": "ED", "penalties": "Penalties"}
_BIOMETRY = {"mape": "MAPE %", **{str(m): f"{m} %" for m in MEASUREMENTS}, "penalties": "Penalties"}
_MEANS = {"dice": "Dice", "vs": "VS", "hd95": "HD95 mm", "ed": "ED", "mape": "MAPE %"}
_MOST_NAMED = 3


@dataclass(frozen=True)
class PhasePage:
    """What a phase's page shows; of a hidden one only the first four.

    Attributes:
        phase: its rules.
        state: in words, at the time of writing.
        submissions, teams: how many there are.
        earlier: rules that held before, in words.
        boards, entries, appeals: tables.
        unscored: how many submissions have no scores yet.
        withheld: how many have numbers that would be of fewer cases than ``fewest``.
    """

    phase: Phase
    state: str
    submissions: int
    teams: int
    earlier: tuple[str, ...] = ()
    boards: tuple[tuple[str, ReportTable], ...] = ()
    entries: ReportTable | None = None
    appeals: tuple[Mapping[str, object], ...] = ()
    unscored: int = 0
    withheld: int = 0
    fewest: int = 1
    scheme: str = ""


def write_site(
    output: Path, site: Path, *, now: float, title: str = "FeTA", reveal: Sequence[str] = (), fewest: int = 1
) -> list[str]:
    """Write ``index.html`` and a page for each phase.

    Args:
        output: of ``feta-evaluate run --phase``; a phase's scores are in ``PHASE/scores``.
        site: folder for the pages; others in it are left alone.
        now: Unix time.
        reveal: hidden phases that are to be shown.
        fewest: cases that a published number may stand for.

    Returns:
        A line for each phase.

    Raises:
        FetaError: there is no history, no such phase, scores can't be read, or the site can't be written.
    """
    if not (output / HISTORY).is_file():
        raise FetaError(output, "holds no history of phases", "name the output folder of `feta-evaluate run --phase`")
    history = History(output / HISTORY)
    history.create()
    phases = history.phases()
    for name in reveal:
        if name not in phases:
            raise FetaError("--reveal", f"there is no phase {name!r}", f"there are {', '.join(phases)}")
    pages = [
        _page(rules, name in reveal, history.entries(name), output / name / SCORES, now, fewest)
        for name, rules in phases.items()
    ]
    shared = {"title": title, "made": said(now), "rules": rule_words}
    files = {site / f"{p.phase.name}.html": render_page("phase.html", page=p, **shared) for p in pages}
    files[site / "index.html"] = render_page("phases.html", pages=pages, **shared)
    write_together(files)
    return [f"{p.phase.name}: {p.submissions} submissions of {p.teams} teams, {_published(p)}" for p in pages]


def _published(page: PhasePage) -> str:
    if page.phase.hidden:
        return "hidden"
    scored = f"{page.unscored} not scored yet" if page.unscored else "all scored"
    few = f", numbers of {page.withheld} withheld: of fewer than {page.fewest} cases" if page.withheld else ""
    return scored + few


def phase_state(phase: Phase, now: float) -> str:
    """Where a phase stands, in words."""
    if moment(now) < phase.begin:
        return f"opens {said(phase.begin)}"
    if moment(now) > phase.end:
        return f"over since {said(phase.end)}"
    return f"open until {said(phase.end)}" if phase.closes else "open"


def _page(
    rules: Sequence[Rules], revealed: bool, entries: list[Entry], folder: Path, now: float, fewest: int
) -> PhasePage:
    phase = rules[-1].phase
    if revealed:
        phase = replace(phase, hidden=False)
    handed_in = [entry for entry in entries if entry.again_of is None]
    head = PhasePage(phase, phase_state(phase, now), len(handed_in), len({entry.team for entry in entries}))
    if phase.hidden:
        return head
    scores = read_phase_scores(folder, entries, fewest)
    made = boards(scores, phase.counts) if scores else []
    told = scores.told if scores else {}
    alike = look_alikes(entries, scores)
    return PhasePage(
        phase, head.state, head.submissions, head.teams,
        earlier=tuple(f"until {said(new.since)}: {rule_words(old.phase)}" for old, new in pairwise(rules)),
        boards=tuple((board.task, _board_table(board, scores, entries, alike)) for board in made if scores),
        entries=_entry_table(entries, scores, made, alike),
        appeals=tuple(_appeal(entry, entries, scores) for entry in entries if entry.again_of is not None),
        unscored=len(entries) - (len(scores.entries) if scores else 0),
        withheld=sum(not all(fine) for fine in zip(*(told[board.task].values() for board in made), strict=True)),
        fewest=fewest,
        scheme=scores.scheme if scores else "",
    )  # fmt: skip


def rule_words(phase: Phase) -> str:
    """A phase's rules in a sentence."""
    opens = f"opens {said(phase.begin)}" if phase.opens else "open from the beginning"
    closes = f"closes {said(phase.end)}" if phase.closes else "closes at no set time"
    most = f", {phase.at_most} in all" if phase.at_most is not None else ""
    kind = "best" if phase.counts is Counts.BEST else "last"
    return f"{opens}, {closes}, {phase.a_day} a day{most}, the {kind} counts"


def _board_table(
    board: Board, scores: PhaseScores, entries: list[Entry], alike: Mapping[str, list[tuple[str, Entry]]]
) -> ReportTable:
    """Rank, team and scores first: on a phone the rest is beyond the edge."""
    first = board.task == "segmentation"
    columns, allowed = (_SEGMENTATION, SEGMENTATION) if first else (_BIOMETRY, biometry_columns(scores.enough))
    told = {team: scores.told[board.task][entry.name] for team, entry in board.counting.items()}
    rows = []
    for row in (published_row(row, allowed, told) for row in board.leaderboard.rows):
        entry = board.counting[str(row["team"])]
        cells = (value_cell(key, row.get(key)) for key in columns)
        last = (_number(entry.number), _when(entry), text_cell(_marks(entry, entries, alike)))
        rows.append((value_cell("rank", row["rank"]), text_cell(entry.team), *cells, _range(row), *last))
    headings = ("Rank", "Team", *columns.values(), "95 % of ranks", "No.", "Handed in, UTC", "Marks")
    return ReportTable(board.task.capitalize(), headings, tuple(rows))


def _number(number: int) -> TableCell:
    return TableCell(str(number), str(number))


def _range(row: Row) -> TableCell:
    low, high = row.get("rank_low"), row.get("rank_high")
    return TableCell(NOT_TOLD, "") if low is None else TableCell(f"{low}" if low == high else f"{low}–{high}", str(low))


def _when(entry: Entry) -> TableCell:
    return TableCell(f"{moment(entry.received):%Y-%m-%d %H:%M}", str(entry.received))


def _marks(entry: Entry, entries: list[Entry], alike: Mapping[str, list[tuple[str, Entry]]]) -> str:
    marks = [f"run again of no. {entry.again_of}"] if entry.again_of is not None else []
    for word in ("image", "scores"):
        others = [f"{other.team}\u00a0{other.number}" for kind, other in alike.get(entry.name, ()) if kind == word]
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        marks += [f"same {word} as {', '.join(others[:_MOST_NAMED])}{more}"] if others else []
    return "; ".join(marks)


def _entry_table(
    entries: list[Entry], scores: PhaseScores | None, made: list[Board], alike: Mapping[str, list[tuple[str, Entry]]]
) -> ReportTable:
    """Everything that was ever taken, the newest first."""
    rows = []
    for place, entry in reversed(list(enumerate(entries, start=1))):
        means = mean_of(scores, entry)
        cells = (value_cell(key, means[key]) for key in _MEANS)
        last = (text_cell(_counts(entry, scores, made)), _when(entry), text_cell(_marks(entry, entries, alike)))
        rows.append((_number(place), text_cell(entry.team), _number(entry.number), *cells, *last))
    headings = ("#", "Team", "No.", *_MEANS.values(), "Counts", "Handed in, UTC", "Marks")
    return ReportTable("All submissions", headings, tuple(rows))


def _counts(entry: Entry, scores: PhaseScores | None, made: list[Board]) -> str:
    """Whether an entry counts, and where."""
    if scores is None or entry not in scores.entries:
        return "not scored yet"
    tasks = [board.task for board in made if board.counting[entry.team] == entry]
    if tasks:
        return "yes" if len(tasks) == len(made) else f"in {tasks[0]}"
    again = any((other.team, other.again_of) == (entry.team, entry.number) for other in scores.entries)
    return "no: run again" if again else "no"


def _appeal(entry: Entry, entries: list[Entry], scores: PhaseScores | None) -> dict[str, object]:
    before = next(other for other in entries if (other.team, other.number) == (entry.team, entry.again_of))
    old, new = mean_of(scores, before), mean_of(scores, entry)
    scored = scores.entries if scores else ()
    pairs = [
        (heading, _text(key, old[key], before in scored), _text(key, new[key], entry in scored))
        for key, heading in _MEANS.items()
    ]
    return {"entry": entry, "before": before, "when": said(entry.received), "pairs": pairs}


def _text(key: str, value: float | None, scored: bool) -> str:
    return value_cell(key, value).text if scored else "not scored"

"""Which submission of each team counts, and the boards that follow: computed anew from a phase's scores."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from evaluation.analysis.results_folder import MAX_BYTES, Scores, read_results
from evaluation.choices import RankingScheme
from evaluation.harness.roster import Counts
from evaluation.phases.history import Entry
from evaluation.ranking.groups import everyone
from evaluation.ranking.leaderboard import LeaderboardGroup, biometry_leaderboards, segmentation_leaderboards
from evaluation.ranking.schemes import SCHEMES, rank
from evaluation.release.enough import Enough
from evaluation.release.published import rounded
from evaluation.scoring.score_table import SEGMENTATION_METRICS, ScoreTable
from feta.errors import FetaError
from feta.files import read_text
from feta.labels import TISSUES
from feta.measurements import MEASUREMENTS

Task = Literal["segmentation", "biometry"]
TASKS: tuple[Task, ...] = ("segmentation", "biometry")


@dataclass(frozen=True)
class PhaseScores:
    """A phase's scores as ``feta-evaluate score`` wrote them, of its submissions alone.

    Attributes:
        entries: those that were scored; row t of the table is entry t's.
        fewest: cases that a published number may stand for.
    """

    entries: tuple[Entry, ...]
    table: ScoreTable
    scheme: RankingScheme
    seed: int
    fewest: int = 1

    @cached_property
    def enough(self) -> Enough:
        """Which numbers stand for enough cases."""
        return Enough(self.table, [everyone(self.table)], self.fewest)

    @cached_property
    def told(self) -> dict[Task, dict[str, bool]]:
        """Task → entry's name → whether its numbers may be published."""
        names = [entry.name for entry in self.entries]
        found = zip(TASKS, (self.enough.told, self.enough.lengths_told), strict=True)
        return {task: dict(zip(names, fine.tolist(), strict=True)) for task, fine in found}


@dataclass(frozen=True)
class Board:
    """One task's board: the leaderboard of the whole cohort, its teams under their own names."""

    task: Task
    leaderboard: LeaderboardGroup
    counting: Mapping[str, Entry]


def read_phase_scores(folder: Path, entries: Sequence[Entry], fewest: int = 1) -> PhaseScores | None:
    """The scores of a phase; None where nothing of it was scored.

    Args:
        folder: what ``feta-evaluate score`` wrote.
        entries: of the phase; other rows of the scores are left out.
        fewest: cases that a published number may stand for.

    Raises:
        FetaError: the folder holds something else.
    """
    path = folder / "results.json"
    if not path.exists():
        return None
    scores, facts = read_results(folder), json.loads(read_text(path, MAX_BYTES))
    if facts.get("scheme") not in SCHEMES or not isinstance(facts.get("seed"), int):
        raise FetaError(path, "names no scheme or seed", "score the submissions again")
    place = {team: t for t, team in enumerate(scores.teams)}
    scored = tuple(entry for entry in entries if entry.name in place)
    if not scored:
        return None
    table = selected(_table(scores), [place[entry.name] for entry in scored])
    return PhaseScores(scored, table, facts["scheme"], facts["seed"], fewest)


def selected(table: ScoreTable, rows: Sequence[int]) -> ScoreTable:
    """Some teams of a table, in this order."""
    at = np.array(rows, dtype=np.intp)
    names = ("values", "reasons", "lengths", "length_errors", "length_reasons")
    arrays = {name: getattr(table, name)[at] for name in names}
    return replace(table, teams=tuple(table.teams[t] for t in rows), **arrays)


def boards(scores: PhaseScores, counts: Counts) -> list[Board]:
    """The boards of a phase: a team is ranked by that one of its submissions that counts, and by no other."""
    found = []
    for task in TASKS:
        rows = _counting(scores, counts, task)
        table = selected(scores.table, rows)
        table = replace(table, teams=tuple(scores.entries[t].team for t in rows))
        made = (
            segmentation_leaderboards(table, scores.scheme, scores.seed)
            if task == "segmentation"
            else biometry_leaderboards(table, scores.scheme, scores.seed)
        )
        if made:
            found.append(Board(task, made[0], {scores.entries[t].team: scores.entries[t] for t in rows}))
    return found


def in_force(entries: Iterable[Entry]) -> list[Entry]:
    """The entries without those that were run again: what came of that is in their place."""
    listed = list(entries)
    replaced = {(entry.team, entry.again_of) for entry in listed if entry.again_of is not None}
    return [entry for entry in listed if (entry.team, entry.number) not in replaced]


def origin(entry: Entry, entries: Iterable[Entry]) -> int:
    """Number of the submission that an entry is, or that it is the repetition of."""
    own = {other.number: other for other in entries if other.team == entry.team}
    while entry.again_of is not None:
        entry = own[entry.again_of]
    return entry.number


def look_alikes(entries: Sequence[Entry], scores: PhaseScores | None) -> dict[str, list[tuple[str, Entry]]]:
    """Entry's name → others of the same image, or else of the same scores, with the word for it.

    What was run again is of one image with itself: that is not told.
    """
    groups: dict[tuple[str, Hashable], list[Entry]] = defaultdict(list)
    for entry in entries:
        groups["image", entry.image_id].append(entry)
    for t, entry in enumerate(scores.entries if scores else ()):
        if (key := _measured(scores, t)) is not None:
            groups["scores", key].append(entry)
    origins = {entry.name: (entry.team, origin(entry, entries)) for entry in entries}
    found: dict[str, list[tuple[str, Entry]]] = defaultdict(list)
    for (word, _), members in groups.items():
        for entry in members if len(members) > 1 else ():
            told = {other.name for _, other in found[entry.name]}
            found[entry.name] += [
                (word, other)
                for other in members
                if origins[other.name] != origins[entry.name] and other.name not in told
            ]
    return {name: others for name, others in found.items() if others}


def _measured(scores: PhaseScores | None, t: int) -> Hashable | None:
    """All measured values of an entry, to their last digit; None where nothing was measured."""
    assert scores is not None
    measured = scores.table.reasons[t] == ""
    if not measured.any():
        return None
    return np.where(measured, scores.table.values[t], -1.0).tobytes()


def _counting(scores: PhaseScores, counts: Counts, task: Task) -> list[int]:
    """The row of each team that counts, in the order in which teams came in."""
    place = {entry.name: t for t, entry in enumerate(scores.entries)}
    rows: dict[str, list[int]] = {}
    standing = sorted(in_force(scores.entries), key=lambda entry: (origin(entry, scores.entries), entry.number))
    for entry in standing:
        rows.setdefault(entry.team, []).append(place[entry.name])
    teams = dict.fromkeys(entry.team for entry in scores.entries)
    if counts is Counts.LAST:
        return [rows[team][-1] for team in teams]
    return [_best(scores, rows[team], task) for team in teams]


def _best(scores: PhaseScores, rows: list[int], task: Task) -> int:
    """By a ranking of the team's own submissions: no other team moves it. Of equal ones the first."""
    if len(rows) == 1:
        return rows[0]
    ranking = rank(selected(scores.table, rows), scores.scheme)[TASKS.index(task)]
    return rows[int(np.argmin(ranking.rank))] if ranking else rows[-1]


def _table(scores: Scores) -> ScoreTable:
    """What is needed of a score table to rank by it; lengths and floors themselves are not in the files."""
    teams, cases = scores.values.shape[:2]
    no_length = np.isnan(scores.length_errors)
    mapped = np.asarray(np.isfinite(scores.values).all(axis=(0, 2, 3)))
    return ScoreTable(
        teams=scores.teams, cases=scores.cases, values=scores.values, reasons=scores.reasons,
        ed_floor=np.where(mapped[:, None], 0.0, np.nan) * np.ones((cases, len(TISSUES))),
        true_lengths=np.where(no_length.all(axis=0), np.nan, 1.0),
        lengths=np.full((teams, cases, len(MEASUREMENTS)), np.nan),
        length_errors=scores.length_errors, length_reasons=scores.length_reasons,
    )  # fmt: skip


def mean_of(scores: PhaseScores | None, entry: Entry) -> dict[str, float | None]:
    """What an entry came to, over all cases: metric → mean, as it may be published.

    None where it was not scored, the truth has none, or the mean would be of too few cases.
    """
    row = next((t for t, other in enumerate(scores.entries) if other.name == entry.name), None) if scores else None
    means: dict[str, float | None] = dict.fromkeys((*SEGMENTATION_METRICS, "mape"))
    if scores is None or row is None:
        return means
    mapped, known = scores.table.mapped, np.isfinite(scores.table.true_lengths)
    if mapped.any() and scores.told["segmentation"][entry.name]:
        values = scores.table.counted[row, mapped].mean(axis=(0, 1))
        means |= {metric: rounded(values[k]) for k, metric in enumerate(SEGMENTATION_METRICS)}
    if known.any() and scores.told["biometry"][entry.name]:
        means["mape"] = rounded(scores.table.counted_errors[row][known].mean())
    return means

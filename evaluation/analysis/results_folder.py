"""Scores as ``feta-evaluate score`` left them in a folder, read back."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt

from evaluation.ranking.leaderboard import as_typed
from evaluation.ranking.results import FORMAT
from evaluation.report.write import LENGTH_COLUMNS, SCORE_COLUMNS
from evaluation.scoring.policy import limits_of
from evaluation.scoring.score_table import SEGMENTATION_METRICS, CaseInfo
from evaluation.submissions.reasons import NOT_A_FAULT, Reason
from feta.errors import FetaError
from feta.files import read_text
from feta.labels import TISSUES
from feta.measurements import MEASUREMENTS

K = TypeVar("K")
V = TypeVar("V")
Floats = npt.NDArray[np.float64]
#: Room for the longest reason code.
_REASON = f"<U{max(map(len, Reason))}"
#: 20 teams × 1000 cases make 120 MB of scores.csv.
MAX_BYTES = 1 << 29


@dataclass(frozen=True)
class Scores:
    """T teams, C cases, 7 labels, 7 metrics, 5 lengths, as they count on the leaderboards; penalties are in and marked.

    Attributes:
        values: (T, C, 7, 7) float64; NaN where the true map could not be read.
        reasons: (T, C, 7, 7) str; "" where measured, else a reason code.
        length_errors: (T, C, 5) float64 percent; NaN where the truth has no length.
        length_reasons: (T, C, 5) str.
        places: task → team → rank, as on the cohort's leaderboards.
        euler: what ED was measured against.
        policy: the penalties that were in force, as results.json has them.
        edition: the challenge's year; None where nobody said it.
        hd95: the tool that HD95 is of; None in results of before it was written down.
    """

    teams: tuple[str, ...]
    cases: tuple[CaseInfo, ...]
    values: Floats
    reasons: npt.NDArray[np.str_]
    length_errors: Floats
    length_reasons: npt.NDArray[np.str_]
    places: dict[str, dict[str, int]]
    euler: str
    policy: Mapping[str, Any] = field(default_factory=dict)
    edition: int | None = None
    hd95: str | None = None

    @cached_property
    def measured(self) -> npt.NDArray[np.bool_]:
        """(T, C, 7, 7), False where the value is a penalty or NaN."""
        return np.isin(self.reasons, sorted(NOT_A_FAULT)) & np.isfinite(self.values)

    @cached_property
    def lengths_measured(self) -> npt.NDArray[np.bool_]:
        """(T, C, 5), likewise."""
        return np.isin(self.length_reasons, sorted(NOT_A_FAULT)) & np.isfinite(self.length_errors)


def read_results(folder: Path) -> Scores:
    """Read results.json, scores.csv and biometry.csv.

    Raises:
        FetaError: a file is missing, or is not what ``feta-evaluate score`` writes.
    """
    path = folder / "results.json"
    try:
        results = json.loads(read_text(path, MAX_BYTES))
        if results["format"] != FORMAT:
            raise FetaError(path, f"has format {results['format']!r}, not {FORMAT!r}", "score the submissions again")
        known = {column.name for column in fields(CaseInfo)}
        cases = tuple(CaseInfo(**{k: v for k, v in case.items() if k in known}) for case in results["cases"])
        teams = tuple(str(team) for team in results["teams"])
        places = {task: _places(results[task]) for task in ("segmentation", "biometry")}
        euler, policy = str(results["euler"]), results["policy"]
        limits = limits_of(policy)
        edition, hd95 = results.get("edition"), results.get("hd95")
        if not isinstance(edition, int | None) or not isinstance(hd95, str | None):
            raise ValueError(f"edition {edition!r}, hd95 {hd95!r}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"is no results.json of feta-evaluate score ({error!r})"
        raise FetaError(path, problem, "give the folder that it wrote") from error
    arrays = _arrays(folder, teams, cases)
    arrays["values"] = limits.counted(arrays["values"])
    arrays["length_errors"] = limits.counted_errors(arrays["length_errors"])
    return Scores(teams, cases, **arrays, places=places, euler=euler, policy=policy, edition=edition, hd95=hd95)


class _Arrays(TypedDict):
    values: Floats
    reasons: npt.NDArray[np.str_]
    length_errors: Floats
    length_reasons: npt.NDArray[np.str_]


def _arrays(folder: Path, teams: tuple[str, ...], cases: tuple[CaseInfo, ...]) -> _Arrays:
    shape = (len(teams), len(cases), len(TISSUES), len(SEGMENTATION_METRICS))
    place = {(team, case.name): (t, c) for t, team in enumerate(teams) for c, case in enumerate(cases)}
    values, reasons, seen = np.full(shape, np.nan), np.full(shape, "", _REASON), np.zeros(shape, dtype=bool)
    label_at = {str(int(tissue)): i for i, tissue in enumerate(TISSUES)}
    metric_at = {metric: k for k, metric in enumerate(SEGMENTATION_METRICS)}
    path = folder / "scores.csv"
    for row in _rows(path, SCORE_COLUMNS):
        at = (*_at(place, row, path), _key(label_at, row["label"], path), _key(metric_at, row["metric"], path))
        seen[at], reasons[at] = True, row["reason"]
        values[at] = _number(row["value"], path) if row["value"] else np.nan
    if not seen.all():
        raise FetaError(path, "does not hold every score that results.json speaks of", "score the submissions again")
    errors = np.full((len(teams), len(cases), len(MEASUREMENTS)), np.nan)
    length_reasons = np.full(errors.shape, Reason.NO_TRUTH, _REASON)
    length_at = {str(measurement): k for k, measurement in enumerate(MEASUREMENTS)}
    path = folder / "biometry.csv"
    for row in _rows(path, LENGTH_COLUMNS):
        if row["error_percent"]:
            spot = (*_at(place, row, path), _key(length_at, row["measurement"], path))
            errors[spot], length_reasons[spot] = _number(row["error_percent"], path), row["reason"]
    return _Arrays(values=values, reasons=reasons, length_errors=errors, length_reasons=length_reasons)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(read_text(path, MAX_BYTES)))
    if tuple(reader.fieldnames or ()) != columns:
        raise FetaError(path, "has other columns than feta-evaluate score writes", "score the submissions again")
    yield from reader


def _at(place: dict[tuple[str, str], tuple[int, int]], row: dict[str, str], path: Path) -> tuple[int, int]:
    team, case = as_typed(row["team"]), as_typed(row["case"])
    return _key(place, (team, case), path)


def _key(places: Mapping[K, V], key: K, path: Path) -> V:
    try:
        return places[key]
    except KeyError as error:
        raise FetaError(path, f"speaks of {key!r}, results.json does not", "score the submissions again") from error


def _number(cell: str, path: Path) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FetaError(path, f"holds {cell[:40]!r} in place of a number", "score the submissions again")
    return number


def _places(leaderboards: list[dict[str, Any]]) -> dict[str, int]:
    """Team → rank on the cohort's leaderboard, the first; reference rows have none."""
    rows = leaderboards[0]["rows"] if leaderboards else []
    return {str(row["team"]): int(row["rank"]) for row in rows if row["rank"] is not None}

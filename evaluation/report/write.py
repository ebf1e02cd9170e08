"""The files that an evaluation leaves behind: tables, leaderboards, results.json and the report."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from evaluation.choices import Euler, RankingScheme
from evaluation.ranking.baselines import Reference
from evaluation.ranking.leaderboard import BIOMETRY_COLUMNS, SEGMENTATION_COLUMNS, Row, as_csv
from evaluation.ranking.results import Results, as_json, compute_results, unranked_results
from evaluation.report.page_content import render
from evaluation.report.worst_cases import PictureSource
from evaluation.scoring.messages import ScoringMessages
from evaluation.scoring.score_table import SEGMENTATION_METRICS, ScoreTable
from feta.files import write_together
from feta.labels import TISSUES
from feta.measurements import MEASUREMENTS

SCORE_COLUMNS = ("team", "site", "subject", "case", "label", "metric", "value", "reason")
LENGTH_COLUMNS = (
    "team", "site", "subject", "case", "measurement", "truth_mm", "prediction_mm", "error_percent", "reason",
)  # fmt: skip


def write_outputs(
    folder: Path,
    table: ScoreTable,
    messages: ScoringMessages,
    *,
    scheme: RankingScheme = "paper",
    seed: int = 0,
    references: Sequence[Reference] = (),
    euler: Euler = "table",
    pictures: PictureSource | None = None,
) -> Results:
    """Rank the teams and write every output file into ``folder`` (made if absent).

    Args:
        seed: of the bootstrap.
        references: unranked rows of the biometry leaderboard.
        euler: which reading of the true Euler characteristic the ED values used.
        pictures: draws a case of a team, for the worst cases in the report (they show test data).

    Raises:
        FetaError: the folder can't be written.
    """
    results = compute_results(table, messages, scheme=scheme, seed=seed, references=references, euler=euler)
    files = _score_files(folder, table)
    for name, columns, leaderboards in (
        ("leaderboard_segmentation.csv", SEGMENTATION_COLUMNS, results.segmentation),
        ("leaderboard_biometry.csv", BIOMETRY_COLUMNS, results.biometry),
    ):
        rows = (row for leaderboard in leaderboards for row in leaderboard.rows)
        files[folder / name] = as_csv(columns, rows)
    files[folder / "results.json"] = json.dumps(as_json(results), indent=1, allow_nan=False) + "\n"
    files[folder / "report.html"] = render(results, pictures=pictures)
    # All at once: a run that is killed while plots are drawn leaves no new tables beside an old report.
    write_together(files)
    return results


def write_tables(
    folder: Path, table: ScoreTable, messages: ScoringMessages, *, scheme: RankingScheme = "paper", seed: int = 0,
    euler: Euler = "table",
) -> None:  # fmt: skip
    """Write every score, and results.json without rankings: what grows with the square of the teams is left out.

    For all submissions of a phase, of which few count on its board.

    Raises:
        FetaError: the folder can't be written.
    """
    results = unranked_results(table, messages, scheme=scheme, seed=seed, euler=euler)
    files = _score_files(folder, table)
    files[folder / "results.json"] = json.dumps(as_json(results), indent=1, allow_nan=False) + "\n"
    write_together(files)


def _score_files(folder: Path, table: ScoreTable) -> dict[Path, bytes | str]:
    return {
        folder / "scores.csv": as_csv(SCORE_COLUMNS, _score_rows(table)),
        folder / "biometry.csv": as_csv(LENGTH_COLUMNS, _length_rows(table)),
    }


def _score_rows(table: ScoreTable) -> Iterator[Row]:
    for t, c, label, metric in np.ndindex(table.values.shape):
        case = table.cases[c]
        yield {
            "team": table.teams[t],
            "site": case.site,
            "subject": case.subject,
            "case": case.name,
            "label": int(TISSUES[label]),
            "metric": SEGMENTATION_METRICS[metric],
            "value": _known(float(table.values[t, c, label, metric])),
            "reason": str(table.reasons[t, c, label, metric]),
        }


def _length_rows(table: ScoreTable) -> Iterator[Row]:
    for t, c, k in np.ndindex(table.lengths.shape):
        case = table.cases[c]
        yield {
            "team": table.teams[t],
            "site": case.site,
            "subject": case.subject,
            "case": case.name,
            "measurement": str(MEASUREMENTS[k]),
            "truth_mm": _known(float(table.true_lengths[c, k])),
            "prediction_mm": _known(float(table.lengths[t, c, k])),
            "error_percent": _known(float(table.length_errors[t, c, k])),
            "reason": str(table.length_reasons[t, c, k]),
        }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None

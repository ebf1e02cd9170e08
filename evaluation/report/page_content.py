"""One self-contained page that shows a whole evaluation (how it is kept safe: ``render``)."""

from __future__ import annotations

import math
from typing import Any

from evaluation.choices import RankingScheme
from evaluation.harness.record import NOT_ENCRYPTED
from evaluation.ranking.results import Results
from evaluation.ranking.stability import BOOTSTRAPS, LEVEL, MOST_COMPARED
from evaluation.report import figures
from evaluation.report.confidence_table import confidence_table
from evaluation.report.render import render_page
from evaluation.report.run_table import run_table, run_words, wall_table
from evaluation.report.tables import (
    biometry_table,
    partitions,
    penalty_table,
    segmentation_table,
    significance_maps,
    tissue_tables,
)
from evaluation.report.worst_cases import PictureSource, worst_cases
from evaluation.scoring.score_table import SEGMENTATION_METRICS, ScoreTable

SEGMENTATION_WORDS: dict[RankingScheme, str] = {
    "paper": "Teams are ranked by each metric's mean over all labels and cases; the score is the mean of four ranks.",
    "per-case": "Teams are ranked within each case, label and metric; the score is the mean of these ranks.",
    "per-label": "Teams are ranked by each metric's mean within each label; the score is the mean of these ranks.",
}
BIOMETRY_WORDS: dict[RankingScheme, str] = {
    "paper": "Teams are ranked by the mean error over all lengths of all cases (MAPE).",
    "per-case": "Teams are ranked within each case and length; the final rank is that of the mean of these ranks.",
    "per-label": "Teams are ranked by the mean error of each length; the final rank is that of these ranks' mean.",
}
EULER_WORDS = {
    "table": "against the table of expected Betti numbers (χ = 1, grey matter 2)",
    "reference": "against the χ of the true label map",
}
FLOOR_WORDS = {
    "table": "ED floor: the ED of a perfect prediction, since true label maps are not topologically clean.",
    "reference": "ED floor: the ED of a perfect prediction, which is 0 here.",
}


def render(results: Results, *, pictures: PictureSource | None = None) -> str:
    """report.html as text.

    Args:
        pictures: draws a case of a team; the ten worst of each team are shown. Only where the
            organizer asks for it, since pictures show test data.
    """
    return render_page(
        "report.html",
        **_tables(results),
        **_plots(results),
        **_words(results),
        **_limits(results.table),
        results=results,
        pictures=worst_cases(results, pictures) if pictures else [],
    )


def _tables(results: Results) -> dict[str, Any]:
    return {
        "segmentation": segmentation_table(results.segmentation[0]),
        "biometry": biometry_table(results.biometry[0]) if results.biometry else None,
        "significance": significance_maps(results),
        "partitions": [
            (part, figures.groups(results, part.title, part.groups) if _drawn(results) else None)
            for part in partitions(results)
        ],
        "tissues": tissue_tables(results),
        "penalties": penalty_table(results),
        "confidence": confidence_table(results),
        "runs": run_table(results.messages.runs),
        "walls": wall_table(results.messages.places),
        "lacking": any(place.lacks for place in results.messages.places),
        "insecure": any(place.way == NOT_ENCRYPTED for place in results.messages.places),
    }


def _drawn(results: Results) -> bool:
    """Whether there are few enough teams for plots in which each has its place."""
    return len(results.table.teams) <= MOST_COMPARED


def _plots(results: Results) -> dict[str, Any]:
    if not _drawn(results):
        return {"blobs": [], "podiums": [], "tissue_plots": [], "lengths": []}
    return {
        "blobs": figures.blobs(results),
        "podiums": figures.podiums(results),
        "tissue_plots": figures.tissues(results),
        "lengths": figures.lengths(results),
    }


def _limits(table: ScoreTable) -> dict[str, Any]:
    """The most that values count, and how many measured ones went beyond; None where nothing is limited."""
    ed = SEGMENTATION_METRICS.index("ed")
    measured = table.reasons[..., ed] == "", table.length_reasons == ""
    beyond = {
        "labels": int((measured[0] & (table.values > table.counted)[..., ed]).sum()),
        "lengths": int((measured[1] & (table.length_errors > table.counted_errors)).sum()),
    }
    return {"counted": table.limits if math.isfinite(table.limits.ed) else None, "beyond": beyond}


def _stability_words(results: Results) -> list[str]:
    """What the samples can't tell, of each task."""
    said = []
    for task, leaderboards in (("Segmentation", results.segmentation), ("Biometry", results.biometry)):
        if not leaderboards:
            continue
        stability = leaderboards[0].stability
        if not stability.told:
            said.append(f"{task}: no site has two cases, so that every sample is the same, and no range can be told.")
        elif stability.fixed:
            fixed = ", ".join(stability.fixed)
            said.append(f"{task}: ranges leave out how sites with a single case might vary: {fixed}.")
    return said


def _words(results: Results) -> dict[str, Any]:
    return {
        "scheme_words": SEGMENTATION_WORDS[results.scheme],
        "biometry_words": BIOMETRY_WORDS[results.scheme],
        "euler_words": EULER_WORDS[results.euler],
        "floor_words": FLOOR_WORDS[results.euler],
        "sites": sorted({case.site for case in results.table.cases}),
        "bootstraps": BOOTSTRAPS,
        "level": LEVEL,
        "most_compared": MOST_COMPARED,
        "run_words": run_words(results.messages.runs),
        "stability_words": _stability_words(results),
    }

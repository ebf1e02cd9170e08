"""The published curves by which lengths are judged, against the percentiles of another cohort."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from feta.age_model import published_model
from training.data.expert_points import read_percentiles

#: Standard deviations from the 5th to the 95th percentile of a normal distribution.
_BETWEEN_PERCENTILES = 3.2897
#: Weeks whose means are told together.
_STRETCH_WEEKS = 6.0


def curves_against_percentiles(path: Path) -> Iterator[str]:
    """How far the published curves, by which ages are judged, lie from another cohort's percentiles, as Markdown.

    Of each stretch of weeks: by how many percent the curve's mean lies above the median, and the curve's standard
    deviation as a multiple of the cohort's (its 5th to 95th percentile, were it normal).

    Args:
        path: the table of percentiles.

    Raises:
        FetaError: it can't be used.
    """
    percentiles, model = read_percentiles(path), published_model()
    first = min(rows[:, 0].min() for rows in percentiles.values())
    last = max(rows[:, 0].max() for rows in percentiles.values())
    starts = np.arange(first, last + 1e-6, _STRETCH_WEEKS)
    heads = (f"{start:g}–{min(start + _STRETCH_WEEKS - 1, last):g} weeks" for start in starts)
    yield "| | " + " | ".join(heads) + " |\n|---" + "|---" * len(starts) + "|"
    for measurement, rows in percentiles.items():
        weeks, low, median, high = rows.T
        mean = np.array([model.curves[measurement].mean(week) for week in weeks])
        sd = np.array([model.sd(measurement, week) for week in weeks])
        above, spread = 100 * (mean / median - 1), sd * _BETWEEN_PERCENTILES / (high - low)
        here = [(weeks >= start) & (weeks < start + _STRETCH_WEEKS) for start in starts]
        cells = (f"{above[h].mean():+.1f} %, × {spread[h].mean():.2f}" if h.any() else "–" for h in here)
        yield f"| {measurement} | " + " | ".join(cells) + " |"

"""The files of a comparison of two editions: a page with a table and plots, and a CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from evaluation.analysis.editions import Comparison, Editions
from evaluation.ranking.leaderboard import Row, as_csv
from evaluation.ranking.stability import BOOTSTRAPS, LEVEL
from evaluation.report.cells import DIGITS, ReportTable, TableCell
from evaluation.report.figures import Plot
from evaluation.report.render import render_page
from evaluation.report.style import COLOURS, INK, METRIC_TITLES, QUIET, STYLE, data_uri, new_figure, short
from feta.files import write_together

COLUMNS = (
    "selection", "metric", "cases", "first", "second", "gain", "low", "high", "cases_better", "rank_biserial", "p",
    "verdict",
)  # fmt: skip


def write_editions(folder: Path, editions: Editions, *, command: str = "") -> None:
    """Write editions.html and editions.csv into ``folder`` (made if absent).

    Raises:
        FetaError: the folder can't be written.
    """
    table = as_csv(COLUMNS, map(_row, editions.comparisons))
    page = render_editions(editions, command=command)
    write_together({folder / "editions.csv": table, folder / "editions.html": page})


def render_editions(editions: Editions, *, command: str = "") -> str:
    """The page as text."""
    metrics = list(dict.fromkeys(c.metric for c in editions.comparisons))
    return render_page(
        "editions.html",
        editions=editions,
        sites=sorted({case.site for case in editions.cases}),
        tables=[_table(editions, metric) for metric in metrics],
        plots=[_plot(editions, metric) for metric in metrics],
        better=_selections(editions, "better"),
        worse=_selections(editions, "worse"),
        titles=METRIC_TITLES,
        bootstraps=BOOTSTRAPS,
        level=LEVEL,
        command=command,
    )


def edition_lines(editions: Editions) -> list[str]:
    """What a terminal shows: the columns' names, a line a comparison, separated by tabs."""
    lines = [
        f"# {len(editions.cases)} shared cases; teams on both: {', '.join(editions.teams) or 'none'}",
        "\t".join(["Metric", "Teams", *_headings(editions)]),
    ]
    lines += [
        "\t".join([METRIC_TITLES[c.metric], c.selection, *_texts(c)]) for c in editions.comparisons
    ]  # fmt: skip
    return lines


def gain_plot(comparisons: Sequence[Comparison], metric: str) -> Figure:
    """A row a selection of teams: mean improvement with its 95 % interval, and every case's as a dot."""
    with mpl.rc_context(STYLE):
        figure = new_figure(1.1 + 0.42 * len(comparisons))
        axes = figure.subplots()
        for row, c in enumerate(reversed(comparisons)):
            axes.plot(c.gain, [row - 0.25] * len(c.gain), "|", color=QUIET, markersize=6, alpha=0.5)
            tint = INK if c.verdict == "no difference shown" else COLOURS[0 if c.verdict == "better" else 1]
            axes.plot([c.low, c.high], [row, row], color=tint, linewidth=2.4, solid_capstyle="butt")
            axes.plot(c.mean_gain, row, "o", color=tint, markersize=6)
        axes.axvline(0, color=INK, linewidth=0.9)
        axes.set_yticks(range(len(comparisons)), [short(c.selection) for c in reversed(comparisons)])
        axes.set_ylim(-0.6, len(comparisons) - 0.4)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(f"gain in {METRIC_TITLES[metric]} (right is better)")
    return figure


def _selections(editions: Editions, verdict: str) -> dict[str, list[str]]:
    """Metric → the selections of teams of which the verdict is true."""
    found: dict[str, list[str]] = {}
    for c in editions.comparisons:
        if c.verdict == verdict:
            found.setdefault(c.metric, []).append(c.selection)
    return found


def _plot(editions: Editions, metric: str) -> Plot:
    own = [c for c in editions.comparisons if c.metric == metric]
    title = METRIC_TITLES[metric]
    return Plot(
        title,
        data_uri(gain_plot(own, metric)),
        f"Mean gain in {title} of each selection of teams with its interval; the numbers stand in the table.",
        "Dot and bar: mean gain and its 95 % interval; ticks below: single cases. "
        "Blue is better, orange worse, black not told apart.",
    )


def _headings(editions: Editions) -> tuple[str, ...]:
    """Of the columns that ``_texts`` gives."""
    named = (short(name, 16) for name in editions.names)
    return (*named, "Improvement", "95 %", "Cases better", "Effect r", "p", "Verdict")


def _table(editions: Editions, metric: str) -> ReportTable:
    rows = [
        tuple(TableCell(text, text) for text in (c.selection, *_texts(c)))
        for c in editions.comparisons
        if c.metric == metric
    ]
    return ReportTable(METRIC_TITLES[metric], _headings(editions), tuple(rows))


def _texts(c: Comparison) -> tuple[str, ...]:
    digits = DIGITS.get(c.metric, 2)
    return (
        f"{c.first:.{digits}f}",
        f"{c.second:.{digits}f}",
        f"{c.mean_gain:+.{digits}f}",
        f"{c.low:+.{digits}f} to {c.high:+.{digits}f}",
        f"{int((c.gain > 0).sum())} of {len(c.gain)}",
        f"{c.rank_biserial:+.2f}",
        f"{c.p:.2g}",
        c.verdict,
    )


def _row(c: Comparison) -> Row:
    return {
        "selection": c.selection,
        "metric": c.metric,
        "cases": len(c.gain),
        "first": c.first,
        "second": c.second,
        "gain": c.mean_gain,
        "low": c.low,
        "high": c.high,
        "cases_better": int((c.gain > 0).sum()),
        "rank_biserial": c.rank_biserial,
        "p": c.p,
        "verdict": c.verdict,
    }

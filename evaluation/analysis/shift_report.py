"""The files of an analysis: a page, and tables of every number on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from evaluation.analysis.domain_shift import Analysis, Shift
from evaluation.analysis.effects import LEVEL, POWER, Effect
from evaluation.analysis.shift_plots import beeswarm, dependence, quality_plot
from evaluation.ranking.leaderboard import Row, as_csv
from evaluation.report.cells import DIGITS, ReportTable, TableCell
from evaluation.report.figures import Plot
from evaluation.report.render import render_page
from evaluation.report.style import METRIC_TITLES, data_uri
from feta.files import write_together

EFFECT_COLUMNS = (
    "metric", "cases", "r2", "factor", "size", "lowest_level", "highest_level", "null_median", "threshold", "p",
    "seen", "visible",
)  # fmt: skip
SHAP_COLUMNS = ("metric", "case", "factor", "value", "shap")
CORRELATION_COLUMNS = ("site", "cases", "r", "low", "high", "p")
HEADINGS = ("Range", "By chance", "Seen", "Visible from", "Lowest → highest", "p")


@dataclass(frozen=True)
class Section:
    """One metric on the page."""

    id: str
    title: str
    shift: Shift
    table: ReportTable
    plots: tuple[Plot, ...]


def write_analysis(folder: Path, analysis: Analysis, *, command: str = "") -> None:
    """Write analysis.html, effects.csv, shap.csv and quality_by_site.csv into ``folder`` (made if absent).

    Raises:
        FetaError: the folder can't be written.
    """
    effects = [_effect_row(shift, effect) for shift in analysis.shifts for effect in shift.effects]
    rows: list[Row] = [
        {"site": c.site, "cases": c.cases, "r": c.r, "low": c.low, "high": c.high, "p": c.p}
        for c in analysis.correlations
    ]
    files = {
        "effects.csv": as_csv(EFFECT_COLUMNS, effects),
        "shap.csv": as_csv(SHAP_COLUMNS, _shap_rows(analysis)),
        "quality_by_site.csv": as_csv(CORRELATION_COLUMNS, rows),
        "analysis.html": render_analysis(analysis, command=command),
    }
    write_together({folder / name: text for name, text in files.items()})


def render_analysis(analysis: Analysis, *, command: str = "") -> str:
    """The page as text."""
    return render_page(
        "analysis.html",
        analysis=analysis,
        sections=[_section(shift) for shift in analysis.shifts],
        sites=sorted({case.site for case in analysis.study.cases}),
        correlations=_correlation_table(analysis) if analysis.correlations else None,
        quality=_plot(
            quality_plot(analysis),
            "Image quality and Dice",
            "Mean Dice of each case against its image quality, by site; the correlations stand in the table.",
            "A dot is a case. Lines are fitted by least squares.",
        )
        if analysis.correlations
        else None,
        level=LEVEL,
        power=POWER,
        command=command,
    )


def effect_lines(analysis: Analysis) -> list[str]:
    """What a terminal shows: the columns' names, a line a metric, a line a factor, separated by tabs."""
    lines = ["\t".join(["Factor", *HEADINGS])]
    for shift in analysis.shifts:
        nothing = "; explains nothing" if shift.explains_nothing else ""
        lines.append(
            f"# {METRIC_TITLES[shift.metric]}, {shift.cases} cases, R² of unseen cases {shift.r2:.2f}{nothing}"
        )
        lines += ["\t".join([cell.text for cell in row]) for row in _table(shift).rows]
    return lines


def _section(shift: Shift) -> Section:
    title = METRIC_TITLES[shift.metric]
    plots = (
        _plot(
            beeswarm(shift),
            "All factors",
            f"Beeswarm plot of the SHAP values of {title}; the ranges stand in the table.",
            "A dot is a case; its place says by how much the factor moved its score from the mean. Numbers: light is "
            "low, dark is high; categories: colours as beside. The bar below a row is what chance alone can spread.",
        ),
        _plot(
            dependence(shift),
            "Each factor",
            f"SHAP values of {title} against each factor's values.",
            "Dots are cases, the line or dashes are the means of the levels between which the range is taken.",
        ),
    )
    return Section(shift.metric, title, shift, _table(shift), plots)


def _table(shift: Shift) -> ReportTable:
    effects = sorted(shift.effects, key=lambda effect: -effect.size)
    rows = tuple(_cells(shift.metric, effect) for effect in effects)
    return ReportTable(METRIC_TITLES[shift.metric], HEADINGS, rows)


def _cells(metric: str, effect: Effect) -> tuple[TableCell, ...]:
    low, high = effect.extremes()
    visible = _number(metric, effect.visible) if effect.visible is not None else "–"
    texts = (
        effect.factor.name,
        _number(metric, effect.size),
        f"≤ {_number(metric, effect.threshold)}" if math.isfinite(effect.threshold) else "–",
        "yes" if effect.seen else "no",
        visible,
        f"{low} → {high}",
        f"{effect.p:.2f}",
    )
    return tuple(TableCell(text, text) for text in texts)


def _correlation_table(analysis: Analysis) -> ReportTable:
    rows = []
    for c in analysis.correlations:
        texts = (c.site, str(c.cases), f"{c.r:.2f}", f"{c.low:.2f} to {c.high:.2f}", f"{c.p:.2g}")
        rows.append(tuple(TableCell(text, text) for text in texts))
    return ReportTable("Image quality and Dice", ("Cases", "Pearson’s r", "95 %", "p"), tuple(rows))


def _effect_row(shift: Shift, effect: Effect) -> Row:
    low, high = effect.extremes()
    return {
        "metric": shift.metric,
        "cases": shift.cases,
        "r2": shift.r2,
        "factor": effect.factor.name,
        "size": effect.size,
        "lowest_level": low,
        "highest_level": high,
        "null_median": float(effect.null[len(effect.null) // 2]),
        "threshold": effect.threshold if math.isfinite(effect.threshold) else None,
        "p": effect.p,
        "seen": "yes" if effect.seen else "no",
        "visible": effect.visible,
    }


def _shap_rows(analysis: Analysis) -> list[Row]:
    rows: list[Row] = []
    for shift in analysis.shifts:
        known = [case for case, value in zip(analysis.study.cases, analysis.study.targets[shift.metric], strict=True)
                 if value == value]  # fmt: skip
        for r, at in enumerate(shift.estimator.rows):
            for k, factor in enumerate(shift.estimator.factors):
                value = float(factor.values[at])
                shown = factor.names[int(value)] if factor.names else value
                rows.append({"metric": shift.metric, "case": known[at].name, "factor": factor.name, "value": shown,
                             "shap": float(shift.shap[r, k])})  # fmt: skip
    return rows


def _number(metric: str, value: float) -> str:
    return f"{value:.{DIGITS.get(metric, 2)}f}"


def _plot(figure: Figure, title: str, alt: str, caption: str) -> Plot:
    return Plot(title, data_uri(figure), alt, caption)

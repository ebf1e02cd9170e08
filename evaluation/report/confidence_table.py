"""What teams' expectations of their own results are worth, as a table of the report."""

from __future__ import annotations

from evaluation.ranking.results import Results
from evaluation.report.cells import ReportTable, TableCell, text_cell
from evaluation.scoring.confidence import SCORED, ConfidenceScore

#: Unit of the width of each measure's intervals.
UNITS = {"dice": "", "hd95": " mm", "length": " %"}
_NOTHING = TableCell("–", "")


def confidence_table(results: Results) -> ReportTable | None:
    """A row a team that handed in what it expects; None where none did."""
    scores = results.messages.confidence
    if not scores:
        return None
    headings: list[str] = []
    for name in SCORED:
        headings += [f"{name}: held %", "half width", "off by"]
    headings += ["cases", "risk–coverage area", "best order", "any order"]
    known = int(results.table.mapped.sum())
    rows = tuple((text_cell(team), *_cells(scores[team], known)) for team in results.table.teams if team in scores)
    return ReportTable("Expectations", tuple(headings), rows)


def _cells(score: ConfidenceScore, known: int) -> tuple[TableCell, ...]:
    cells: list[TableCell] = []
    for name in SCORED:
        found = score.measures.get(name)
        if found is None:
            cells += [_NOTHING] * 3
            continue
        digits = 3 if name == "dice" else 2
        cells.append(TableCell(f"{100 * found.held:.1f} (of {found.pairs})", repr(found.held)))
        cells += [
            TableCell(f"{value:.{digits}f}{UNITS[name]}", repr(value)) for value in (found.half_width, found.error)
        ]
    cells.append(TableCell(f"{score.cases} of {known}", str(score.cases)))
    for area in (score.area, score.best, score.chance):
        cells.append(_NOTHING if area is None else TableCell(f"{area:.4f}", repr(area)))
    return tuple(cells)

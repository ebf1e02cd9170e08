"""Whether HD95 of two editions may be compared: before 2022 the challenge's came from another tool.

One of the organizers reported in April 2022 that its percentiles are far too large: 12.85 voxels where the library
surface-distance gives 2.23, while the largest distances agree (EvaluateSegmentation, issue 18). FeTA's HD95 is
surface-distance's since 2022, and so is ours. See docs/explanation/editions.md.
"""

from __future__ import annotations

import re

from evaluation.analysis.results_folder import Scores
from evaluation.ranking.results import HD95_TOOL

#: The first edition whose published HD95 is surface-distance's.
FIRST_YEAR = 2022
OLDER_TOOL = "EvaluateSegmentation"
_YEAR = re.compile(r"(?<!\d)(20\d\d)(?!\d)")
_SIZE = "whose values can be several times as large on the same label maps"
_PAGE = "docs/explanation/editions.md"


def year_in(name: str) -> int | None:
    """The year that a folder's name tells, ``SCORES_2024``; None where it tells none, or two."""
    found = {int(year) for year in _YEAR.findall(name)}
    return found.pop() if len(found) == 1 else None


def comparable(first: Scores, second: Scores) -> bool:
    """Whether both HD95 are of one tool, as far as it is known: a folder that names none is ours."""
    return (first.hd95 or HD95_TOOL) == (second.hd95 or HD95_TOOL)


def hd95_warnings(first: Scores, second: Scores, names: tuple[str, str]) -> list[str]:
    """What must be said of HD95 where editions on both sides of FIRST_YEAR are compared, or values of two tools."""
    if not comparable(first, second):
        tools = " and ".join(
            f"{name}'s is of {s.hd95 or HD95_TOOL}" for name, s in zip(names, (first, second), strict=True)
        )
        return [f"HD95: {tools}, which differ several-fold: left out; score both by this evaluator ({_PAGE})"]
    pairs = [(s.edition, name, s) for name, s in zip(names, (first, second), strict=True) if s.edition is not None]
    older = [(year, name, s) for year, name, s in pairs if year < FIRST_YEAR]
    if len(pairs) < 2 or len(older) != 1:
        return []
    year, name, scores = older[0]
    said = f"HD95: what was published for {year} came from {OLDER_TOOL}, {_SIZE}; "
    if scores.hd95 == HD95_TOOL:
        said += (
            f"{name} was measured anew by {HD95_TOOL}: compare these values with each other, not with published ones"
        )
    else:
        said += f"if values of {name} were taken over from there, no gain in HD95 is one: score its label maps again"
    return [f"{said} ({_PAGE})"]

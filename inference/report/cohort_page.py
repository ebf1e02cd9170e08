"""The page of a cohort: every case a row and a thumbnail, outliers first, and growth curves with all of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import feta
from feta.files import write_atomically
from inference.morphometry.growth_curve import TRANSCRIBED, GrowthCurve
from inference.morphometry.measured import Kind
from inference.report.advice import short_title, signed
from inference.report.cohort_table import Cohort, CohortCase, Size, SizeName, read_cohort
from inference.report.growth_chart import Chart, Dot, growth_chart
from inference.report.render import data_block, own_file, render_page
from inference.report.thumbnail import thumbnail_of

PAGE = "cohort.html"
#: Ending of a case's files beside its label map.
REPORT, PICTURE = "_report.html", "_qc.png"
#: What a row names of what lies outside of the norms.
_MOST_OUTLIERS = 3
#: A size's name that is longer than this is named by its key.
_LONGEST_TITLE = 24
#: Cases that failed, and those without a place on any curve, sort before the farthest of others.
_LAST_RESORT = 1000.0
#: Shown beside the outliers when the page opens, the first of these that there is.
_FIRST = ("total_brain", "TCD")
CurvesOf = Callable[[str], tuple[GrowthCurve, ...]]


@dataclass(frozen=True)
class Naming:
    """How a page calls its cases.

    Attributes:
        title: over the page.
        names: of each case, in the cohort's order.
        links: address of each case's page; None where it has none.
        private: whether names and warnings may be shown.
    """

    title: str
    names: tuple[str, ...]
    links: tuple[str | None, ...]
    private: bool


def write_cohort_page(root: Path, curves_of: CurvesOf, *, path: Path | None = None) -> Path:
    """Write the page of an output folder, with the names of its cases and links to their pages. Atomic.

    Args:
        root: an output folder with ``cohort.tsv``.
        curves_of: published curves of a size, by its key.
        path: by default ``cohort.html`` in that folder.

    Returns:
        the page.

    Raises:
        FetaError: there is no such table, it can't be used, or the page can't be written.
    """
    cohort = read_cohort(root)
    links = tuple(_link(root, case) for case in cohort.cases)
    naming = Naming("Cohort", case_names(cohort), links, private=True)
    path = path or root / PAGE
    text = render_cohort(cohort, thumbnails(root, cohort), curves_of, naming)
    if not (path.is_file() and path.read_bytes() == text.encode()):
        write_atomically(path, text)
    return path


def case_names(cohort: Cohort) -> tuple[str, ...]:
    """Each volume's own name, with its folder where two have the same."""
    short = [case.case.rpartition("/")[2] or case.subject for case in cohort.cases]
    count = Counter(short)
    return tuple(s if count[s] == 1 else c.case or s for s, c in zip(short, cohort.cases, strict=True))


def thumbnails(root: Path, cohort: Cohort) -> list[str | None]:
    """JPEG in base64 of each case; None where it has no picture."""
    pictures = [case.beside(root, PICTURE) for case in cohort.cases]
    return [None if picture is None else thumbnail_of(picture) for picture in pictures]


def render_cohort(cohort: Cohort, small: list[str | None], curves_of: CurvesOf, naming: Naming) -> str:
    """The text of a cohort's page.

    Args:
        cohort: its cases.
        small: their thumbnails.
        curves_of: published curves of a size.
        naming: how cases are called.
    """
    chosen = next((s for key in _FIRST for s in cohort.sizes if s.key == key), next(iter(cohort.sizes), None))
    charts = [(name, chart) for name in cohort.sizes if (chart := _chart(name, cohort, curves_of))]
    titles = {name.key: _short(name) for name in cohort.sizes}
    rows = [
        _row(number, case, picture, naming, chosen, titles)
        for number, (case, picture) in enumerate(zip(cohort.cases, small, strict=True))
    ]
    return render_page(
        "cohort.html",
        [own_file("cohort.js")],
        naming=naming,
        rows=rows,
        failed=sum(case.failed for case in cohort.cases),
        options=[(name.key, short_title(name.title), name.unit) for name in cohort.sizes],
        chosen=chosen,
        charts=[(name, chart.svg, [c.source for c in curves_of(name.key)]) for name, chart in charts],
        data=data_block(_for_script(cohort, {n.key: c for n, c in charts}, naming)),
        transcribed=TRANSCRIBED,
        version=feta.__version__,
    )


def _link(root: Path, case: CohortCase) -> str | None:
    page = case.beside(root, REPORT)
    return None if page is None else quote(page.relative_to(root).as_posix())


def _row(
    number: int,
    case: CohortCase,
    picture: str | None,
    naming: Naming,
    chosen: SizeName | None,
    titles: Mapping[str, str],
) -> dict[str, Any]:
    size = case.sizes.get(chosen.key) if chosen else None
    outliers = case.outliers()
    return {
        "number": number,
        "name": naming.names[number],
        "link": naming.links[number],
        "case": case,
        "thumbnail": picture,
        "far": _LAST_RESORT * (10 * case.failed + 3 * case.gravity + (not case.placed)) + case.far,
        "outliers": [(titles.get(key, key), _outlier_words(size)) for key, size in outliers[:_MOST_OUTLIERS]],
        "more": max(0, len(outliers) - _MOST_OUTLIERS),
        "value": "" if size is None or size.value is None or chosen is None else _value(size.value, chosen.unit),
        "z": "" if size is None or size.z is None else signed(size.z),
    }


def _value(value: float, unit: str) -> str:
    return f"{value:.{Kind.of_unit(unit).digits}f}"


def _short(name: SizeName) -> str:
    title = short_title(name.title)
    return title if len(title) <= _LONGEST_TITLE else name.key.replace("_", " ")


def _outlier_words(size: Size) -> str:
    return f"z {signed(size.z)}" if size.z is not None else "low" if "below" in size.flag else "high"


def _chart(name: SizeName, cohort: Cohort, curves_of: CurvesOf) -> Chart | None:
    found = [(case.age, case.sizes[name.key].value) for case in cohort.cases if name.key in case.sizes]
    dots = [Dot(age, value) for age, value in found if age is not None and value is not None]
    return growth_chart(curves_of(name.key), dots, f"{name.title} against gestational age, all cases") if dots else None


def _for_script(cohort: Cohort, charts: dict[str, Chart], naming: Naming) -> dict[str, Any]:
    """What the page's script needs: numbers of all cases, and what the table of ratings says of each."""
    sizes = {
        name.key: {
            "unit": name.unit,
            "values": [case.sizes[name.key].value for case in cohort.cases],
            "z": [case.sizes[name.key].z for case in cohort.cases],
            "scale": [round(v, 4) for v in charts[name.key].scale] if name.key in charts else None,
        }
        for name in cohort.sizes
    }
    who = [[c.subject, c.session, c.case] if naming.private else [name] for c, name in
           zip(cohort.cases, naming.names, strict=True)]  # fmt: skip
    # Ratings of another cohort, or of this one after its cases have changed, are not taken for these.
    told = hashlib.sha256(repr((who, [c.age for c in cohort.cases], naming.private)).encode()).hexdigest()[:16]
    return {"page": told, "ages": [c.age for c in cohort.cases], "sizes": sizes, "who": who,
            "columns": ["participant_id", "session_id", "case"] if naming.private else ["case"]}  # fmt: skip

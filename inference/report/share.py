"""Pages of a run to be given away: cases are numbered, and nothing says who they are."""

from __future__ import annotations

import re
from pathlib import Path

from feta.errors import FetaError
from feta.files import read_text, write_atomically
from inference.report.cohort_page import PAGE, REPORT, CurvesOf, Naming, case_names, render_cohort, thumbnails
from inference.report.cohort_table import CohortCase, read_cohort
from inference.report.private import telling_parts, without_private

#: How a case's page is called that has no name left.
_NAMELESS = "Fetal brain</span>"
#: Pages of cases have at most 8 MB.
_MOST_BYTES = 9 << 20
#: Long runs of base64 hold voxels and may hold any short name by chance.
_VOXELS = re.compile(r"[A-Za-z0-9+/=]{200,}")


def write_shared(root: Path, folder: Path, curves_of: CurvesOf, *, keep_ids: bool = False) -> list[str]:
    """Write the page of a cohort and those of its cases into a folder of their own.

    Names of cases, participants and sessions, paths, and warnings that hold one of them are left out; ages stay. Beside
    the folder, not in it, a table tells which number is which case.

    Args:
        root: an output folder with ``cohort.tsv``.
        folder: new or empty.
        curves_of: published curves of a size, by its key.
        keep_ids: keep all of it.

    Returns:
        warnings, one line each: pages that could not be freed of names are left out.

    Raises:
        FetaError: there is no such table, the folder holds something, or can't be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FetaError(folder, "is not empty", "name a new folder for the pages to share")
    cohort = read_cohort(root)
    names = case_names(cohort) if keep_ids else tuple(f"case {n}" for n in range(1, len(cohort.cases) + 1))
    links: list[str | None] = []
    warnings = []
    for number, case in enumerate(cohort.cases, start=1):
        source = case.beside(root, REPORT)
        if source is None:
            links.append(None)
            continue
        page = read_text(source, limit=_MOST_BYTES)
        page = (
            page if keep_ids else without_private(page).replace(_NAMELESS, f"{names[number - 1].capitalize()}</span>")
        )
        if not keep_ids and names_left(page, case):
            warnings.append(f"{case.case}: its page names the case in an unexpected place, and was left out")
            links.append(None)
            continue
        links.append(f"case-{number:04d}.html")
        write_atomically(folder / f"case-{number:04d}.html", page)
    naming = Naming("Cohort", names, tuple(links), private=keep_ids)
    write_atomically(folder / PAGE, render_cohort(cohort, thumbnails(root, cohort), curves_of, naming))
    if not keep_ids:
        lines = ["case\tparticipant_id\tsession_id\tvolume"]
        for name, case in zip(names, cohort.cases, strict=True):
            lines.append("\t".join([name, case.subject, case.session or "n/a", case.case]))
        write_atomically(key_of(folder), "\n".join(lines) + "\n")
    return warnings


def key_of(folder: Path) -> Path:
    """The table that tells whose pages are in a shared folder: beside it, so that it is not given away with it."""
    absolute = folder.absolute()
    return absolute.with_name(f"{absolute.name}_key.tsv")


def names_left(page: str, case: CohortCase) -> bool:
    """Whether a page still holds a name of its case, outside of voxels, styles and scripts that run."""
    text = _VOXELS.sub("", re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)).lower()
    names = (case.subject, case.session, case.case.rpartition("/")[2])
    return any(re.search(rf"(?<!\w){re.escape(part)}(?!\w)", text) for n in names for part in telling_parts(n))

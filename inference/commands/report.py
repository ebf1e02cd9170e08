"""``feta-infer report``: the page of all cases of a folder anew, and pages to give away."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from feta.errors import FetaError
from inference.morphometry.norms import curves_of


def report(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder of results of feta-infer.")],
    share: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Pages to give away, in a new folder: cases are numbered.")
    ] = None,
    keep_ids: Annotated[bool, typer.Option("--keep-ids", help="With --share: keep names and warnings.")] = False,
) -> None:
    """Write the page of all cases of a folder anew; with --share, pages that say of nobody who it is."""
    # Jinja and Pillow take a while to import, which no other form needs at its start.
    from inference.report.cohort_page import PAGE, write_cohort_page
    from inference.report.share import key_of, write_shared

    if keep_ids and share is None:
        raise FetaError("--keep-ids", "is for --share", "name a folder by --share")
    if share is None:
        print(f"wrote {write_cohort_page(output, curves_of)}")
        return
    for line in write_shared(output, share, curves_of, keep_ids=keep_ids):
        print(f"warning: {line}", file=sys.stderr)
    print(f"wrote {share / PAGE}")
    if not keep_ids:
        print(f"wrote {key_of(share)}: which number is which case; keep it to yourself")

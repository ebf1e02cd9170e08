"""What one person with one scan sees at the end: files written, and all sizes with their centiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from feta.errors import FetaError, printable
from feta.measurements import MEASUREMENTS
from inference.confidence.verdict import Verdict
from inference.derivatives.cohort import TABLE as COHORT_TABLE
from inference.derivatives.size_table import read_sizes
from inference.morphometry.growth_curve import TRANSCRIBED
from inference.morphometry.measured import Measured
from inference.morphometry.norms import FROM_AGE, why_none
from inference.runs.looks import COHORT_PAGE
from inference.runs.outputs import CaseJob
from inference.runs.record import read_record
from inference.runs.run_log import verdicts_in


def print_summary(job: CaseJob) -> None:
    """Print where the results are, a table of lengths and volumes, and the verdict, to standard output.

    Args:
        job: the case and its files, of which the table of sizes and the record are read.
    """
    console = Console(highlight=False)
    record = None if job.record is None else read_record(job.record)
    if job.sizes is not None:
        try:
            found = read_sizes(job.sizes)
        except FetaError:  # removed meanwhile: the files below are all there is to say
            pass
        else:
            console.print(summary_table(found.sizes, found.age, found.estimated))
            if any(size.norms for size in found.sizes):
                console.print(f"centiles: curves {TRANSCRIBED}; sources in {job.sizes.name}", markup=False)
            for line in why_none(found.sizes):
                console.print(line, markup=False)
    if record is not None and record.verdict:
        unmeasured = (
            ": nobody measured the errors of these weights, used like this"
            if record.verdict == Verdict.UNJUDGED
            else ""
        )
        console.print(printable(f"verdict: {record.verdict}{unmeasured}"), markup=False, soft_wrap=True)
    for path in filter(Path.exists, job.outputs):
        console.print(f"wrote {path}", markup=False, soft_wrap=True)


def print_folder_summary(root: Path, done: int, total: int) -> None:
    """Print what became of the cases of a folder and where to look first, to standard output.

    Args:
        root: the output folder.
        done: cases that have results.
        total: cases of the input.
    """
    failed = "" if done == total else f", {total - done} failed: run.json says why"
    print(f"results of {done} of {total} cases{failed}")
    if counts := Counter(verdicts_in(root)):
        print("verdicts: " + ", ".join(f"{counts[v]} {v}" for v in Verdict if counts[v]))
    for name, what in ((COHORT_PAGE, "look here first: all cases"), (COHORT_TABLE, "all volumes and lengths")):
        if (root / name).is_file():
            print(printable(f"{root / name}: {what}"))


def summary_table(sizes: Iterable[Measured], age: float | None, estimated: float | None = None) -> Table:
    """A row a size, the five lengths first: name, value, centile for the age where there is one, flag."""
    # Over the table, where it is never wrapped.
    told = "" if age is None else f"centile at {age:g} weeks"
    told = f"centile at {estimated:g} weeks, estimated from the image" if age is None and estimated else told
    table = Table(box=None, pad_edge=False, title=told, title_justify="right", title_style="")
    table.add_column("size", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("centile")
    for size in sorted(sizes, key=_order):
        value = "unknown" if size.value is None else f"{size.value:.{size.kind.digits}f} {size.unit}"
        short = size.key in list(MEASUREMENTS) or size.key.isupper()
        table.add_row(f"{size.key} {size.title}" if short else size.title, value, centile_text(size))
    return table


def _order(size: Measured) -> int:
    """The challenge's five lengths stand first."""
    return MEASUREMENTS.index(size.key) if size.key in list(MEASUREMENTS) else len(MEASUREMENTS)


def centile_text(size: Measured) -> str:
    """Such as '63'; of sources that differ, both; else why there is none."""
    if size.flag == FROM_AGE:
        return "not measured, mean for the age"
    if size.centile is not None:
        return _short(size.centile)
    if size.norms:
        said = dict.fromkeys(_short(norm.centile) for norm in size.norms)
        return f"{' or '.join(said)}, by source"
    return size.flag or "–"


def _short(centile: float) -> str:
    if centile < 1:
        return "below 1"
    return "above 99" if centile > 99 else f"{centile:.0f}"

"""What one person with one scan sees at the end: files written and the five lengths with their centiles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from feta.age_model import AgeModel
from feta.measurements import MEASUREMENT_NAMES, MEASUREMENTS, Measurement
from inference.biometry.lengths import Length
from inference.runs.outputs import CaseJob


def print_summary(job: CaseJob, lengths: Mapping[Measurement, Length], model: AgeModel) -> None:
    """Print where the results are, and a table of the lengths, to standard output.

    Args:
        job: the case and its files.
        lengths: the five lengths.
        model: gives the centile of a length at the case's age.
    """
    console = Console(highlight=False)
    console.print(length_table(lengths, job.case.age, model))
    for path in filter(Path.exists, job.outputs):
        console.print(f"wrote {path}", markup=False, soft_wrap=True)


def length_table(lengths: Mapping[Measurement, Length], age: float | None, model: AgeModel) -> Table:
    """A row a length: name, mm, centile for the age (where the length was measured and the age is known)."""
    table = Table(box=None, pad_edge=False)
    table.add_column("length")
    table.add_column("mm", justify="right")
    table.add_column("centile" if age is None else f"centile at {age:g} weeks", justify="right")
    for measurement in MEASUREMENTS:
        length = lengths[measurement]
        name = f"{measurement} {MEASUREMENT_NAMES[measurement]}"
        value = "unknown" if length.value is None else f"{length.value:.1f}"
        table.add_row(name, value, centile_text(measurement, length, age, model))
    return table


def centile_text(measurement: Measurement, length: Length, age: float | None, model: AgeModel) -> str:
    """Such as '63'; a length that itself comes from the age has no centile worth reading."""
    if length.value is None or age is None:
        return "–"
    if length.source == "age":
        return "not measured, mean for the age"
    centile = model.centile(measurement, length.value, age)
    if centile < 1:
        return "below 1"
    return "above 99" if centile > 99 else f"{centile:.0f}"

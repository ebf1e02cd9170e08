"""The five lengths of a case: measured on the label map, else from the age, else unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from feta.age_model import AgeModel
from feta.measurements import MEASUREMENTS, Measurement
from inference.landmarks import Line

#: A measured length beyond these multiples of the age's mean is a failed segmentation rather than
#: a patient: 0.6–1.5 holds more than ±5 standard deviations of every published curve from 20 to 38 weeks.
PLAUSIBLE_RATIO = (0.6, 1.5)


@dataclass(frozen=True)
class Length:
    """One length and where it comes from.

    Attributes:
        value: mm; None where it is unknown.
        source: 'image', 'age', or '' where it is unknown.
        line: where it lies, in physical LPS mm; None unless measured on the image.
    """

    value: float | None
    source: str
    line: Line | None = None


def complete(
    lines: Mapping[Measurement, Line | None], age: float | None, model: AgeModel
) -> tuple[dict[Measurement, Length], tuple[str, ...]]:
    """Take each length from the image where it can be measured, else from the age curve.

    Args:
        lines: what was measured; None where it could not be.
        age: weeks, None where unknown.
        model: mean length at an age.

    Returns:
        all five lengths, and one warning line if any is not from the image.
    """
    lengths: dict[Measurement, Length] = {}
    problems: dict[Measurement, str] = {}
    for measurement in MEASUREMENTS:
        line = lines.get(measurement)
        expected = None if age is None else model.length(measurement, age)
        problem = _problem(line, expected)
        if line is not None and problem is None:
            lengths[measurement] = Length(line.length, "image", line)
            continue
        lengths[measurement] = Length(None, "") if expected is None else Length(expected, "age")
        problems[measurement] = problem or ""
    if not problems:
        return lengths, ()
    outcome = "left empty, since the age is unknown" if age is None else "taken from the age curve"
    details = ", ".join(f"{measurement} {problem}" for measurement, problem in problems.items())
    return lengths, (f"{details}: {outcome}",)


def _problem(line: Line | None, expected: float | None) -> str | None:
    """Why a measured line can't be used; None where it can."""
    if line is None:
        return "can't be measured on the label map"
    if expected is not None and not PLAUSIBLE_RATIO[0] <= line.length / expected <= PLAUSIBLE_RATIO[1]:
        return f"measures {line.length:.1f} mm where {expected:.1f} mm is usual for the age"
    return None

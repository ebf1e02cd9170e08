"""Lengths against experts' points, and the published curves against a cohort's percentiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from feta.age_model import published_model
from feta.measurements import MEASUREMENTS, Measurement
from inference.biometry.line import Line
from training.assessment.curve_check import curves_against_percentiles
from training.assessment.expert_lengths import WAYS, Measured, ends_apart, one_line, summary

EXPERTS = np.array([30.0, 12.0, 60.0, np.nan, 30.0])


def measured(factor: float, missing: Measurement | None = None) -> Measured:
    lengths = np.tile(EXPERTS * factor, (len(WAYS), 1))
    if missing is not None:
        lengths[:, MEASUREMENTS.index(missing)] = np.nan
    return Measured(lengths, np.full((2, len(MEASUREMENTS)), 1.5), EXPERTS)


def cells(lines: list[str], way: str) -> list[str]:
    return next([c.strip() for c in line.split("|")[2:-1]] for line in lines if line.startswith(f"| {way} |"))


def test_errors_are_absolute_and_their_largest_stands_beside_the_mean() -> None:
    lines = list(summary("made up", [measured(1.02), measured(0.94)]))
    assert cells(lines, WAYS[0]) == ["4.0, 6.0"] * 5  # four lengths that experts set, and all


def test_a_length_that_was_not_found_is_wholly_off() -> None:
    lines = list(summary("made up", [measured(1.0), measured(1.0, missing=Measurement.HV)]))
    assert cells(lines, WAYS[0]) == ["0.0, 0.0", "50.0, 100.0", "0.0, 0.0", "0.0, 0.0", "12.5, 100.0"]


def test_a_length_that_experts_did_not_set_has_no_column() -> None:
    assert not any("sBIP" in line for line in summary("made up", [measured(1.1)]))
    assert "sBIP" not in one_line("sub-a", measured(1.1))


def test_ends_are_paired_as_they_fit() -> None:
    line, other = Line((0, 0, 0), (10, 0, 0)), Line((10, 3, 0), (0, 1, 0))
    assert ends_apart(line, other) == pytest.approx(2.0)
    assert ends_apart(other, line) == pytest.approx(2.0)
    assert np.isnan(ends_apart(line, None))


def test_a_cohort_drawn_from_the_curves_agrees_with_them(tmp_path: Path) -> None:
    model, path = published_model(), tmp_path / "cohort.csv"
    rows = ["measure,ga_weeks,p5_mm,p50_mm,p95_mm"]
    for week in range(22, 40):
        mean, sd = model.curves[Measurement.TCD].mean(week), model.sd(Measurement.TCD, week)
        rows.append(f"TCD,{week},{mean - 1.64485 * sd},{mean},{mean + 1.64485 * sd}")
    path.write_text("\n".join(rows) + "\n")
    assert cells(list(curves_against_percentiles(path)), "TCD") == ["+0.0 %, × 1.00"] * 3


def test_a_cohort_a_tenth_smaller_and_twice_as_spread_is_told(tmp_path: Path) -> None:
    model, path = published_model(), tmp_path / "cohort.csv"
    mean, sd = model.curves[Measurement.HV].mean(30) / 1.1, 2 * model.sd(Measurement.HV, 30)
    path.write_text(f"measure,ga_weeks,p5_mm,p50_mm,p95_mm\nHV,30,{mean - 1.64485 * sd},{mean},{mean + 1.64485 * sd}\n")
    assert cells(list(curves_against_percentiles(path)), "HV") == ["+10.0 %, × 0.50"]

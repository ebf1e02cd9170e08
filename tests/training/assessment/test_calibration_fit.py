"""The calibration of lengths, on cases whose errors are known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from feta.age_model import published_model
from feta.errors import FetaError
from feta.measurements import MEASUREMENTS, Measurement
from inference.biometry.calibration import SOURCES, WRONG_SPREAD, LengthSource, usual
from inference.biometry.line import Line
from inference.biometry.measure import Evidence
from training.assessment.biometry_report import WAYS, write_report
from training.assessment.calibration_fit import fit_calibration, ridge, two_spreads
from training.assessment.evidence import CaseEvidence

MODEL = published_model()
GEOMETRY, HEATMAP = SOURCES.index(LengthSource.GEOMETRY), SOURCES.index(LengthSource.HEATMAP)
#: What geometry and heatmaps are off by here: bias, then spread, of ln(mm).
BIAS, SPREAD = {"geometry": 0.06, "heatmap": -0.02}, {"geometry": 0.05, "heatmap": 0.03}


def lines(lengths: np.ndarray) -> dict[Measurement, Line | None]:
    return {m: Line((0, 0, 0), (float(v), 0, 0)) for m, v in zip(MEASUREMENTS, lengths, strict=True)}


def cohort(seed: int, count: int = 60, heatmaps: bool = True) -> list[CaseEvidence]:
    """Fetuses as the curves have them, a third off in one length; heatmaps twice as unsure are twice as wrong."""
    rng = np.random.default_rng(seed)
    cases = []
    for i, age in enumerate(rng.uniform(21, 36, count)):
        usual_lengths = np.array([MODEL.mean(m, age) for m in MEASUREMENTS])
        sds = np.array([MODEL.sd(m, age) for m in MEASUREMENTS]) / usual_lengths
        truth = usual_lengths * np.exp(rng.normal(0, sds))
        if i % 3 == 0:
            truth[rng.integers(5)] *= rng.uniform(0.65, 0.85)
        blur = 0.03 * np.exp(rng.normal(0, 0.5, 5))
        geometry = truth * np.exp(rng.normal(BIAS["geometry"], SPREAD["geometry"], 5))
        heatmap = truth * np.exp(rng.normal(BIAS["heatmap"], SPREAD["heatmap"] * blur / 0.03))
        volumes = np.exp(3 * np.log(truth.mean() / 40) + rng.normal(0, 0.05, 7)) * 30
        evidence = Evidence(lines(geometry), volumes)
        if heatmaps:
            evidence = dataclasses.replace(
                evidence, heatmap=lines(heatmap), blur=dict(zip(MEASUREMENTS, blur.tolist(), strict=True))
            )
        quality = float(4 - 40 * blur.mean())
        cases.append(CaseEvidence(f"c/{i}", round(float(age), 1), i % 3 == 0, quality, truth, evidence))
    return cases


FITTED = fit_calibration(cohort(1))


def test_biases_and_spreads_are_found() -> None:
    assert FITTED.bias[:, GEOMETRY] == pytest.approx(np.full(5, BIAS["geometry"]), abs=0.025)
    assert FITTED.bias[:, HEATMAP] == pytest.approx(np.full(5, BIAS["heatmap"]), abs=0.02)
    assert FITTED.sd[:, HEATMAP].mean() < FITTED.sd[:, GEOMETRY].mean()


def test_blur_is_seen_to_matter_for_heatmaps_alone() -> None:
    assert FITTED.exponent[HEATMAP] > 0.6
    assert FITTED.exponent[GEOMETRY] < 0.4


def test_independent_errors_hardly_correlate() -> None:
    assert abs(FITTED.correlation[:, GEOMETRY, HEATMAP].mean()) < 0.2


def test_without_heatmaps_theirs_stay_as_usual() -> None:
    plain = fit_calibration(cohort(1, heatmaps=False))
    assert plain.bias[:, HEATMAP] == pytest.approx(np.zeros(5))
    assert plain.exponent == pytest.approx(np.zeros(3))
    assert plain.correlation[:, GEOMETRY, HEATMAP] == pytest.approx(usual().correlation[:, 0, 2], rel=0.2)


def test_too_few_cases_are_refused() -> None:
    with pytest.raises(FetaError, match="too few"):
        fit_calibration(cohort(1, 10))


def test_cases_without_an_age_are_left_out() -> None:
    cases = [dataclasses.replace(c, age=None) if i < 20 else c for i, c in enumerate(cohort(1))]
    assert fit_calibration(cases).cases == 40


def rows(text: list[str], title: str) -> list[str]:
    """Cells of the last row with a title."""
    return next(line for line in reversed("\n".join(text).split("\n")) if line.startswith(f"| {title} |")).split("|")[
        2:-1
    ]


def test_on_other_cases_fusion_beats_age_and_each_source_and_intervals_hold(tmp_path) -> None:  # type: ignore[no-untyped-def]
    cases = cohort(2, 80)
    ages = np.array([c.age for c in cases])
    line = np.array([np.polyfit(ages, column, 1) for column in np.array([c.truth for c in cases]).T])
    text = list(write_report(cases, FITTED, line, tmp_path / "r.csv"))
    table = "\n".join(text).split("\n\n")[0]
    pooled = {way: float(rows([table], way)[5]) for way in WAYS}
    assert pooled["fusion"] < min(v for way, v in pooled.items() if way != "fusion")
    held, width = map(float, rows(text, "fusion")[5].split(","))
    assert 85 <= held <= 95
    assert width < float(rows(text, "age")[5].split(",")[1])
    assert (tmp_path / "r.csv").read_text().count("\n") == 1 + len(WAYS) * 80 * 5


def test_ridge_finds_an_exact_law() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    found, _ = ridge(x, 2 + x @ [1.0, -0.5, 0.0])
    assert found == pytest.approx([2.0, 1.0, -0.5, 0.0], abs=0.01)


def test_left_out_cases_are_predicted_as_if_never_seen() -> None:
    """Against fitting without each case, at the penalty with which the whole is fitted."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(15, 2))
    y = x @ [0.3, 0.1] + rng.normal(0, 0.5, 15)
    coefficients, left_out = ridge(x, y)
    scaled = (x - x.mean(0)) / x.std(0)
    again = []
    for penalty in (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0):
        design = np.column_stack([np.ones(15), scaled])
        weights = np.diag([0.0, penalty, penalty])
        predicted = []
        for i in range(15):
            kept = np.arange(15) != i
            solved = np.linalg.solve(design[kept].T @ design[kept] + weights, design[kept].T @ y[kept])
            predicted.append(design[i] @ solved)
        again.append(np.array(predicted))
    assert min(np.abs(left_out - p).max() for p in again) < 1e-9
    assert len(coefficients) == 3


def test_gross_errors_count_as_wrong_and_not_as_spread() -> None:
    rng = np.random.default_rng(2)
    errors = rng.normal(0, 0.02, 400) * np.where(rng.random(400) < 0.2, WRONG_SPREAD, 1)
    sd, wrong = two_spreads(errors)
    assert sd == pytest.approx(0.02, rel=0.15)
    assert wrong == pytest.approx(0.2, abs=0.08)

"""A wrong age costs nothing, and a right one isn't doubted: on simulated fetuses of known lengths."""

from __future__ import annotations

import numpy as np
import pytest

from feta.age_model import published_model
from feta.measurements import MEASUREMENTS, Measurement
from inference.biometry.age_check import contradiction
from inference.biometry.calibration import usual
from inference.biometry.lengths import complete
from inference.biometry.line import Line
from inference.biometry.measure import Evidence

MODEL = published_model()
VOLUMES = np.array([80.0, 60.0, 90.0, 5.0, 6.0, 8.0, 3.0])
#: A share of a length's spread that the whole brain's size explains.
SHARED = 0.6
FETUSES = 60


def true_lengths(seed: int, age: float, *, pathological: bool = False) -> np.ndarray:
    """(5,) mm: of a fetus whose lengths go together; or with a small cerebellum and vermis, or a short callosum."""
    rng = np.random.default_rng(seed)
    common, own = rng.normal(), rng.normal(size=len(MEASUREMENTS))
    z = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * own
    lengths = np.array([MODEL.mean(m, age) + z[i] * MODEL.sd(m, age) for i, m in enumerate(MEASUREMENTS)])
    if pathological:
        small = [(Measurement.TCD, Measurement.HV), (Measurement.LCC,)][seed % 2]
        for measurement in small:
            lengths[MEASUREMENTS.index(measurement)] *= 0.65
    return lengths


def evidence(lengths: np.ndarray, seed: int) -> Evidence:
    """What geometry and heatmaps measure of them: off by a few percent, as usual."""
    rng = np.random.default_rng(1000 + seed)
    common = rng.normal(0, 0.02, len(MEASUREMENTS))
    lines = [
        {
            m: Line((0, 0, 0), (0, float(v * np.exp(c + rng.normal(0, 0.03))), 0))
            for m, v, c in zip(MEASUREMENTS, lengths, common, strict=True)
        }
        for _ in range(2)
    ]
    return Evidence(lines[0], VOLUMES, lines[1], dict.fromkeys(lines[1], 0.03))


def errors(off: float | None, *, pathological: bool = False) -> np.ndarray:
    """(N, 5) absolute percentage errors of fetuses whose age is told wrong by so many weeks; None: not told."""
    rows = []
    for seed in range(FETUSES):
        age = float(np.random.default_rng(seed).uniform(22, 34))
        lengths = true_lengths(seed, age, pathological=pathological)
        told = None if off is None else float(np.clip(age + off, 15, 44))
        found = complete(evidence(lengths, seed), told, MODEL, usual())[0]
        values = np.array([np.nan if found[m].value is None else found[m].value for m in MEASUREMENTS], float)
        rows.append(100 * np.abs(values / lengths - 1))
    return np.array(rows)


WITHOUT, RIGHT = errors(None), errors(0.0)


@pytest.mark.parametrize("off", [-10.0, -6.0, -4.0, 4.0, 6.0, 10.0])
def test_an_age_far_off_makes_no_length_worse_than_no_age(off: float) -> None:
    assert (errors(off).mean(axis=0) < WITHOUT.mean(axis=0) + 0.15).all()


@pytest.mark.parametrize("off", [-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])
def test_an_age_a_little_off_costs_little(off: float) -> None:
    """Against the right age; where it is noticed it can't cost more than no age does."""
    assert errors(off).mean() < max(RIGHT.mean(), WITHOUT.mean()) + 0.3


def test_a_right_age_is_not_doubted() -> None:
    """But for the rare fetus that is small or large throughout."""
    doubted = 0
    for seed in range(300):
        age = float(np.random.default_rng(seed).uniform(20, 38))
        lengths = true_lengths(seed, age, pathological=seed % 3 == 0)
        doubted += contradiction(np.log(lengths), np.full(5, 0.03), age, MODEL) is not None
    assert doubted <= 6


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_a_brain_that_is_small_or_large_throughout_is_named(factor: float) -> None:
    lengths = np.array([factor * MODEL.mean(m, 30.0) for m in MEASUREMENTS])
    found = contradiction(np.log(lengths), np.full(5, 0.03), 30.0, MODEL)
    assert found is not None
    assert ("unusually small" if factor < 1 else "unusually large") in found.describe(30.0)


@pytest.mark.parametrize("measurement", MEASUREMENTS)
@pytest.mark.parametrize("factor", [0.5, 0.65, 1.3])
def test_one_length_far_from_its_mean_is_a_patient(measurement: Measurement, factor: float) -> None:
    lengths = np.array([MODEL.mean(m, 30.0) * (factor if m is measurement else 1) for m in MEASUREMENTS])
    assert contradiction(np.log(lengths), np.full(5, 0.03), 30.0, MODEL) is None


def test_lengths_of_no_age_contradict_none() -> None:
    """A network that saw a brain where there is none: its lengths suit no age."""
    lengths = np.array([120.0, 3.0, 140.0, 150.0, 9.0])
    assert contradiction(np.log(lengths), np.full(5, 0.03), 30.0, MODEL) is None


def test_two_lengths_are_too_few() -> None:
    logs = np.log([MODEL.mean(m, 22.0) for m in MEASUREMENTS])
    logs[2:] = np.nan
    assert contradiction(logs, np.full(5, 0.03), 34.0, MODEL) is None

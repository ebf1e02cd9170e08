"""A wrong age costs nothing, and a right one isn't doubted: on simulated fetuses of known lengths."""

from __future__ import annotations

import numpy as np
import pytest

from feta.age_model import published_model
from feta.measurements import MEASUREMENTS, Measurement
from inference.biometry.age_check import AgeCheck, check_age
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
ILL_WITHOUT, ILL_RIGHT = errors(None, pathological=True), errors(0.0, pathological=True)
OFF = (-10.0, -6.0, -4.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0)


@pytest.mark.parametrize("off", [off for off in OFF if abs(off) >= 4])
def test_an_age_far_off_makes_no_length_worse_than_no_age(off: float) -> None:
    assert (errors(off).mean(axis=0) < WITHOUT.mean(axis=0) + 0.1).all()


@pytest.mark.parametrize("off", [off for off in OFF if abs(off) >= 4])
def test_nor_does_it_in_the_ill(off: float) -> None:
    """Whose own findings hide a part of what is wrong."""
    assert (errors(off, pathological=True).mean(axis=0) < ILL_WITHOUT.mean(axis=0) + 0.3).all()


@pytest.mark.parametrize("off", OFF)
def test_no_wrong_age_costs_more_than_no_age(off: float) -> None:
    assert errors(off).mean() < max(RIGHT.mean(), WITHOUT.mean()) + 0.05
    ill = errors(off, pathological=True).mean()
    assert ill < max(ILL_RIGHT.mean(), ILL_WITHOUT.mean()) + 0.1


def test_a_right_age_helps() -> None:
    assert RIGHT.mean() < WITHOUT.mean() - 0.3
    assert ILL_RIGHT.mean() < ILL_WITHOUT.mean() - 0.2


def test_a_right_age_is_not_doubted() -> None:
    """But for the rare fetus that is small or large throughout."""
    doubted = 0
    for seed in range(300):
        age = float(np.random.default_rng(seed).uniform(20, 38))
        lengths = true_lengths(seed, age, pathological=seed % 3 == 0)
        doubted += check_age(np.log(lengths), np.full(5, 0.03), age, MODEL).contradiction is not None
    assert doubted <= 6


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_a_brain_that_is_small_or_large_throughout_is_named(factor: float) -> None:
    lengths = np.array([factor * MODEL.mean(m, 30.0) for m in MEASUREMENTS])
    found = check_age(np.log(lengths), np.full(5, 0.03), 30.0, MODEL).contradiction
    assert found is not None
    assert ("unusually small" if factor < 1 else "unusually large") in found.describe(30.0)


@pytest.mark.parametrize("measurement", MEASUREMENTS)
@pytest.mark.parametrize("factor", [0.5, 0.65, 1.3])
def test_one_length_far_from_its_mean_is_a_patient(measurement: Measurement, factor: float) -> None:
    lengths = np.array([MODEL.mean(m, 30.0) * (factor if m is measurement else 1) for m in MEASUREMENTS])
    assert check_age(np.log(lengths), np.full(5, 0.03), 30.0, MODEL).contradiction is None


def test_lengths_of_no_age_contradict_none() -> None:
    """A network that saw a brain where there is none: its lengths suit no age."""
    lengths = np.array([120.0, 3.0, 140.0, 150.0, 9.0])
    assert check_age(np.log(lengths), np.full(5, 0.03), 30.0, MODEL).contradiction is None


def two_lengths(first: Measurement, second: Measurement) -> AgeCheck:
    """What two lengths of 22 weeks, and no others, say of an age of 34."""
    logs = np.array([np.log(MODEL.mean(m, 22.0)) if m in (first, second) else np.nan for m in MEASUREMENTS])
    return check_age(logs, np.full(5, 0.03), 34.0, MODEL)


def test_two_lengths_contradict_an_age_if_one_is_biparietal() -> None:
    found = two_lengths(Measurement.LCC, Measurement.BBIP).contradiction
    assert found is not None
    assert found.weeks == pytest.approx(22.0, abs=1.0)


@pytest.mark.parametrize(
    "lengths", [(Measurement.TCD, Measurement.HV), (Measurement.BBIP, Measurement.SBIP)], ids=["hindbrain", "head"]
)
def test_two_lengths_of_one_part_contradict_none(lengths: tuple[Measurement, Measurement]) -> None:
    """A cerebellum and its vermis are small together, both diameters are of one wide head."""
    found = two_lengths(*lengths)
    assert found.contradiction is None
    assert found.doubt <= 0.5


def test_without_lengths_nothing_is_doubted() -> None:
    assert check_age(np.full(5, np.nan), np.ones(5), 30.0, MODEL) == AgeCheck()


@pytest.mark.parametrize("age", [20.0, 26.0, 32.0, 38.0])
def test_lengths_of_the_mean_leave_an_age_trusted(age: float) -> None:
    logs = np.log([MODEL.mean(m, age) for m in MEASUREMENTS])
    assert check_age(logs, np.full(5, 0.02), age, MODEL).doubt < 0.2

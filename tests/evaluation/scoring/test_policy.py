"""The penalties of evaluation/scoring/policy.yaml, and that failing never pays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.choices import Euler
from evaluation.metrics.measurements import measure
from evaluation.scoring.penalties import ed_floor, fill_lengths, fill_topology, missing_case, score_pair
from evaluation.scoring.policy import default_policy, read_policy
from evaluation.scoring.score_table import SEGMENTATION_METRICS, ScoreCaps
from evaluation.submissions.reasons import Reason
from feta.errors import FetaError
from tests.support.small_brains import brain, volume

ED = SEGMENTATION_METRICS.index("ed")
SHAPE, SPACING = (20, 22, 24), (0.8, 0.8, 0.8)
DIAGONAL = float(np.linalg.norm(np.multiply(SHAPE, SPACING)))


def without(labels: np.ndarray, *absent: int) -> np.ndarray:
    return np.where(np.isin(labels, absent), 0, labels).astype(np.uint8)


def scored(truth: np.ndarray, prediction: np.ndarray, euler: Euler = "table") -> tuple[np.ndarray, np.ndarray]:
    return score_pair(measure(volume(truth, SPACING), volume(prediction, SPACING)), default_policy(), euler)


def test_label_missing_in_the_prediction() -> None:
    values, reasons = scored(brain(), without(brain(), 6))
    assert values[5, :3] == pytest.approx([0, 0, DIAGONAL])
    assert np.isnan(values[5, 3:]).all()
    fill_topology(values[None, None], default_policy())
    assert values[5, 3:].tolist() == [1000] * 4
    assert set(reasons[5]) == {Reason.MISSING_LABEL}


def test_label_in_the_prediction_only() -> None:
    values, reasons = scored(without(brain(), 6), brain())
    assert values[5, :4] == pytest.approx([0, 0, DIAGONAL, 0])
    assert reasons[5, :4].tolist() == [Reason.EXTRA_LABEL] * 3 + [""]


@pytest.mark.parametrize(("euler", "ed_of_5", "ed_of_2"), [("table", 1, 2), ("reference", 0, 0)])
def test_label_in_neither(euler: Euler, ed_of_5: int, ed_of_2: int) -> None:
    labels = without(brain(), 2, 5)
    values, reasons = scored(labels, labels, euler)
    assert values[4, :4].tolist() == [1, 1, 0, ed_of_5]
    assert values[1, :4].tolist() == [1, 1, 0, ed_of_2]
    assert reasons[4, :4].tolist() == [Reason.ABSENT_IN_BOTH] * 3 + [""]


def test_missing_case() -> None:
    values = missing_case(DIAGONAL, default_policy())
    fill_topology(values[None, None], default_policy())
    assert values == pytest.approx(np.tile([0, 0, DIAGONAL, 1000, 1000, 1000, 1000], (7, 1)))


def test_penalty_is_the_largest_that_any_team_measured() -> None:
    values = np.zeros((3, 1, 7, 7))
    values[0, 0, 2, ED], values[1, 0, 2, ED] = np.nan, 4321
    values[0, 0, 3, ED], values[2, 0, 3, ED] = np.nan, 12
    fill_topology(values, default_policy())
    assert values[0, 0, 2:4, ED].tolist() == [4321, 1000]


def test_lengths() -> None:
    errors = np.array([[[np.nan, np.nan, 7.0, np.nan, 1.0]], [[3.0, 250.0, np.nan, np.nan, 2.0]]])
    has_truth = np.array([[True, True, True, True, False]])
    fill_lengths(errors, has_truth, default_policy())
    np.testing.assert_array_equal(errors[:, 0], [[100, 250, 7, 100, np.nan], [3, 250, 100, 100, np.nan]])


def test_floor_is_what_a_perfect_prediction_gets() -> None:
    rough = np.where(np.random.default_rng(0).random(SHAPE) < 0.1, 0, brain()).astype(np.uint8)
    measured = measure(volume(rough), volume(rough))
    for euler in ("table", "reference"):
        values, _ = score_pair(measured, default_policy(), euler)
        np.testing.assert_array_equal(ed_floor(measured.betti_truth, euler), values[:, ED])
    assert ed_floor(measured.betti_truth, "table").max() > 10


@given(st.integers(1, 7), st.integers(0, 2**32 - 1), st.sampled_from(["table", "reference"]))
def test_leaving_a_structure_out_of_a_map_improves_no_score(label: int, seed: int, euler: Euler) -> None:
    """Measured on maps; ``test_leaving_out`` has the rest."""
    generator = np.random.default_rng(seed)
    labels = np.where(generator.random(SHAPE) < 0.05, generator.integers(0, 8, SHAPE), brain(shift=2)).astype(np.uint8)
    whole, _ = scored(brain(), labels, euler)
    less, _ = scored(brain(), without(labels, label), euler)
    none = missing_case(DIAGONAL, default_policy())
    table = np.stack([whole, less, none])[:, None]
    fill_topology(table, default_policy())
    for worse in (table[1, 0], table[2, 0]):
        assert (worse[label - 1, :2] <= whole[label - 1, :2]).all()
        assert (worse[label - 1, 2:] >= whole[label - 1, 2:]).all()
    assert (table[2, 0, :, :2] <= table[1, 0, :, :2]).all()
    others = np.arange(7) != label - 1
    np.testing.assert_array_equal(less[others], whole[others])


@pytest.mark.parametrize("far", [(0, 0, 0), (19, 0, 0), (0, 21, 0), (0, 0, 23)])
def test_no_distance_is_longer_than_the_diagonal(far: tuple[int, int, int]) -> None:
    """What a missing label is penalised with is the worst that can be measured: here from corner to corner."""
    truth, prediction = np.zeros((2, *SHAPE), dtype=np.uint8)
    truth[far], prediction[tuple(n - 1 - i for n, i in zip(SHAPE, far, strict=True))] = 3, 3
    values, _ = scored(truth, prediction)
    assert 0.8 * DIAGONAL < values[2, 2] <= DIAGONAL * (1 + 1e-12)


def test_default_is_the_declared_policy() -> None:
    policy = default_policy()
    assert (policy.missing.dice, policy.missing.vs, policy.missing.hd95, policy.ed_at_least) == (0, 0, None, 1000)
    assert (policy.neither.dice, policy.neither.vs, policy.neither.hd95) == (1, 1, 0)
    assert (policy.extra.dice, policy.extra.vs, policy.extra.hd95) == (0, 0, None)
    assert policy.length_error_at_least == 100
    assert policy.limits == ScoreCaps(ed=1000, betti=1000, length=100)


def test_own_policy(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "evaluation" / "scoring" / "policy.yaml").read_text()
    path = tmp_path / "policy.yaml"
    text = text.replace("hd95: diagonal", "hd95: 30", 1).replace("ed_at_least: 1000", "ed_at_least: 50")
    path.write_text(text.replace("than_missing: true", "than_missing: false"))
    policy = read_policy(path)
    kept = {"missing": default_policy().missing, "ed_at_least": 1000, "count_no_worse_than_missing": True}
    assert replace(policy, **kept) == default_policy()
    assert (policy.missing.hd95, policy.ed_at_least) == (30, 50)


@pytest.mark.parametrize("change", [("dice: 0", "dice: 0.5"), ("vs: 0", "vs: 0.1"), ("hd95: diagonal", "hd95: 5")])
def test_a_policy_under_which_leaving_out_could_pay_is_refused(tmp_path: Path, change: tuple[str, str]) -> None:
    text = (Path(__file__).parents[3] / "evaluation" / "scoring" / "policy.yaml").read_text()
    path = tmp_path / "policy.yaml"
    path.write_text(text.replace(*change, 1))
    with pytest.raises(FetaError, match="leaving a label out could pay"):
        read_policy(path)


@pytest.mark.parametrize(
    "change",
    [("dice: 0", "dice: -1"), ("vs: 1", "vs: 2"), ("hd95: diagonal", "hd95: long"), ("dice: 0", "dise: 0"),
     ("neither:", "nether:"), ("ed_at_least: 1000", "ed_at_least: .inf"), ("dice: 0", "dice: true"),
     ("missing:", "x: ["), ("missing: true", "missing: 1"), ("count_no", "count")],
)  # fmt: skip
def test_policy_that_is_none(tmp_path: Path, change: tuple[str, str]) -> None:
    text = (Path(__file__).parents[3] / "evaluation" / "scoring" / "policy.yaml").read_text()
    path = tmp_path / "policy.yaml"
    path.write_text(text.replace(*change, 1))
    with pytest.raises(FetaError, match=r"policy\.yaml"):
        read_policy(path)

"""Penalties for what could not be measured, and the scores that come of it.

They are applied after all teams have been measured, since the largest ED of a
case enters them; so measurements can be kept from one run to the next.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from evaluation.choices import Euler
from evaluation.metrics.betti import euler_numbers
from evaluation.metrics.measurements import PairMetrics
from evaluation.scoring.policy import Policy
from evaluation.scoring.score_table import SEGMENTATION_METRICS
from evaluation.submissions.reasons import Reason
from feta.labels import EXPECTED_BETTI, TISSUES

_HD95 = SEGMENTATION_METRICS.index("hd95")
_ED = SEGMENTATION_METRICS.index("ed")
_BETTI = slice(SEGMENTATION_METRICS.index("b0"), None)


def expected_betti(betti_truth: npt.NDArray[np.int64], euler: Euler) -> npt.NDArray[np.int64]:
    """What Betti numbers are compared with, (7, 3): the challenge's fixed table, or those of the ground truth."""
    if euler == "reference":
        return betti_truth
    return np.array([EXPECTED_BETTI[tissue] for tissue in TISSUES], dtype=np.int64)


def ed_floor(betti_truth: npt.NDArray[np.int64], euler: Euler) -> npt.NDArray[np.float64]:
    """ED (Euler difference, |χ − expected χ|, FeTA 2024) of a perfect prediction, (7,)."""
    difference = euler_numbers(betti_truth) - euler_numbers(expected_betti(betti_truth, euler))
    return np.abs(difference).astype(np.float64)


def score_pair(
    measured: PairMetrics, policy: Policy, euler: Euler
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.str_]]:
    """Scores of one pair before the penalties that depend on other teams.

    ED = |χ − expected χ| and |Δb0|, |Δb1|, |Δb2| are the topology metrics of FeTA 2024 (Zalevskyi et al. 2025).

    Returns:
        (7, 7) values, NaN where the label is missing or ragged and ED and Betti differences still
        have to be penalised; (7, 7) reason codes.
    """
    expected = expected_betti(measured.betti_truth, euler)
    values = np.empty((len(TISSUES), len(SEGMENTATION_METRICS)))
    values[:, :3] = np.stack([measured.dice, measured.vs, measured.hd95], axis=1)
    values[:, _ED] = np.abs(euler_numbers(measured.betti_prediction) - euler_numbers(expected))
    values[:, _BETTI] = np.abs(measured.betti_prediction - expected)
    reasons = np.full(values.shape, "", dtype="<U40")
    truth, prediction = measured.in_truth, measured.in_prediction
    for rows, penalty, reason in (
        (truth & ~prediction, policy.missing, Reason.MISSING_LABEL),
        (~truth & ~prediction, policy.neither, Reason.ABSENT_IN_BOTH),
        (~truth & prediction, policy.extra, Reason.EXTRA_LABEL),
    ):
        values[rows, :3] = penalty.values(measured.diagonal)
        reasons[rows, :3] = reason
    values[truth & ~prediction, 3:] = np.nan
    reasons[truth & ~prediction, 3:] = Reason.MISSING_LABEL
    # Dice and VS of a ragged label are what they are; what its surface would tell counts as for a missing one.
    both = truth & measured.ragged
    values[both, _HD95], reasons[both, _HD95] = policy.missing.values(measured.diagonal)[_HD95], Reason.TOO_RAGGED
    values[measured.ragged, 3:], reasons[measured.ragged, 3:] = np.nan, Reason.TOO_RAGGED
    return values, reasons


def missing_case(diagonal: float, policy: Policy) -> npt.NDArray[np.float64]:
    """(7, 7) values of a case without a usable file; ED and Betti differences are NaN until all are measured."""
    row = [*policy.missing.values(diagonal), *[math.nan] * (len(SEGMENTATION_METRICS) - 3)]
    return np.tile(row, (len(TISSUES), 1))


def fill_topology(values: npt.NDArray[np.float64], policy: Policy) -> None:
    """Replace NaN in the ED and Betti columns of (T, C, 7, 7) values, in place.

    A penalty is the policy's, or the largest that any team measured for that case and label.
    """
    for metric in range(3, len(SEGMENTATION_METRICS)):
        least = policy.ed_at_least if metric == _ED else policy.betti_at_least
        _fill_with_worst(values[..., metric], least)


def fill_lengths(errors: npt.NDArray[np.float64], has_truth: npt.NDArray[np.bool_], policy: Policy) -> None:
    """Replace NaN in (T, C, 5) errors (percent) in place, where the truth (C, 5) has a length."""
    _fill_with_worst(errors, policy.length_error_at_least)
    errors[:, ~has_truth] = np.nan


def _fill_with_worst(values: npt.NDArray[np.float64], least: float) -> None:
    """Replace NaN in (T, …) values by the larger of ``least`` and the largest along the first axis."""
    absent = np.isnan(values)
    worst = np.where(absent, -math.inf, values).max(axis=0, initial=-math.inf)
    values[absent] = np.broadcast_to(np.maximum(least, worst), values.shape)[absent]

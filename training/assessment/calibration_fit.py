"""How far measurements are off, learned on cohorts whose lengths are known (``inference.biometry.calibration``)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from feta.age_model import AgeModel, published_model
from feta.errors import FetaError
from feta.measurements import MEASUREMENTS
from inference.biometry.calibration import SOURCES, USUALLY_WRONG, WRONG_SPREAD, Calibration, LengthSource, usual
from inference.biometry.lengths import complete, is_no_brain
from inference.biometry.volume_regression import Regression, regressors
from training.assessment.evidence import CaseEvidence

Array = npt.NDArray[np.float64]
#: No fewer cases, for eight coefficients.
FEWEST = 12
#: Penalties that are tried, on standardised regressors.
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
#: Correlations are seen in errors up to this many standard deviations: what lies beyond is a source gone wrong.
WINSOR = 3.0
LEAST_SD = 0.005
#: Rounds of expectation maximisation, and what its prior counts for.
ROUNDS, PRIOR_CASES = 50, 10
#: Correlations seen in few cases are drawn towards none by this part.
SHRINKAGE = 0.15
#: Factors on all errors between which the one is sought with which the intervals hold what they say.
SCALES, HALVINGS = (0.5, 3.0), 6
CHANCE = 0.9


def fit_calibration(cases: Sequence[CaseEvidence], model: AgeModel | None = None) -> Calibration:
    """Fit regression, errors and correlations.

    Args:
        cases: with age and true lengths.
        model: of the age, for the intervals; the published curves by default.

    Raises:
        FetaError: there are too few cases.
    """
    cases = [c for c in cases if c.age is not None and np.isfinite(c.truth).all() and c.evidence.volumes.any()]
    # What the submission itself takes for no brain tells nothing of errors on one.
    cases = [c for c in cases if not is_no_brain(c.evidence.estimates(usual()), c.truth)]
    if len(cases) < FEWEST:
        raise FetaError("calibration", f"{len(cases)} usable cases are too few for one", f"give {FEWEST}")
    fitted, expected = _unscaled(cases), model or published_model()
    # Each case is judged by what the others teach: a calibration is surer of the cases that it was fitted on.
    others = [_unscaled([*cases[:i], *cases[i + 1 :]]) for i in range(len(cases))]
    return dataclasses.replace(fitted, sd=fitted.sd * _scale(others, cases, expected))


def _unscaled(cases: Sequence[CaseEvidence]) -> Calibration:
    """Regression, errors and correlations as the cases show them."""
    truth = np.log([c.truth for c in cases])
    regression, left_out = fit_regression(cases, truth)
    plain = dataclasses.replace(usual(), regression=regression, cases=len(cases))
    errors = np.log([c.evidence.estimates(plain) for c in cases]) - truth[..., None]
    errors[..., SOURCES.index(LengthSource.REGRESSION)] = left_out - truth
    blur = np.array([[c.evidence.blur.get(m, np.nan) for m in MEASUREMENTS] for c in cases])
    return _errors(plain, errors, blur)


def fit_regression(cases: Sequence[CaseEvidence], truth: Array) -> tuple[Regression, Array]:
    """Ridge regression of ln(mm) on volumes, without and with age, and what the former says of cases left out (N, 5).

    Args:
        cases: N.
        truth: (N, 5) ln(mm).
    """
    plain = np.array([regressors(c.evidence.volumes, None) for c in cases])
    aged = np.array([regressors(c.evidence.volumes, c.age) for c in cases])
    without = [ridge(plain[:, 1:], column) for column in truth.T]
    tables = [[coefficients for coefficients, _ in without], [ridge(aged[:, 1:], column)[0] for column in truth.T]]
    return Regression(*map(np.array, tables)), np.stack([said for _, said in without], axis=1)


def ridge(regressors: Array, target: Array) -> tuple[Array, Array]:
    """Ridge regression with an intercept, its penalty the one that predicts left-out cases best.

    Args:
        regressors: (N, K) without the constant.
        target: (N,).

    Returns:
        (K + 1,) coefficients, the constant's first; (N,) predictions of each case from the others.
    """
    middle, spread = regressors.mean(axis=0), np.maximum(regressors.std(axis=0), 1e-9)
    scaled, centred = (regressors - middle) / spread, target - target.mean()
    best: tuple[float, Array, Array] | None = None
    for penalty in PENALTIES:
        inverse = np.linalg.inv(scaled.T @ scaled + penalty * np.eye(scaled.shape[1]))
        slopes = inverse @ scaled.T @ centred
        leverage = np.einsum("ij,jk,ik->i", scaled, inverse, scaled) + 1 / len(target)
        # The prediction without a case, in closed form (Allen's PRESS).
        left_out = target - (centred - scaled @ slopes) / (1 - leverage)
        error = float(np.square(left_out - target).mean())
        if best is None or error < best[0]:
            best = error, slopes / spread, left_out
    assert best is not None
    return np.concatenate([[target.mean() - middle @ best[1]], best[1]]), best[2]


def _errors(plain: Calibration, errors: Array, blur: Array) -> Calibration:
    """Bias, spread, correlation and their growth with blur, from errors (N, 5, 3) and blur (N, 5)."""
    usual_blur = np.array([_middle(column, old) for column, old in zip(blur.T, plain.blur, strict=True)])
    ratio = np.where(np.isfinite(blur), blur, usual_blur) / usual_blur
    found = np.isfinite(errors).sum(axis=0) >= FEWEST
    bias = np.where(found, [[_middle(e, 0.0) for e in m.T] for m in by_measurement(errors)], 0.0)
    bias[:, SOURCES.index(LengthSource.REGRESSION)] = 0.0
    left = errors - bias
    exponent = np.array([_growth(left[..., s], ratio) for s in range(len(SOURCES))])
    left = left / np.clip(ratio[..., None] ** exponent, 0.7, 5.0)
    spreads = np.array(
        [[two_spreads(e) if np.isfinite(e).any() else (1, 0.5) for e in m.T] for m in by_measurement(left)]
    )
    sd, wrong = np.where(found, spreads[..., 0], plain.sd), np.where(found, spreads[..., 1], plain.wrong)
    left = np.clip(left / sd, -WINSOR, WINSOR)
    correlation = np.array(
        [_correlation(m, old) for m, old in zip(left.swapaxes(0, 1), plain.correlation, strict=True)]
    )
    return dataclasses.replace(
        plain, bias=bias, sd=sd, wrong=wrong, correlation=correlation, blur=usual_blur, exponent=exponent
    )


def by_measurement(table: Array) -> Array:
    """(N, 5, 3) → (5, N, 3)."""
    return np.moveaxis(table, 0, 1)


def _middle(values: Array, otherwise: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float(otherwise)


def two_spreads(errors: Array) -> tuple[float, float]:
    """Of errors (N,): their spread where a source is right, and how often it is wrong, its spread then ``WRONG_SPREAD``
    times as great (expectation maximisation)."""
    known = np.square(errors[np.isfinite(errors)])
    sd, wrong = max(1.4826 * float(np.sqrt(np.median(known))), LEAST_SD), USUALLY_WRONG
    for _ in range(ROUNDS):
        right = (1 - wrong) * np.exp(-known / (2 * sd**2))
        other = wrong / WRONG_SPREAD * np.exp(-known / (2 * (WRONG_SPREAD * sd) ** 2))
        share = other / (right + other + 1e-300)
        sd = max(float(np.sqrt((known * (1 - share + share / WRONG_SPREAD**2)).mean())), LEAST_SD)
        # Beta prior: as if a few more cases had been seen, of which it is wrong as often as usual.
        wrong = float((share.sum() + PRIOR_CASES * USUALLY_WRONG) / (len(known) + PRIOR_CASES))
    return sd, wrong


def _growth(errors: Array, ratio: Array) -> float:
    """The power of the blur with which absolute errors grow; 0 where there is no blur to learn from."""
    known = np.isfinite(errors) & np.isfinite(ratio) & (np.abs(errors) > 1e-6)
    x, y = np.log(ratio[known]), np.log(np.abs(errors[known]))
    if known.sum() < FEWEST or x.std() < 0.05:
        return 0.0
    return float(np.clip(np.polyfit(x, y, 1)[0], 0.0, 1.5))


def _correlation(errors: Array, otherwise: Array) -> Array:
    """(3, 3) of standardised errors (N, 3), shrunk; what is assumed where two sources were not seen together."""
    result = np.eye(errors.shape[1])
    for a in range(len(result)):
        for b in range(a):
            both = np.isfinite(errors[:, a]) & np.isfinite(errors[:, b])
            seen = (errors[both, a] * errors[both, b]).mean() if both.sum() >= FEWEST else otherwise[a, b]
            result[a, b] = result[b, a] = np.clip((1 - SHRINKAGE) * seen, -0.9, 0.9)
    values, vectors = np.linalg.eigh(result)
    result = vectors @ np.diag(np.maximum(values, 0.05)) @ vectors.T
    size = np.sqrt(np.diag(result))
    return np.asarray(result / np.outer(size, size))


def _scale(others: Sequence[Calibration], cases: Sequence[CaseEvidence], model: AgeModel) -> float:
    """The factor on all spreads with which intervals hold the truth of cases left out as often as they say.

    A little oftener, as in conformal prediction (Vovk et al., 2005): of N cases, the next one may be the worst.
    """
    low, high = SCALES
    chance = min(1.0, CHANCE * (len(cases) + 1) / len(cases))
    for _ in range(HALVINGS):
        scale = (low * high) ** 0.5
        tried = [dataclasses.replace(other, sd=other.sd * scale) for other in others]
        held = np.mean([_holds(each, case, model) for each, case in zip(tried, cases, strict=True)])
        low, high = (low, scale) if held >= chance else (scale, high)
    return high


def _holds(calibration: Calibration, case: CaseEvidence, model: AgeModel) -> list[bool]:
    """Of each length, whether its interval holds the truth."""
    lengths, _ = complete(case.evidence, case.age, model, calibration)
    intervals = (lengths[m].interval or (np.inf, np.inf) for m in MEASUREMENTS)
    return [low <= true <= high for true, (low, high) in zip(case.truth, intervals, strict=True)]

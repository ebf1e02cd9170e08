"""The five lengths of a case: what its image shows, weighed against what its age lets expect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from feta.age_model import CURVE_WEEKS, AgeModel
from feta.measurements import MEASUREMENTS, Measurement
from inference.biometry.age_check import AgeCheck, check_age
from inference.biometry.age_prior import DOUBTED_WEEKS, PATHOLOGICAL, PATHOLOGICAL_SPREAD, age_prior
from inference.biometry.calibration import SOURCES, WRONG_SPREAD, Calibration, LengthSource
from inference.biometry.line import Line
from inference.biometry.measure import Evidence
from inference.biometry.robust_fusion import Combined, combine, either

Array = npt.NDArray[np.float64]
#: A length beyond these multiples of the age's mean is a failed measurement rather than a patient: the smallest
#: cerebella that the literature calls hypoplastic are half of the mean.
PLAUSIBLE_RATIO = (0.45, 1.7)
#: This many impossible lengths are no patient's either.
IMPOSSIBLE_LENGTHS = 2
#: Chances of a length to lie below and above its interval.
TAILS = (0.05, 0.95)
#: Where the age has more weight than this, the user is warned. An image that shows nothing leaves it about 0.7, since
#: no age is trusted wholly.
MOSTLY_AGE = 0.65
IMAGE, AGE, BOTH, UNKNOWN = "image", "age", "image and age", ""


class Method(StrEnum):
    """How lengths are found; what a method doesn't find is taken from the age."""

    FUSION = "fusion"
    HEATMAP = "heatmap"
    GEOMETRY = "geometry"
    REGRESSION = "regression"
    AGE = "age"


@dataclass(frozen=True)
class Length:
    """One length and where it comes from.

    Attributes:
        value: mm; None where it is unknown.
        source: 'image', 'image and age', 'age', or '' where it is unknown.
        line: where it lies, in physical LPS mm, as long as the value; None unless it was seen on the image.
        interval: mm, from and to; holds the length with a chance of 90 %.
        age_share: weight of the age in the value, 0–1.
        estimates: mm, by each source and by the age alone.
    """

    value: float | None
    source: str
    line: Line | None = None
    interval: tuple[float, float] | None = None
    age_share: float = 0.0
    estimates: Mapping[str, float] = field(default_factory=dict)


def complete(
    evidence: Evidence,
    age: float | None,
    model: AgeModel,
    calibration: Calibration,
    method: Method = Method.FUSION,
) -> tuple[dict[Measurement, Length], tuple[str, ...]]:
    """Find each length from the image and the age, as far as they are known.

    Args:
        evidence: what was measured.
        age: weeks, None where unknown.
        model: mean and spread at an age.
        calibration: how far measurements are off.
        method: what counts.

    Returns:
        all five lengths, and warning lines about those that don't, or hardly, rest on the image.
    """
    check = AgeCheck()
    if age is not None and method is not Method.AGE:
        check = check_age(*_without_age(evidence, calibration), age, model)
        if check.contradiction is not None:
            without, warnings = complete(evidence, None, model, calibration, method)
            return without, (check.contradiction.describe(age), *warnings)
    estimates = evidence.estimates(calibration, age if method is Method.REGRESSION else None)
    if age is not None and is_no_brain(estimates, np.array([model.mean(m, age) for m in MEASUREMENTS])):
        # Where much is impossible, what looks possible is so by chance.
        empty = complete(Evidence({}, evidence.volumes), age, model, calibration, Method.AGE)[0]
        line = f"lengths on the image don't suit {age:g} weeks: all are taken from the age curve; check age and picture"
        return empty, (line, *_outside(age))
    lengths: dict[Measurement, Length] = {}
    problems: dict[Measurement, str] = {}
    for row, measurement in enumerate(MEASUREMENTS):
        expected = None if age is None else model.mean(measurement, age)
        used, problem = _usable(estimates[row], expected, method, check.side)
        if problem:
            problems[measurement] = problem
        asked = age is not None and not (used and method is not Method.FUSION)
        prior = _Prior.at(age, model, measurement, check.doubt) if age is not None and asked else None
        lengths[measurement] = _length(evidence, calibration, row, estimates[row], used, prior)
    return lengths, (*_missing(problems, age), *_unclear(lengths), *_outside(age))


def _without_age(evidence: Evidence, calibration: Calibration) -> tuple[Array, Array]:
    """What the image alone says: (5,) ln(mm), NaN where it says nothing, and (5,) standard deviations of its errors."""
    estimates = evidence.estimates(calibration, None)
    logs, sds = np.full(len(MEASUREMENTS), np.nan), np.ones(len(MEASUREMENTS))
    for row, measurement in enumerate(MEASUREMENTS):
        used, _ = _usable(estimates[row], None, Method.FUSION)
        if used:
            covariance = calibration.covariance(row, used, evidence.blur.get(measurement))
            combined = weigh(np.log(estimates[row][used]), covariance, calibration.wrong[row, used], None)
            logs[row], sds[row] = combined.distribution.moments()
    return logs, sds


def is_no_brain(estimates: Array, expected: Array) -> bool:
    """Whether so many lengths (5, 3) are impossible at an age, their means (5,), that no brain of it was measured.

    A length counts where every source that saw it is beyond the limits. One of them must be a biparietal one:
    a cerebellum and its vermis may both be tiny, and the rest of the brain is there.
    """
    ratio = estimates[:, [i for i, s in enumerate(SOURCES) if s is not LengthSource.REGRESSION]] / expected[:, None]
    beyond = (ratio < PLAUSIBLE_RATIO[0]) | (ratio > PLAUSIBLE_RATIO[1]) | np.isnan(ratio)
    impossible = np.asarray(beyond.all(axis=1) & np.isfinite(ratio).any(axis=1))
    wide = [MEASUREMENTS.index(m) for m in (Measurement.BBIP, Measurement.SBIP)]
    return int(impossible.sum()) >= IMPOSSIBLE_LENGTHS and bool(impossible[wide].any())


def _usable(found: Array, expected: float | None, method: Method, side: int = 0) -> tuple[list[int], str]:
    """Which sources count for a length, and why none does.

    Args:
        found: mm by each source, NaN where it has none.
        expected: mm at the age; None where it is unknown.
        method: which sources are wanted.
        side: 1 where several lengths are large for the age, -1 where they are small: then one impossibly far to that
            side is no failed measurement, the age is in doubt.
    """
    wanted = SOURCES if method is Method.FUSION else [s for s in SOURCES if s.value == method]
    known = [SOURCES.index(s) for s in wanted if np.isfinite(found[SOURCES.index(s)])]
    low, high = (0.0, np.inf) if expected is None else (r * expected for r in PLAUSIBLE_RATIO)
    low, high = 0.0 if side < 0 else low, np.inf if side > 0 else high
    used = [s for s in known if low <= found[s] <= high]
    measured = used if method is Method.REGRESSION else [s for s in used if SOURCES[s] is not LengthSource.REGRESSION]
    if measured or method is Method.AGE:
        return used, ""
    beyond = [s for s in known if s not in used]
    if beyond:
        return [], f"measures {found[beyond[-1]]:.1f} mm where {expected:.1f} mm is usual for the age"
    return [], "can't be measured on this image"


@dataclass(frozen=True)
class _Prior:
    """A length at an age, mean and standard deviation of ln(mm): with the age trusted, and doubted; and its doubt."""

    trusted: tuple[float, float]
    doubted: tuple[float, float]
    doubt: float

    @classmethod
    def at(cls, age: float, model: AgeModel, measurement: Measurement, doubt: float) -> _Prior:
        ways = (age_prior(model, measurement, age), age_prior(model, measurement, age, DOUBTED_WEEKS))
        return cls(*ways, doubt)


def _length(
    evidence: Evidence,
    calibration: Calibration,
    row: int,
    found: Array,
    used: list[int],
    prior: _Prior | None,
) -> Length:
    """A length from the sources that count, and from the age as far as it isn't doubted."""
    measurement = MEASUREMENTS[row]
    said = {str(SOURCES[s]): float(v) for s, v in enumerate(found) if np.isfinite(v)}
    if prior is not None:
        said[AGE] = float(np.exp(prior.trusted[0]))
    if not used and prior is None:
        return Length(None, UNKNOWN, estimates=said)
    covariance = calibration.covariance(row, used, evidence.blur.get(measurement))
    by_age = (None,) if prior is None else (prior.doubted, prior.trusted)
    ways = [weigh(np.log(found[used]), covariance, calibration.wrong[row, used], one) for one in by_age]
    combined = ways[0] if prior is None else either(ways[0], ways[1], prior.doubt)
    low, value, high = (float(np.exp(combined.distribution.quantile(p))) for p in (TAILS[0], 0.5, TAILS[1]))
    share = 0.0 if prior is None else float(np.clip(combined.shares[-1], 0, 1))
    weights = {evidence.line(measurement, SOURCES[s]): w for s, w in zip(used, combined.shares, strict=False)}
    line = max((one for one in weights if one is not None), key=lambda one: weights[one], default=None)
    source = AGE if not used else IMAGE if prior is None else BOTH
    return Length(value, source, None if line is None else line.stretched(value), (low, high), share, said)


def weigh(logs: Array, covariance: Array, wrong: Array, prior: tuple[float, float] | None) -> Combined:
    """Combine the estimates of the sources, and of the age, which comes last.

    Args:
        logs: (N,) ln(mm) of the sources.
        covariance: (N, N) of their errors.
        wrong: (N,) chance of each to be wrong.
        prior: mean and standard deviation of ln(mm) at the age.
    """
    widening = np.full(len(logs), WRONG_SPREAD)
    if prior is not None:
        apart = np.zeros((len(logs) + 1,) * 2)
        apart[:-1, :-1], apart[-1, -1] = covariance, prior[1] ** 2
        logs, covariance = np.append(logs, prior[0]), apart
        wrong, widening = np.append(wrong, PATHOLOGICAL), np.append(widening, PATHOLOGICAL_SPREAD)
    return combine(logs, covariance, wrong, widening)


def _missing(problems: Mapping[Measurement, str], age: float | None) -> tuple[str, ...]:
    if not problems:
        return ()
    outcome = "left empty, since no age is used" if age is None else "taken from the age curve"
    return (f"{', '.join(f'{m} {problem}' for m, problem in problems.items())}: {outcome}",)


def _outside(age: float | None) -> tuple[str, ...]:
    if age is None or CURVE_WEEKS[0] <= age <= CURVE_WEEKS[1]:
        return ()
    nearest = float(np.clip(age, *CURVE_WEEKS))
    return (f"{age:g} weeks lie outside the age curves; they are read at {nearest:g} weeks",)


def _unclear(lengths: Mapping[Measurement, Length]) -> tuple[str, ...]:
    unclear = [str(m) for m, n in lengths.items() if n.source == BOTH and n.age_share > MOSTLY_AGE]
    return (f"{', '.join(unclear)}: the image is so unclear that the age counts more",) if unclear else ()


@dataclass(frozen=True)
class Measuring:
    """How lengths are found.

    Attributes:
        model: mean and spread of each length at an age.
        calibration: how far measurements are off.
        method: which of them count.
    """

    model: AgeModel
    calibration: Calibration
    method: Method = Method.FUSION

"""Lengths that a gestational age alone predicts, and where a length lies among healthy fetuses.

The challenge's reference for biometry without an image is a straight line in age. Means and
spreads are published curves; each coefficient below is copied from its publication's formula.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from feta.errors import FetaError
from feta.files import read_text, write_atomically
from feta.measurements import MEASUREMENTS, Measurement

#: Weeks over which the straight lines are fitted to the curves.
FIT_WEEKS = (20.0, 38.0)
#: Weeks over which the curves are read; beyond, their parabolas turn, and the nearest of these weeks is taken.
CURVE_WEEKS = (18.0, 40.0)
#: A line is fitted to no fewer lengths, and to none whose ages span less.
FEWEST_LENGTHS, SHORTEST_SPAN_WEEKS = 3, 1.0


@dataclass(frozen=True)
class Curve:
    """mean = q2·a² + q1·a + q0, sd = sd1·a + sd0; mm, a in weeks from the first to the last that were measured."""

    source: str
    q2: float
    q1: float
    q0: float
    sd1: float
    sd0: float
    weeks: tuple[float, float] = (20.0, 40.0)

    def mean(self, age_weeks: float) -> float:
        """Mean length, mm."""
        return (self.q2 * age_weeks + self.q1) * age_weeks + self.q0

    def sd(self, age_weeks: float) -> float:
        """Standard deviation between fetuses, mm."""
        return self.sd1 * age_weeks + self.sd0


#: Brain Structure and Function 222:2295, as a public calculator transcribes it; and SVRTK's auto-proc-svrtk.
_KYRIAKOPOULOU = "Kyriakopoulou et al. 2017"
_KCL = "King's College London (Luis et al. 2025)"
_KYRIAKOPOULOU_WEEKS = (21.29, 38.86)

PUBLISHED_CURVES: dict[Measurement, Curve] = {
    Measurement.LCC: Curve(_KCL, -0.0687, 5.1529, -57.904, 0.0274, 0.4763),
    Measurement.HV: Curve(
        _KYRIAKOPOULOU,
        -0.0160406858650251,
        1.70362413748618,
        -19.6738459053175,
        0.060046327244326,
        -0.642983978573238,
        _KYRIAKOPOULOU_WEEKS,
    ),
    Measurement.BBIP: Curve(
        _KYRIAKOPOULOU,
        0.00745288371870462,
        2.15796641214556,
        -4.10103070034808,
        0.0964247812880832,
        -0.00860905658350885,
        _KYRIAKOPOULOU_WEEKS,
    ),
    Measurement.SBIP: Curve(
        _KYRIAKOPOULOU,
        -0.0552269320569366,
        5.91791531313345,
        -49.8911774130114,
        -0.00409764631804949,
        3.08061696569922,
        _KYRIAKOPOULOU_WEEKS,
    ),
    Measurement.TCD: Curve(
        _KYRIAKOPOULOU,
        0.00975811928717771,
        1.27358107306175,
        -11.4734382575368,
        0.058239782764265,
        -0.137234091662908,
        _KYRIAKOPOULOU_WEEKS,
    ),
}


@dataclass(frozen=True)
class AgeModel:
    """A straight line for each length, and the curves that say how lengths spread.

    Attributes:
        intercept: mm at age 0, by measurement.
        slope: mm a week, by measurement.
        curves: published mean and standard deviation, for centiles.
        fitted: lengths whose line was fitted to measured ones rather than to the published curve.
    """

    intercept: Mapping[Measurement, float]
    slope: Mapping[Measurement, float]
    curves: Mapping[Measurement, Curve] = field(default_factory=lambda: PUBLISHED_CURVES)
    fitted: frozenset[Measurement] = frozenset()

    def length(self, measurement: Measurement, age_weeks: float) -> float:
        """Predicted length, mm."""
        return self.intercept[measurement] + self.slope[measurement] * age_weeks

    def mean(self, measurement: Measurement, age_weeks: float) -> float:
        """The best guess at that age within CURVE_WEEKS, mm: the line where it was fitted, else the published curve."""
        age_weeks = _within(age_weeks)
        if measurement in self.fitted:
            return self.length(measurement, age_weeks)
        return self.curves[measurement].mean(age_weeks)

    def sd(self, measurement: Measurement, age_weeks: float) -> float:
        """Standard deviation between healthy fetuses of that age, mm."""
        return self.curves[measurement].sd(_within(age_weeks))

    def centile(self, measurement: Measurement, value_mm: float, age_weeks: float) -> float:
        """Centile (0–100) of a length among healthy fetuses of that age: normal around the published curve."""
        curve, age_weeks = self.curves[measurement], _within(age_weeks)
        return 100 * NormalDist(curve.mean(age_weeks), curve.sd(age_weeks)).cdf(value_mm)


def _within(age_weeks: float) -> float:
    return min(max(age_weeks, CURVE_WEEKS[0]), CURVE_WEEKS[1])


def published_model() -> AgeModel:
    """Least-squares straight lines through the published curves over FIT_WEEKS, one point a tenth of a week."""
    ages = np.linspace(*FIT_WEEKS, round(10 * (FIT_WEEKS[1] - FIT_WEEKS[0])) + 1)
    intercept, slope = {}, {}
    for measurement, curve in PUBLISHED_CURVES.items():
        means = [curve.mean(age) for age in ages]
        intercept[measurement], slope[measurement] = (
            float(v) for v in np.polynomial.Polynomial.fit(ages, means, 1).convert().coef
        )
    return AgeModel(intercept, slope)


def fit_age_model(ages: npt.ArrayLike, lengths: npt.ArrayLike) -> tuple[AgeModel, tuple[Measurement, ...]]:
    """Least-squares straight lines through measured lengths.

    A measure with fewer than three lengths, or with all at nearly one age, keeps its published line.

    Args:
        ages: (N,) weeks, NaN where unknown.
        lengths: (N, 5) mm in the order of MEASUREMENTS, NaN where unknown.

    Returns:
        the lines, and the measures that were fitted.
    """
    weeks, table = np.asarray(ages, np.float64), np.asarray(lengths, np.float64).reshape(-1, len(MEASUREMENTS))
    model = published_model()
    intercept, slope = dict(model.intercept), dict(model.slope)
    fitted = []
    for measurement, column in zip(MEASUREMENTS, table.T, strict=True):
        known = np.isfinite(weeks) & np.isfinite(column)
        if known.sum() < FEWEST_LENGTHS or np.ptp(weeks[known]) < SHORTEST_SPAN_WEEKS:
            continue
        line = np.polynomial.Polynomial.fit(weeks[known], column[known], 1).convert().coef
        intercept[measurement], slope[measurement] = (float(v) for v in line)
        fitted.append(measurement)
    return AgeModel(intercept, slope, fitted=frozenset(fitted)), tuple(fitted)


def write_age_model(path: Path, model: AgeModel) -> None:
    """Write the fitted lines as ``read_age_model`` reads them, which keeps the published ones of the others. Atomic.

    Raises:
        FetaError: the file can't be written.
    """
    lines = {
        str(m): [round(model.intercept[m], 6), round(model.slope[m], 6)] for m in MEASUREMENTS if m in model.fitted
    }
    write_atomically(path, json.dumps(lines, indent=1) + "\n")


def read_age_model(path: Path) -> AgeModel:
    """Read lines from JSON ``{measure: [intercept, slope]}`` (mm, mm a week).

    A measure that is left out keeps its published line.

    Raises:
        FetaError: the file can't be read, or a line isn't two plain numbers, or not positive over CURVE_WEEKS.
    """
    try:
        lines = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise FetaError(path, "is not JSON", 'write {"TCD": [intercept, slope], …}') from error
    if not isinstance(lines, dict) or not lines:
        raise FetaError(path, "holds no lines", 'write {"TCD": [intercept, slope], …}')
    model = published_model()
    intercept, slope = dict(model.intercept), dict(model.slope)
    for name, line in lines.items():
        if name not in MEASUREMENTS:
            raise FetaError(path, f"does not know {name!r}", f"measures are {', '.join(MEASUREMENTS)}")
        if not isinstance(line, list) or len(line) != 2 or not all(_is_number(v) for v in line):
            raise FetaError(path, f"{name} is not [intercept, slope]", "give two numbers (mm, mm a week)")
        if min(line[0] + line[1] * week for week in CURVE_WEEKS) <= 0:
            raise FetaError(
                path, f"{name} is not positive from week {CURVE_WEEKS[0]:g} to {CURVE_WEEKS[1]:g}", "check it"
            )
        intercept[Measurement(name)], slope[Measurement(name)] = (float(v) for v in line)
    return AgeModel(intercept, slope, fitted=frozenset(map(Measurement, lines)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e6

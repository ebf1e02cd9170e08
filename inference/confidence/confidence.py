"""All that is said of how far a case's results can be trusted, from its signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from feta.labels import TISSUE_NAMES, TISSUES
from feta.measurements import MEASUREMENTS, Measurement
from inference.biometry.lengths import Length
from inference.confidence.age_estimate import Age
from inference.confidence.quality_model import Expectation, QualityModel
from inference.confidence.signals import Signals
from inference.confidence.thresholds import Thresholds, thresholds
from inference.confidence.verdict import Judgement, Reason, Verdict, judge
from inference.morphometry.length_errors import LengthErrors
from inference.morphometry.measured import Measured


@dataclass(frozen=True)
class Confidence:
    """How far a case's results can be trusted.

    Attributes:
        judgement: the verdict and its reasons.
        expected: Dice, HD95, volumes and lengths with intervals; None without a model of quality.
        age: estimated from the image; None where it can't be.
        notes: what is to be said beside the verdict, one line each.
    """

    judgement: Judgement
    expected: Expectation | None = None
    age: Age | None = None
    notes: tuple[str, ...] = ()

    def entry(self) -> dict[str, Any]:
        """For run.json: ``verdict``, its reasons, and the estimated age."""
        reasons = [{"text": r.text, "about": r.about, "verdict": str(r.verdict)} for r in self.judgement.reasons]
        age = None if self.age is None else [round(v, 1) for v in (self.age.weeks, self.age.low, self.age.high)]
        found: dict[str, Any] = {"verdict": str(self.judgement.verdict), "verdict_reasons": reasons}
        if age is not None:
            found["age_estimated"] = age
        if self.expected is not None:
            dice = self.expected.dice[:, 0]
            found["expected_dice"] = {t.name: round(float(v), 3) for t, v in zip(TISSUES, dice, strict=True)}
        return found

    def for_page(self) -> tuple[str, tuple[str, ...], tuple[tuple[str, float, float, float], ...], str]:
        """Verdict, reasons, (tissue, Dice, low, high), and the estimated age in words."""
        rows = () if self.expected is None else zip(TISSUES, self.expected.dice.tolist(), strict=True)
        dice = tuple((TISSUE_NAMES[t], float(v), float(low), float(high)) for t, (v, low, high) in rows)
        reasons = tuple(reason.text for reason in self.judgement.reasons)
        return str(self.judgement.verdict), reasons, dice, "" if self.age is None else self.age.words

    def with_intervals(self, lengths: Mapping[Measurement, Length]) -> dict[Measurement, Length]:
        """The lengths with the intervals that hold what they promise; as they are without a model of quality."""
        if self.expected is None:
            return dict(lengths)
        found = {}
        for measurement, (_, low, high) in zip(MEASUREMENTS, self.expected.length, strict=True):
            if measurement in lengths:
                one = lengths[measurement]
                known = one.value is not None and np.isfinite([low, high]).all()
                found[measurement] = replace(one, interval=(float(low), float(high))) if known else one
        return found

    def with_volumes(self, sizes: Sequence[Measured]) -> tuple[Measured, ...]:
        """Sizes with the intervals of the tissues' volumes; as they are without a model of quality."""
        if self.expected is None:
            return tuple(sizes)
        found = {t.name: (float(v[1]), float(v[2])) for t, v in zip(TISSUES, self.expected.volume, strict=True)}
        return tuple(
            replace(size, low=found[size.key][0], high=found[size.key][1])
            if size.key in found and size.value is not None and np.isfinite(found[size.key]).all()
            else size
            for size in sizes
        )

    def rows(self) -> list[tuple[str, str, float, float, float]]:
        """(measure, tissue or length, value, low, high) of all that is expected; NaN left out."""
        if self.expected is None:
            return []
        tissues, lengths = [t.name for t in TISSUES], [str(m) for m in MEASUREMENTS]
        rows = []
        for measure, names in (("dice", tissues), ("hd95", tissues), ("volume", tissues), ("length", lengths)):
            for name, found in zip(names, getattr(self.expected, measure), strict=True):
                value, low, high = (float(v) for v in found)
                if np.isfinite(found).all():
                    rows.append((measure, name, value, low, high))
        return rows


def refused(why: str) -> Confidence:
    """In a volume that was refused before anything was segmented."""
    return Confidence(Judgement.of([Reason(why, verdict=Verdict.REJECT)]))


@dataclass(frozen=True)
class Judging:
    """By what results are judged.

    Attributes:
        model: of quality; None where nobody measured the errors of the weights.
        limits: see ``verdict.yaml``.
        further: how far the further lengths are off; nothing where nobody measured it of the weights.
    """

    model: QualityModel | None = None
    limits: Thresholds = field(default_factory=thresholds)
    further: LengthErrors = field(default_factory=LengthErrors)


def assess(
    signals: Signals,
    lengths: Mapping[Measurement, Length],
    ageless: Mapping[Measurement, Length],
    age: float | None,
    judging: Judging,
    doubts: Sequence[str] = (),
) -> Confidence:
    """How far a case's results can be trusted.

    Args:
        signals: of the case.
        lengths: as they were found; empty where they were not measured.
        ageless: the same without any age.
        age: that was given, weeks; None where unknown.
        judging: by what.
        doubts: what earlier steps warned of that puts the whole result in doubt.
    """
    model, limits = judging.model, judging.limits
    if model is None:
        return Confidence(judge(signals, None, None, limits, doubts))
    estimated = model.age.estimate(signals.volumes, _values(ageless), signals.folding) if ageless else None
    weeks = age if age is not None else np.nan if estimated is None else estimated.weeks
    intervals = np.array([_interval(lengths.get(m)) for m in MEASUREMENTS], np.float64)
    expected = model.expect(signals, _values(lengths), intervals, float(weeks))
    notes = []
    if expected.outside:
        youngest, oldest = model.ages
        notes.append(f"errors were measured from {youngest:.0f} to {oldest:.0f} weeks: intervals are wider, no promise")
    if age is not None and estimated is not None and estimated.beyond(age) > limits.age_beyond_weeks:
        notes.append(f"the image looks like {estimated.words}, {age:g} weeks were given: check the age")
    doubts = (*doubts, *doubts_of_age(age, estimated, limits))
    verdict = judge(signals, expected, model.distance(signals), limits, doubts)
    return Confidence(verdict, expected, estimated, tuple(notes))


def doubts_of_age(age: float | None, estimated: Age | None, limits: Thresholds) -> tuple[str, ...]:
    """What puts a result in doubt of which the image shows quite another age than the given one."""
    if age is None or estimated is None:
        return ()
    if estimated.beyond(age) > limits.age_check_weeks:
        shown = f"a brain of this size and folding is of {estimated.words}"
    elif abs(estimated.by_size - age) > limits.age_by_size_weeks:
        shown = f"a brain of this size is of about {estimated.by_size:.0f} weeks"
    else:
        return ()
    return (f"{shown}, not of {age:g}: the age or the voxels' size is wrong, or the brain is far from usual",)


def _values(lengths: Mapping[Measurement, Length]) -> np.ndarray:
    found = (lengths.get(m) for m in MEASUREMENTS)
    return np.array([np.nan if one is None or one.value is None else one.value for one in found], np.float64)


def _interval(length: Length | None) -> tuple[float, float]:
    return (np.nan, np.nan) if length is None or length.interval is None else length.interval

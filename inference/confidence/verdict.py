"""Accept, check or reject: a verdict on a result, with its reasons in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import exp, log

from feta.labels import TISSUE_NAMES, TISSUES
from feta.measurements import MEASUREMENTS
from inference.confidence.quality_model import Expectation
from inference.confidence.signals import Signals
from inference.confidence.thresholds import Thresholds


class Verdict(StrEnum):
    """What to do with a result; ``unjudged`` where nobody measured the errors of the weights, and no rule speaks."""

    UNJUDGED = "unjudged"
    ACCEPT = "accept"
    CHECK = "check"
    REJECT = "reject"


#: From the mildest to the gravest.
_GRAVITY = (Verdict.UNJUDGED, Verdict.ACCEPT, Verdict.CHECK, Verdict.REJECT)


@dataclass(frozen=True)
class Reason:
    """Why a result is not accepted.

    Attributes:
        text: a sentence without its full stop.
        about: the tissue or length it concerns, by its short name; "" for the whole.
        verdict: what it calls for.
    """

    text: str
    about: str = ""
    verdict: Verdict = Verdict.CHECK


@dataclass(frozen=True)
class Judgement:
    """A verdict and why; the gravest reason comes first."""

    verdict: Verdict
    reasons: tuple[Reason, ...] = field(default=())

    @classmethod
    def of(cls, reasons: Sequence[Reason], mildest: Verdict = Verdict.ACCEPT) -> Judgement:
        """The verdict that the gravest of some reasons calls for; the mildest without any."""
        ordered = sorted(reasons, key=lambda reason: -_GRAVITY.index(reason.verdict))
        return cls(ordered[0].verdict if ordered else mildest, tuple(ordered))

    @property
    def line(self) -> str:
        """For people, such as 'check: cerebellum: expected Dice 0.58'."""
        return f"{self.verdict}: {'; '.join(r.text for r in self.reasons)}" if self.reasons else str(self.verdict)


def judge(
    signals: Signals,
    expected: Expectation | None,
    distance: float | None,
    limits: Thresholds,
    doubts: Sequence[str] = (),
) -> Judgement:
    """The verdict on a result.

    Args:
        signals: of the case.
        expected: quality; None where nobody measured the errors of these weights (no ``confidence.json``): nothing is
            accepted then, and only rules speak.
        distance: of the signals from those that errors were measured on; None likewise.
        limits: see ``verdict.yaml``.
        doubts: what earlier steps warned of that puts the whole result in doubt.
    """
    reasons = [*_of_no_brain(signals, limits), *_of_the_image(signals, limits)]
    reasons += [Reason(line) for line in doubts]
    if expected is None or distance is None:
        return Judgement.of(reasons, Verdict.UNJUDGED)
    reasons += [*_of_quality(expected, limits), *_of_lengths(expected, limits)]
    if expected.outside >= limits.outside_weeks:
        beyond = f"{expected.outside:.0f} weeks younger or older than all that errors were measured on"
        reasons.append(Reason(f"the brain is {beyond}: expected quality may be wrong"))
    if distance > limits.brain.distance:
        reasons.append(Reason("the volume is unlike all that errors were measured on: expected quality may be wrong"))
    return Judgement.of(reasons)


def _of_no_brain(signals: Signals, limits: Thresholds) -> Iterator[Reason]:
    """What no fetal brain has."""
    millilitres = float(signals.volumes.sum())
    if not millilitres:
        yield Reason("no brain was found: the label map is empty", verdict=Verdict.REJECT)
        return
    if signals.case.get("pose_found", 1.0) == 0.0:
        yield Reason("no brain was recognised: the places of its parts don't fit together", verdict=Verdict.REJECT)
    if millilitres > limits.brain.largest_ml:
        yield Reason(f"{millilitres:.0f} ml are more than any fetus's brain has", verdict=Verdict.REJECT)
    if millilitres < limits.brain.smallest_ml:
        yield Reason(f"{millilitres:.0f} ml are less than any brain has that can be imaged", verdict=Verdict.REJECT)
    for tissue, volume in zip(TISSUES, signals.volumes, strict=True):
        if not volume:
            yield Reason(f"{TISSUE_NAMES[tissue]}: not found", tissue.name)


def _of_the_image(signals: Signals, limits: Thresholds) -> Iterator[Reason]:
    """What shows that a part of the brain is missing, or that the image is of another kind."""
    case, brain = signals.case, limits.brain
    if case.get("symmetry", 1.0) < brain.symmetry:
        yield Reason("the two halves of the brain are unlike each other: a part of one may be missing")
    if case.get("symmetry", 0.0) > brain.twins:
        yield Reason("the two halves of the brain are the same: one may be a copy of the other")
    if max(case.get("flat_end", 0.0), case.get("cut_end", 0.0)) > brain.flat_end:
        yield Reason("the brain ends in a plane: a part of it may be cut off")
    if case.get("blank_slices", 0.0) > brain.blank_slices:
        yield Reason(f"{100 * case['blank_slices']:.0f} % of the brain's slices hold no signal")
    for name, (least, most) in (("long", brain.long), ("high", brain.high)):
        value = case.get(name, 0.0)
        if value < least or value > most:  # not so where it is NaN
            said = f"the brain is {exp(value):.2f} times as {name} as wide"
            yield Reason(f"{said}: slices are missing, or the voxels' size is wrong")
    if case.get("outside", 0.0) > brain.outside:
        yield Reason(f"{100 * case['outside']:.0f} % of what was segmented lies where the image has no signal")
    if case.get("contrast_fluid", 1.0) <= brain.fluid_over_white:
        yield Reason("fluid is no brighter than white matter: no T2-weighted volume, or a wrong segmentation")
    if case.get("anisotropy", 0.0) > log(brain.largest_anisotropy):
        yield Reason(f"voxels are {exp(case['anisotropy']):.1f} times as long as wide, as in a stack of slices")


def _of_quality(expected: Expectation, limits: Thresholds) -> Iterator[Reason]:
    """Expected Dice of the whole and of the tissues."""
    mean = float(expected.dice[:, 0].mean())
    if mean < limits.accept.mean_dice:
        grave = mean < limits.reject.mean_dice
        yield Reason(f"expected mean Dice {mean:.2f}", verdict=Verdict.REJECT if grave else Verdict.CHECK)
    for tissue, (dice, low, _) in zip(TISSUES, expected.dice, strict=True):
        if dice < limits.accept.tissue_dice:
            grave = dice < limits.reject.tissue_dice
            text = f"{TISSUE_NAMES[tissue]}: expected Dice {dice:.2f} ({low:.2f} or more with 95 %)"
            yield Reason(text, tissue.name, Verdict.REJECT if grave else Verdict.CHECK)


def _of_lengths(expected: Expectation, limits: Thresholds) -> Iterator[Reason]:
    for measurement, (value, low, high) in zip(MEASUREMENTS, expected.length, strict=True):
        if value > 0 and (high - low) / 2 > limits.length_half_width * value:
            yield Reason(f"{measurement}: {low:.0f} to {high:.0f} mm is all that is known of it", str(measurement))

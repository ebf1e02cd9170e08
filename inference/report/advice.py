"""What to check in a case, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference.morphometry.measured import Measured

ALWAYS = (
    "That the outlines follow what you see: cerebellum and brainstem first, then the ventricles and the cortex.",
    "That each line ends where you would put your callipers.",
)


@dataclass(frozen=True)
class Check:
    """Something to look at.

    Attributes:
        text: a sentence.
        key: of the size that it is about; empty where it is about none.
    """

    text: str
    key: str = ""


def checks(measured: Sequence[Measured], age: float | None, *, empty: bool) -> list[Check]:
    """What to look at, the most urgent first.

    Args:
        measured: the case's sizes.
        age: weeks; None where unknown.
        empty: whether the label map is empty.
    """
    if empty:
        return [Check("No brain was found. Does the volume show a head, and is it a T2-weighted reconstruction?")]
    found = []
    if age is None:
        found.append(Check("The gestational age is unknown, so that no size has a centile. Name it and run again."))
    flagged = sorted((m for m in measured if m.flag), key=lambda m: -abs(m.z or 0.0))
    found += [Check(f"{sentence(m)}", m.key) for m in flagged]
    return found


def sentence(measured: Measured) -> str:
    """Such as 'Transverse cerebellar diameter: 21.0 mm, below the 3rd centile (z −2.6).'"""
    value = "not measured" if measured.value is None else f"{measured.value:.1f} {measured.unit}"
    place = "" if measured.z is None else f" (z {signed(measured.z)})"
    title = measured.title[:1].upper() + measured.title[1:]
    return f"{title}: {value}, {measured.flag}{place}."


def signed(number: float) -> str:
    """'+1.2' or '−2.6', with a real minus."""
    return f"{number:+.1f}".replace("-", "−")

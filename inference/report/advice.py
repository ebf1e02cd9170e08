"""What to check in a case, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference.morphometry.measured import Measured
from inference.report.render import capitalised

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
    found += [Check(sentence(m), m.key) for m in flagged if is_extreme(m)]
    # What says nothing about the brain takes one line, however many sizes share it.
    rest: dict[str, list[str]] = {}
    for each in flagged:
        if not is_extreme(each):
            rest.setdefault(each.flag, []).append(short_title(each.title))
    found += [Check(f"{capitalised(flag)}: {', '.join(titles)}.") for flag, titles in rest.items()]
    return found


def short_title(title: str) -> str:
    """A size's name without what it is made of: 'brain' of 'brain: grey matter, …'."""
    return title.partition(":")[0]


def is_extreme(measured: Measured) -> bool:
    """Whether a size is flagged for lying outside of what healthy fetuses have."""
    return measured.flag.startswith(("below", "above")) or any(w in measured.flag for w in ("; below", "; above"))


def sentence(measured: Measured) -> str:
    """Such as 'Transverse cerebellar diameter: 21.0 mm, below the 3rd centile (z −2.6).'"""
    value = "not measured" if measured.value is None else f"{measured.value:.1f} {measured.unit}"
    place = "" if measured.z is None else f" (z {signed(measured.z)})"
    return f"{capitalised(short_title(measured.title))}: {value}, {measured.flag}{place}."


def signed(number: float) -> str:
    """'+1.2' or '−2.6', with a real minus."""
    text = f"{number:+.1f}"
    return "0.0" if text[1:] == "0.0" else text.replace("-", "−")


def centile_text(centile: float) -> str:
    """'48'; beyond 1 and 99 no more is said than that."""
    return "< 1" if centile < 1 else "> 99" if centile > 99 else f"{centile:.0f}"

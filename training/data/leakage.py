"""The guard against leakage: whoever holds a subject out learns from nothing made of it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Any

from feta.errors import FetaError
from training.data.renamed_settings import run_settings

#: Settings and names of subjects, in values that YAML knows.
MadeOf = dict[str, Any]


#: What may change when a run goes on: how long it lasts and how often it looks up.
FREE = ("loop.steps", "loop.minutes", "loop.validate_every", "loop.checkpoint_minutes")


#: What a run is made of, but for whom it learns from.
_NOT_LEARNED = ("settings", "validation", "held_out", "answers")


#: What differs where it isn't subjects.
_MEANS = {"answers": "another --network"}


def made_of(settings: Any, **subjects: Iterable[str]) -> MadeOf:
    """Write down what a run is made of.

    Args:
        settings: a dataclass of plain values, enumerations, tuples and such dataclasses.
        subjects: names, by what they are for: learned from (``training``, ``more``, and ``origins``, of whom those
            were made), or not (``validation`` and ``held_out``).
    """
    return {"settings": _plain(dataclasses.asdict(settings))} | {name: sorted(of) for name, of in subjects.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.value if isinstance(value, Enum) else value


def learned_from(made_of: MadeOf) -> list[str]:
    """Names of all subjects that a run learns from."""
    return sorted({name for use, names in made_of.items() if use not in _NOT_LEARNED for name in names})


def tells_origins(made_of: MadeOf) -> bool:
    """Whether a run has written down of whom the subjects that it learned from were made; older ones have not."""
    return "origins" in made_of


def known_to(state: dict[str, Any]) -> list[str]:
    """Names that the run of a checkpoint, and those that it began with, learned from."""
    return sorted({*learned_from(state["made_of"]), *state["before"]})


def check_apart(run: Path, now: MadeOf) -> None:
    """A run may not learn from whom it holds out.

    Args:
        run: its folder.
        now: what it is made of.

    Raises:
        FetaError: it would.
    """
    if both := sorted(_held_out(now).intersection(learned_from(now))):
        remedy = "take it out of what is learned from, or add --everything, which holds nobody out"
        raise FetaError(run, f"would learn from {both[0]}, which it holds out", remedy)


def check_held_out(run: Path, known: Iterable[str], now: MadeOf) -> None:
    """A run may not use another one that learned from whom it holds out itself.

    Args:
        run: the other.
        known: names that it learned from.
        now: what this one is made of.

    Raises:
        FetaError: it learned from one of them.
    """
    if both := sorted(_held_out(now).intersection(known)):
        remedy = "name a run that did not, or, if it means another subject, give that one another name"
        raise FetaError(run, f"learned from {both[0]}, which this run holds out", remedy)


def _held_out(made_of: MadeOf) -> set[str]:
    return {*made_of.get("validation", ()), *made_of.get("held_out", ())}


def check_same(path: Path, state: dict[str, Any], now: MadeOf) -> None:
    """A run goes on only with what it began with: held-out subjects must never be learned from.

    Raises:
        FetaError: settings or subjects differ.
    """
    if "origins" in now and not tells_origins(state["made_of"]):
        problem = "was begun by a version that did not write down of whom subjects were made"
        raise FetaError(path, problem, "begin another run; --from takes the weights of this one")
    remedy = "call it as it was begun, or name another run folder"
    begun, wanted = _flat(run_settings(state["made_of"]["settings"], path)), _flat(now["settings"])
    for name in sorted(begun.keys() | wanted.keys()):
        if name not in FREE and begun.get(name) != wanted.get(name):
            raise FetaError(path, f"was begun with {name} {begun.get(name)} instead of {wanted.get(name)}", remedy)
    for use in sorted((state["made_of"].keys() | now.keys()) - {"settings"}):
        then: Counter[str] = Counter(state["made_of"].get(use, ()))
        given: Counter[str] = Counter(now.get(use, ()))
        if other := sorted((then - given) + (given - then)):
            raise FetaError(
                path, f"was begun with {_MEANS.get(use, f'other {use} subjects')} (such as {other[0]})", remedy
            )


def _flat(settings: Any, where: str = "") -> dict[str, Any]:
    if not isinstance(settings, dict):
        return {where: settings}
    return {k: v for name, each in settings.items() for k, v in _flat(each, f"{where}.{name}".strip(".")).items()}

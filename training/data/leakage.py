"""The guard against leakage: what holds a subject out learns neither from it nor from anything derived from it.

Every run writes down its lineage, which it and the runs that are fine-tuned from it are checked against.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable
from enum import Enum
from pathlib import Path
from typing import Any

from feta.errors import FetaError
from training.data.renamed_settings import run_settings

#: Settings of a run and names of subjects by their use, in values that YAML knows; ``made_of`` in a checkpoint.
Lineage = dict[str, Any]
#: Settings that may change when a run is resumed: how long it lasts, how often it validates and saves.
FREE = ("loop.steps", "loop.minutes", "loop.validate_every", "loop.checkpoint_minutes")
#: Entries of a lineage that are not names of subjects learned from.
_NOT_LEARNED = ("settings", "validation", "held_out", "answers")
#: What a difference means in entries that are not subjects.
_MEANING = {"answers": "another --network"}


def lineage_of(settings: Any, **subjects: Iterable[str]) -> Lineage:
    """Write down what a run depends on.

    Args:
        settings: a dataclass of plain values, enumerations, tuples and such dataclasses.
        subjects: names, by their use: learned from (``training``, ``more``, and ``origins``, their source subjects),
            or not (``validation`` and ``held_out``).
    """
    return {"settings": _plain(dataclasses.asdict(settings))} | {use: sorted(names) for use, names in subjects.items()}


def leaks(name: str, source_subjects: Iterable[str], excluded: Collection[str]) -> bool:
    """Whether learning from a subject would leak excluded ones: it is one of them, or is derived from one."""
    return not {name, *source_subjects}.isdisjoint(excluded)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.value if isinstance(value, Enum) else value


def learned_from(lineage: Lineage) -> list[str]:
    """Names of all subjects that a run learns from."""
    return sorted({name for use, names in lineage.items() if use not in _NOT_LEARNED for name in names})


def tells_source_subjects(lineage: Lineage) -> bool:
    """Whether a run has written down the source subjects of those that it learned from; older ones have not."""
    return "origins" in lineage


def subjects_seen(state: dict[str, Any]) -> list[str]:
    """Names that the run of a checkpoint learned from, and the runs whose weights it was fine-tuned from."""
    return sorted({*learned_from(state["made_of"]), *state["before"]})


def tells_all_subjects(state: dict[str, Any]) -> bool:
    """Whether those are all: weights as they are shipped name none, and no run that began with such names theirs."""
    return bool(state["made_of"]) and not state.get("untold", False)


def check_apart(run: Path, now: Lineage) -> None:
    """Refuse a run that would learn from subjects that it holds out.

    Args:
        run: its folder.
        now: its lineage.

    Raises:
        FetaError: it would.
    """
    if both := sorted(_held_out(now).intersection(learned_from(now))):
        remedy = "take it out of what is learned from, or add --everything, which holds nobody out"
        raise FetaError(run, f"would learn from {both[0]}, which it holds out", remedy)


def check_held_out(run: Path, seen: Iterable[str], now: Lineage) -> None:
    """Refuse the weights of another run that has seen subjects which this one holds out.

    Args:
        run: the other.
        seen: names that it learned from.
        now: lineage of this one.

    Raises:
        FetaError: it learned from one of them.
    """
    if both := sorted(_held_out(now).intersection(seen)):
        remedy = "name a run that did not, or, if it means another subject, give that one another name"
        raise FetaError(run, f"learned from {both[0]}, which this run holds out", remedy)


def _held_out(lineage: Lineage) -> set[str]:
    return {*lineage.get("validation", ()), *lineage.get("held_out", ())}


def check_same(path: Path, state: dict[str, Any], now: Lineage) -> None:
    """Refuse to resume a run with other settings or subjects: held-out subjects must never be learned from.

    Raises:
        FetaError: settings or subjects differ.
    """
    if "origins" in now and not tells_source_subjects(state["made_of"]):
        problem = "was begun by a version that did not write down source subjects"
        raise FetaError(path, problem, "begin another run; --pretrained takes the weights of this one")
    remedy = "call it as it was begun, or name another run folder"
    begun, wanted = _flat(run_settings(state["made_of"]["settings"], path)), _flat(now["settings"])
    if "network.norm" in wanted:  # which an anatomy's network has not
        begun = {"network.norm": "instance"} | begun  # there was nothing else to choose
    for name in sorted(begun.keys() | wanted.keys()):
        if name not in FREE and begun.get(name) != wanted.get(name):
            raise FetaError(path, f"was begun with {name} {begun.get(name)} instead of {wanted.get(name)}", remedy)
    for use in sorted((state["made_of"].keys() | now.keys()) - {"settings"}):
        then: Counter[str] = Counter(state["made_of"].get(use, ()))
        given: Counter[str] = Counter(now.get(use, ()))
        if other := sorted((then - given) + (given - then)):
            raise FetaError(
                path, f"was begun with {_MEANING.get(use, f'other {use} subjects')} (such as {other[0]})", remedy
            )


def _flat(settings: Any, where: str = "") -> dict[str, Any]:
    if not isinstance(settings, dict):
        return {where: settings}
    return {k: v for name, each in settings.items() for k, v in _flat(each, f"{where}.{name}".strip(".")).items()}

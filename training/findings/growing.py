"""Growth towards sizes that are set: small flows, each led by fields on the brain as it is then, until rulers agree.

A stationary field that drives a structure to a multiple of its size leaves it on the way, since the structure moves;
here the fields are made anew after every step. Each step is a flow along a smooth field and so a diffeomorphism, and so
is what they make together (Grenander, Srivastava and Saini, "A pattern-theoretic characterization of biological
growth", IEEE Trans Med Imaging 2007;26:648).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from training.anatomy.head_model import HeadModel
from training.anatomy.velocity_field import Field
from training.findings.grown_head import GrownHead
from training.findings.scene import Scene

#: Rounds of growth at most, the length of a first trial, and how often a step that folds is halved.
_ROUNDS, _TRIAL, _HALVINGS = 20, 0.5, 3
#: A field is followed for no longer than this at once, units of its time.
_LONGEST = 1.2
#: A later step's answer counts within this factor of the trial's.
_TRUST = 8.0


@dataclass(frozen=True)
class Goal:
    """A size, and the field that changes it.

    Attributes:
        name: with its unit, as in ``atrium_left_mm``.
        target: what it should be.
        tolerance: how near is near enough.
        measure: the size at present.
        field: (Z, Y, X, 3) mm a unit of time; along it the size grows.
        volume: whether it changes by a factor a unit of time rather than by an amount.
    """

    name: str
    target: float
    tolerance: float
    measure: Callable[[Scene], float]
    field: Callable[[Scene], Field]
    volume: bool = False

    def missing(self, value: float) -> float:
        """How far a size is from the target, on the scale on which it changes evenly."""
        return self._scaled(self.target) - self._scaled(value)

    def reached(self, value: float) -> bool:
        """Whether a size is near enough."""
        return abs(self.target - value) <= self.tolerance

    def _scaled(self, value: float) -> float:
        return float(np.log(max(value, 1e-3))) if self.volume else value


@dataclass(frozen=True)
class Growth:
    """What came of it.

    Attributes:
        head: the grown brain.
        reached: the size of each goal at the end, by its name.
    """

    head: GrownHead
    reached: dict[str, float]


def grow(base: HeadModel, goals: Sequence[Goal]) -> Growth:
    """Let a brain grow until its sizes are those set, or until it can grow no further without a fold.

    Args:
        base: the brain; a ``GrownHead`` goes on growing.
        goals: all pursued at once.
    """
    head = base if isinstance(base, GrownHead) else GrownHead.unchanged(base)
    scene = Scene(head)
    values = [goal.measure(scene) for goal in goals]
    trials = np.array([_answer(scene, goal, value) for goal, value in zip(goals, values, strict=True)])
    rates, free = trials.copy(), np.ones(len(goals), bool)
    for _ in range(_ROUNDS):
        pairs = list(zip(goals, values, strict=True))
        asked = free & [not goal.reached(value) for goal, value in pairs]
        if not asked.any():
            break
        missing = np.array([goal.missing(value) for goal, value in pairs])
        times = np.clip(missing / rates, -_LONGEST, _LONGEST) * asked
        taken = _stepped(scene, goals, times)
        if taken is None:  # those that would fold alone stay as they are, and the others go on
            folding = [bool(t) and _stepped(scene, [g], [t]) is None for g, t in zip(goals, times, strict=True)]
            if not any(folding):
                break
            free &= ~np.array(folding)
            continue
        scene, share = taken
        values = [goal.measure(scene) for goal in goals]
        change = missing - [goal.missing(value) for goal, value in zip(goals, values, strict=True)]
        long = np.abs(share * times) > 0.05
        seen = np.where(long, change / np.where(long, share * times, 1.0), rates)
        # Another goal's field may have pulled the other way: what was seen alone bounds what is believed.
        rates = (rates + np.clip(seen / trials, 1 / _TRUST, _TRUST) * trials) / 2
    return Growth(scene.head, {goal.name: float(value) for goal, value in zip(goals, values, strict=True)})


def _answer(scene: Scene, goal: Goal, value: float) -> float:
    """How fast a size changes along its field, by a short trial."""
    tried = scene.head.flowed(_TRIAL * goal.field(scene))
    change = 0.0 if tried is None else (goal.missing(value) - goal.missing(goal.measure(Scene(tried)))) / _TRIAL
    # A trial in which something else outweighs the growth tells nothing.
    return change if change > 1e-6 else 1.0


def _stepped(scene: Scene, goals: Sequence[Goal], times: Sequence[float] | np.ndarray) -> tuple[Scene, float] | None:
    """The next moment, and the share of the times that could be gone without a fold."""
    parts = [time * goal.field(scene) for time, goal in zip(times, goals, strict=True) if time]
    if not parts:
        return None
    velocity, share = np.sum(parts, axis=0), 1.0
    for _ in range(_HALVINGS + 1):
        grown = scene.head.flowed(share * velocity)
        if grown is not None:
            return Scene(grown), share
        share /= 2
    return None

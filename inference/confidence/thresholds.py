"""``verdict.yaml``: from which expectation on a result is accepted, to be checked, or rejected."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from feta.settings import read_settings

DEFAULT = Path(__file__).with_name("verdict.yaml")


@dataclass(frozen=True)
class Least:
    """Least expected Dice: mean of the tissues, and of the worst of them."""

    mean_dice: float
    tissue_dice: float


@dataclass(frozen=True)
class BrainLimits:
    """See ``verdict.yaml``."""

    distance: float
    symmetry: float
    twins: float
    flat_end: float
    blank_slices: float
    fluid_over_white: float
    largest_ml: float
    smallest_ml: float
    largest_anisotropy: float
    long: tuple[float, float]
    high: tuple[float, float]
    outside: float


@dataclass(frozen=True)
class Thresholds:
    """What ``verdict.yaml`` says; see there."""

    accept: Least
    reject: Least
    length_half_width: float
    age_beyond_weeks: float
    age_check_weeks: float
    age_by_size_weeks: float
    outside_weeks: float
    brain: BrainLimits


@cache
def thresholds(path: Path = DEFAULT) -> Thresholds:
    """The thresholds of a file, by default those that ship.

    Raises:
        FetaError: it can't be read, or an entry is unknown, missing or of another type.
    """
    return read_settings(Thresholds, path)

"""``policy.yaml``: what is counted where something could not be measured. ``penalties`` applies it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from evaluation.scoring.score_table import SEGMENTATION_METRICS, ScoreCaps
from feta.errors import FetaError
from feta.files import read_text

_ED = SEGMENTATION_METRICS.index("ed")
_BETTI = slice(SEGMENTATION_METRICS.index("b0"), None)
_COUNTING = "count_no_worse_than_missing"
_DEFAULT = Path(__file__).with_name("policy.yaml")


@dataclass(frozen=True)
class Penalty:
    """Dice, VS and HD95 (mm; None: the image's diagonal) where they can't be measured."""

    dice: float
    vs: float
    hd95: float | None

    def values(self, diagonal: float) -> tuple[float, float, float]:
        """The three values for an image with this diagonal (mm)."""
        return self.dice, self.vs, diagonal if self.hd95 is None else self.hd95


@dataclass(frozen=True)
class Policy:
    """What ``policy.yaml`` says; see there."""

    missing: Penalty
    neither: Penalty
    extra: Penalty
    ed_at_least: float
    betti_at_least: float
    length_error_at_least: float
    count_no_worse_than_missing: bool

    @property
    def limits(self) -> ScoreCaps:
        """The most that a value counts: what a missing label or length is penalised at least."""
        return limits_of(self.as_dict())

    def as_dict(self) -> dict[str, object]:
        """Plain JSON values, for results.json."""
        return asdict(self)


def limits_of(policy: Mapping[str, Any]) -> ScoreCaps:
    """The limits of ``Policy.as_dict``, as results.json has it; none where it is empty.

    Raises:
        KeyError, TypeError, ValueError: it is another thing.
    """
    if not policy or not policy[_COUNTING]:
        return ScoreCaps()
    return ScoreCaps(*(float(policy[key]) for key in ("ed_at_least", "betti_at_least", "length_error_at_least")))


def default_policy() -> Policy:
    """The declared policy, from the file beside this module."""
    return read_policy(_DEFAULT)


def read_policy(path: Path) -> Policy:
    """Read a policy file.

    Raises:
        FetaError: it can't be read, or an entry is missing, unknown or not a number.
    """
    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise FetaError(path, "is not YAML", "start from evaluation/scoring/policy.yaml") from error
    sections = {
        "missing": ("dice", "vs", "hd95", "ed_at_least", "betti_at_least"),
        "neither": ("dice", "vs", "hd95"),
        "extra": ("dice", "vs", "hd95"),
        "missing_length": ("error_at_least",),
    }
    values = {name: _section(path, content, name, keys) for name, keys in sections.items()}
    if set(content) - {_COUNTING} != set(sections):
        raise FetaError(path, f"has unknown entries {sorted(map(str, set(content) - set(sections) - {_COUNTING}))}")
    counting = content.get(_COUNTING)
    if not isinstance(counting, bool):
        raise FetaError(path, f"'{_COUNTING}' must be true or false", "see evaluation/scoring/policy.yaml")
    missing = values["missing"]
    if counting and (missing["dice"], missing["vs"], math.isnan(missing["hd95"])) != (0, 0, True):
        problem = f"a missing label must cost dice 0, vs 0 and hd95 diagonal while {_COUNTING} is true"
        raise FetaError(path, problem, f"leaving a label out could pay otherwise; or set {_COUNTING}: false")
    return Policy(
        missing=_penalty(missing),
        neither=_penalty(values["neither"]),
        extra=_penalty(values["extra"]),
        ed_at_least=missing["ed_at_least"],
        betti_at_least=missing["betti_at_least"],
        length_error_at_least=values["missing_length"]["error_at_least"],
        count_no_worse_than_missing=counting,
    )


def _section(path: Path, content: Any, name: str, keys: Sequence[str]) -> dict[str, float]:
    section = content.get(name) if isinstance(content, Mapping) else None
    if not isinstance(section, Mapping) or set(section) != set(keys):
        raise FetaError(path, f"'{name}' must have the entries {', '.join(keys)}", "see evaluation/scoring/policy.yaml")
    numbers = {}
    for key, value in section.items():
        if key == "hd95" and value == "diagonal":
            numbers[key] = math.nan
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value < math.inf or (key in ("dice", "vs") and value > 1):
            raise FetaError(path, f"{name}.{key} is {value!r}, not a number in its range")
        numbers[key] = float(value)
    return numbers


def _penalty(section: Mapping[str, float]) -> Penalty:
    hd95 = section["hd95"]
    return Penalty(section["dice"], section["vs"], None if math.isnan(hd95) else hd95)

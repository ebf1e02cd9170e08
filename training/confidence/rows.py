"""What the submission made of a volume whose truth is known: signals, scores, lengths; kept so that it runs once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from feta.files import read_text
from inference.confidence.age_estimate import Age, AgeEstimator
from inference.confidence.signals import LENGTH, TISSUE, Signals

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LengthResult:
    """The five lengths as they were found, in the order of MEASUREMENTS.

    Attributes:
        case: signals of the whole that lengths give, by name.
        signals: (5,) each, by name.
        values: (5,) mm, NaN where unknown.
        low, high: (5,) mm, the interval before any correction.
    """

    case: dict[str, float]
    signals: dict[str, Array]
    values: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class CaseRow:
    """One volume under one cause.

    Attributes:
        name: volume and cause; unique within a cohort.
        cohort: its folder's name.
        individual: whose brain it is: all volumes of one count as one when cases are left out.
        cause: what spoilt it.
        age: weeks; NaN where unknown.
        ill: whether the table calls it pathological.
        refused: why it was refused before segmentation; "" where it wasn't, and all that follows is empty otherwise.
        case: signals of the whole without those of lengths.
        tissue: (7,) each.
        volumes, true_volumes: (7,) ml.
        folding: of the label map that was found.
        dice, hd95: (7,); HD95 in mm, infinite where a tissue wasn't found.
        true_lengths: (5,) mm, NaN where there is no truth.
        aged: lengths with the age given; None where it is unknown.
        ageless: lengths without it.
        calibration: the start of the sha256 of the calibration by which lengths were found, or ``usual``; "" in rows
            of before it was kept.
    """

    name: str
    cohort: str
    individual: str
    cause: str
    age: float
    ill: bool
    refused: str = ""
    case: dict[str, float] = field(default_factory=dict)
    tissue: dict[str, Array] = field(default_factory=dict)
    volumes: Array = field(default_factory=lambda: np.full(7, np.nan))
    true_volumes: Array = field(default_factory=lambda: np.full(7, np.nan))
    folding: float = float("nan")
    dice: Array = field(default_factory=lambda: np.zeros(7))
    hd95: Array = field(default_factory=lambda: np.full(7, np.inf))
    true_lengths: Array = field(default_factory=lambda: np.full(5, np.nan))
    aged: LengthResult | None = None
    ageless: LengthResult | None = None
    calibration: str = ""

    def lengths(self, *, with_age: bool) -> LengthResult | None:
        """As they are found with the age or without; without where it is unknown."""
        return self.aged if with_age and self.aged is not None else self.ageless

    def signals(self, *, with_age: bool) -> Signals:
        """As the submission collects them."""
        found = self.lengths(with_age=with_age)
        case = {**self.case, **({} if found is None else found.case)}
        tissue = {name: self.tissue[name] for name in TISSUE if name in self.tissue}
        length = {} if found is None else {name: found.signals[name] for name in LENGTH}
        return Signals(case, tissue, length, self.volumes, self.folding)

    def estimated(self, by: AgeEstimator) -> Age | None:
        """The age that the image shows; None where the volume was refused or holds no brain."""
        return None if self.ageless is None else by.estimate(self.volumes, self.ageless.values, self.folding)

    @property
    def bad(self) -> bool:
        """Mean Dice below 0.75 or any tissue below 0.5."""
        return bool(self.dice.mean() < 0.75 or self.dice.min() < 0.5)

    @property
    def good(self) -> bool:
        """Mean Dice of 0.85 or more and no tissue below 0.7."""
        return bool(self.dice.mean() >= 0.85 and self.dice.min() >= 0.7)


FIELDS = frozenset(f.name for f in fields(CaseRow)) - {"calibration"}


def write_row(path: Path, row: CaseRow) -> None:
    """Append a row to a file of lines of JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(_plain(asdict(row))) + "\n")


def read_rows(paths: Iterable[Path]) -> list[CaseRow]:
    """All rows of some files; a last line that was cut off by a crash is left out.

    So are rows of an earlier release that lack what is kept today: they are made again.
    """
    found = []
    for path in paths:
        for line in read_text(path).splitlines():
            try:
                content = json.loads(line)
            except json.JSONDecodeError:
                continue
            if content.keys() >= FIELDS:
                found.append(_row(content))
    return found


def _row(content: Mapping[str, Any]) -> CaseRow:
    given = {name: content[name] for name in FIELDS} | {"calibration": content.get("calibration", "")}
    for name in ("aged", "ageless"):
        given[name] = None if given[name] is None else LengthResult(**_arrays(given[name]))
    return CaseRow(**_arrays(given))


def _arrays(content: Mapping[str, Any]) -> dict[str, Any]:
    def read(value: Any) -> Any:
        if isinstance(value, list):
            return np.array([np.nan if v is None else v for v in value], np.float64)
        if isinstance(value, dict):
            return {k: np.nan if v is None else read(v) for k, v in value.items()}
        return value

    found = {k: read(v) for k, v in content.items()}
    return {**found, **{name: np.nan for name in ("age", "folding") if found.get(name, 0.0) is None}}


def _plain(value: Any) -> Any:
    """Numbers that JSON knows: NaN is null; infinity stays, as Python's own reader knows it."""
    if isinstance(value, np.ndarray):
        return [_plain(v) for v in value.tolist()]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, float):
        return None if np.isnan(value) else float(f"{value:.6g}")
    return value

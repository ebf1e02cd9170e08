"""One size of one brain, and where it lies among healthy fetuses of the same age."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from inference.biometry.line import Line


class Kind(StrEnum):
    """What is measured, and with it the unit."""

    VOLUME = "volume"
    LENGTH = "length"
    AREA = "area"
    CURVATURE = "curvature"

    @property
    def unit(self) -> str:
        """``ml``, ``mm``, ``mm^2`` or ``1/mm``, as BIDS writes units."""
        return _UNITS[self]

    @property
    def digits(self) -> int:
        """Decimals that people read."""
        return 3 if self is Kind.CURVATURE else 1

    @classmethod
    def of_unit(cls, unit: str) -> Kind:
        """The kind with such a unit; a length for any other."""
        return next((kind for kind in cls if kind.unit == unit), cls.LENGTH)


_UNITS = {Kind.VOLUME: "ml", Kind.LENGTH: "mm", Kind.AREA: "mm^2", Kind.CURVATURE: "1/mm"}


@dataclass(frozen=True)
class NormPosition:
    """Where a value lies on one published curve.

    Attributes:
        source: of the curve, as the tables and pages name it.
        mean: at that age, in the value's unit.
        sd: standard deviation between fetuses of that age.
        z: (value - mean) / sd.
        centile: 0 to 100, of a normal distribution.
    """

    source: str
    mean: float
    sd: float
    z: float
    centile: float


@dataclass(frozen=True)
class Measured:
    """One volume, length, area or curvature of a case.

    Attributes:
        key: short name, unique, as tables use it: ``GM``, ``WM_left``, ``total_brain``, ``TCD``, ``atrium_left``.
        title: in words, for people: ``white matter, left``.
        kind: volume, length, area or curvature.
        value: in the kind's unit; None where it couldn't be measured.
        low: lower end of the 90 % interval; None where there is none.
        high: its upper end.
        source: what it was measured by: ``label map``, or the sources of a length.
        norms: its place on each curve that covers the age; empty without an age or a curve.
        z: on the curve that counts; None without one, or where sources differ by more than one standard deviation.
        centile: likewise.
        flag: empty, or in a few words what to look at: ``below the 3rd centile``, ``norms differ``,
            ``age beyond the norms``, ``from the age alone``, ``no norm``.
        line: ends of a length in the image's physical LPS mm; None for volumes and lengths that nobody saw.
    """

    key: str
    title: str
    kind: Kind
    value: float | None
    low: float | None = None
    high: float | None = None
    source: str = ""
    norms: tuple[NormPosition, ...] = ()
    z: float | None = None
    centile: float | None = None
    flag: str = ""
    line: Line | None = None

    @property
    def unit(self) -> str:
        """``ml``, ``mm``, ``mm^2`` or ``1/mm``."""
        return self.kind.unit

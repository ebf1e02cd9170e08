"""How often each finding is drawn and how far it goes, from one YAML file: ``configs/findings.yaml``."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from feta.settings import read_settings

FINDINGS = Path(__file__).parents[1] / "configs" / "findings.yaml"
Range = tuple[float, float]


@dataclass(frozen=True)
class Ranges:
    """Least and most of each number of a finding, and its weight among the findings."""

    weight: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, tuple) and (len(value) != 2 or not 0 <= value[0] <= value[1]):
                raise ValueError(f"{name} must be two numbers from 0 on, the least and the most")
            if isinstance(value, float) and value < 0:
                raise ValueError(f"{name} must not be negative")


@dataclass(frozen=True)
class VentriculomegalyRanges(Ranges):
    """Of ``ventricles.Ventriculomegaly``: atrium in mm, and the share of fetuses in whom one side alone is wide."""

    weight: float = 0.3
    atrium: Range = (10.0, 30.0)
    one_sided: float = 0.4
    focus: Range = (0.5, 0.95)


@dataclass(frozen=True)
class ChiariRanges(Ranges):
    """Of ``chiari.ChiariII``: ml, mm; the cerebellum as a share of the published volume of the age, and the anatomy's
    way towards spina bifida (0–1)."""

    weight: float = 0.25
    anatomy: Range = (0.8, 1.0)
    external_csf: Range = (1.0, 4.0)
    cerebellum: Range = (0.55, 0.95)
    descent: Range = (1.5, 5.0)
    curl: Range = (0.5, 2.5)
    atrium: Range = (10.0, 22.0)


@dataclass(frozen=True)
class DandyWalkerRanges(Ranges):
    """Of ``posterior_fossa.DandyWalker``: degrees, a share, mm."""

    weight: float = 0.15
    rotation: Range = (15.0, 100.0)
    vermis: Range = (0.5, 0.95)
    cisterna: Range = (8.0, 18.0)


@dataclass(frozen=True)
class MegaCisternaRanges(Ranges):
    """Of ``posterior_fossa.MegaCisterna``: mm."""

    weight: float = 0.08
    cisterna: Range = (10.5, 16.0)


@dataclass(frozen=True)
class CallosalRanges(Ranges):
    """Of ``callosum.CallosalAgenesis``: shares, mm."""

    weight: float = 0.15
    remnant: Range = (0.25, 0.8)
    thickness: Range = (0.6, 1.0)
    cavum: Range = (0.3, 0.6)
    apart: Range = (1.0, 5.0)
    atrium: Range = (8.0, 16.0)


@dataclass(frozen=True)
class FoldingRanges(Ranges):
    """Weeks by which the cortex is behind; ``share`` of fetuses with another finding have it too.

    Judged by eye against an atlas, sulcation lags 1.4 weeks behind in callosal agenesis above 30 weeks ("Assessment of
    sulcation of the fetal brain in cases of isolated agenesis of the corpus callosum", AJNR 2010;31:1085): the least
    that is drawn here. The most is a choice of this project.
    """

    weight: float = 0.07
    share: float = 0.15
    weeks: Range = (1.4, 5.0)


@dataclass(frozen=True)
class LesionRanges(Ranges):
    """Haemorrhages and cysts; ``share`` of fetuses with another finding have them too.

    Attributes:
        radius: mm along each axis.
        dark: brightness of a haemorrhage, as a share of the ventricles' fluid.
        bright: of a cyst.
        most: how many at most.
    """

    weight: float = 0.1
    share: float = 0.2
    radius: Range = (1.5, 6.0)
    dark: Range = (0.08, 0.3)
    bright: Range = (0.85, 1.05)
    most: int = 3


@dataclass(frozen=True)
class FindingsSettings:
    """How pathological fetuses are drawn where findings are grown."""

    ventriculomegaly: VentriculomegalyRanges = field(default_factory=VentriculomegalyRanges)
    chiari_ii: ChiariRanges = field(default_factory=ChiariRanges)
    dandy_walker: DandyWalkerRanges = field(default_factory=DandyWalkerRanges)
    mega_cisterna_magna: MegaCisternaRanges = field(default_factory=MegaCisternaRanges)
    callosal_agenesis: CallosalRanges = field(default_factory=CallosalRanges)
    delayed_folding: FoldingRanges = field(default_factory=FoldingRanges)
    lesions: LesionRanges = field(default_factory=LesionRanges)

    def __post_init__(self) -> None:
        if not sum(ranges.weight for ranges in vars(self).values()) > 0:
            raise ValueError("one finding at least must have a weight above 0")


@lru_cache(maxsize=1)
def read_findings(path: Path = FINDINGS) -> FindingsSettings:
    """Read the settings of findings.

    Raises:
        FetaError: unreadable file, unknown key, or a value that can't be.
    """
    return read_settings(FindingsSettings, path)

"""What is wrong with a simulated fetus, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from feta.measurements import Measurement

Range = tuple[float, float]


class Finding(StrEnum):
    """A kind of pathology; a fetus can have two."""

    VENTRICULOMEGALY = "ventriculomegaly"
    SMALL_CEREBELLUM = "small cerebellum"
    SPINA_BIFIDA = "spina bifida"
    SHORT_CALLOSUM = "short callosum"


@dataclass(frozen=True)
class PathologySettings:
    """How often each finding is drawn, and how far it goes; ranges are (least, most), factors on the healthy value.

    Attributes:
        ventriculomegaly: weight of the finding among the four.
        small_cerebellum: likewise.
        spina_bifida: likewise.
        short_callosum: likewise.
        second: chance that a second finding comes with the first.
        ventricles: volume of the ventricles in ventriculomegaly.
        ventricles_otherwise: in the other findings.
        wide_head: brain's width in ventriculomegaly; the more, the larger the ventricles are.
        cerebellum: transverse diameter of a small cerebellum.
        vermis: height of its vermis, as a factor on the diameter's factor.
        anatomy: how far the learned anatomy goes towards spina bifida (0–1).
        narrow_head: brain's width in spina bifida.
        crowded_cerebellum: transverse cerebellar diameter in spina bifida.
        herniated_vermis: height of the vermis in spina bifida, where it is drawn out into the spinal canal.
        thin_csf: width of the external CSF in spina bifida.
        callosum: length of a short callosum.
    """

    ventriculomegaly: float = 0.35
    small_cerebellum: float = 0.2
    spina_bifida: float = 0.3
    short_callosum: float = 0.15
    second: float = 0.25
    ventricles: Range = (1.6, 4.5)
    ventricles_otherwise: Range = (0.9, 1.6)
    wide_head: Range = (0.98, 1.10)
    cerebellum: Range = (0.62, 0.86)
    vermis: Range = (0.85, 1.12)
    anatomy: Range = (0.7, 1.0)
    narrow_head: Range = (0.86, 0.98)
    crowded_cerebellum: Range = (0.68, 0.88)
    herniated_vermis: Range = (0.9, 1.15)
    thin_csf: Range = (0.15, 0.5)
    callosum: Range = (0.58, 0.85)

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, tuple) and (len(value) != 2 or not 0 < value[0] <= value[1]):
                raise ValueError(f"{name} must be two positive numbers, the least and the most")


@dataclass(frozen=True)
class Pathology:
    """What sets a fetus apart from a healthy one of its age and size.

    Attributes:
        findings: by name; none in a healthy fetus.
        anatomy: how far the learned anatomy goes towards spina bifida (0–1).
        factors: on lengths; 1 where a length isn't named.
        external_csf: factor on the width of the external CSF.
        ventricles: factor on the volume of the ventricles.
        behind: how much of the swelling lies in the back of the ventricles rather than everywhere (0–1).
        sideways: which side swells more: −1 left only, 1 right only.
    """

    findings: tuple[Finding, ...] = ()
    anatomy: float = 0.0
    factors: Mapping[Measurement, float] = field(default_factory=dict)
    external_csf: float = 1.0
    ventricles: float = 1.0
    behind: float = 0.0
    sideways: float = 0.0

    def altered(self, lengths: Mapping[Measurement, float]) -> dict[Measurement, float]:
        """The lengths that a healthy fetus with these ones would have."""
        changed = {m: length * self.factors.get(m, 1.0) for m, length in lengths.items()}
        fluid = (lengths[Measurement.SBIP] - lengths[Measurement.BBIP]) * self.external_csf
        changed[Measurement.SBIP] = changed[Measurement.BBIP] + fluid
        return changed


def draw_pathology(rng: np.random.Generator, settings: PathologySettings) -> Pathology:
    """One or two findings, each of a random degree."""
    kinds = list(Finding)
    weights = np.array([getattr(settings, kind.name.lower()) for kind in kinds])
    count = 2 if rng.random() < settings.second else 1
    chosen = rng.choice(len(kinds), size=count, replace=False, p=weights / weights.sum())
    findings = tuple(kinds[i] for i in sorted(chosen))

    def degree(limits: Range) -> float:
        return float(rng.uniform(limits[0], limits[1]))

    factors: dict[Measurement, float] = {}
    anatomy, fluid = 0.0, 1.0
    ventricles = degree(settings.ventricles_otherwise)
    if Finding.VENTRICULOMEGALY in findings:
        low, high = np.log(settings.ventricles)
        share = rng.random()
        ventricles = float(np.exp(low + share * (high - low)))
        factors[Measurement.BBIP] = settings.wide_head[0] + share * (settings.wide_head[1] - settings.wide_head[0])
        fluid = float(rng.uniform(0.6, 1.0))
    if Finding.SMALL_CEREBELLUM in findings:
        factors[Measurement.TCD] = degree(settings.cerebellum)
        factors[Measurement.HV] = factors[Measurement.TCD] * degree(settings.vermis)
    if Finding.SPINA_BIFIDA in findings:
        anatomy, fluid = degree(settings.anatomy), degree(settings.thin_csf)
        # The ventricles of that anatomy are large by themselves.
        ventricles = ventricles ** (1 - anatomy / 2)
        factors[Measurement.BBIP] = degree(settings.narrow_head)
        factors.setdefault(Measurement.TCD, degree(settings.crowded_cerebellum))
        factors.setdefault(Measurement.HV, degree(settings.herniated_vermis))
    if Finding.SHORT_CALLOSUM in findings:
        factors[Measurement.LCC] = degree(settings.callosum)
    behind = rng.uniform(0.5, 1.0) if Finding.SHORT_CALLOSUM in findings else rng.uniform(0.0, 0.7)
    return Pathology(findings, anatomy, factors, fluid, ventricles, float(behind), float(rng.uniform(-0.6, 0.6)))

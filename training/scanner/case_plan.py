"""The cases of a simulated cohort: what is planned of each before anything is drawn, and what is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from feta.measurements import Measurement
from feta.volumes import Volume
from training.scanner.sites import Site

#: Ages in weeks between which cases are drawn.
YOUNGEST, OLDEST = 20.5, 36.0


@dataclass(frozen=True)
class CasePlan:
    """One case before anything is drawn.

    Attributes:
        subject: ``sub-001``.
        site: where it is scanned.
        age: weeks.
        pathological: every third case is.
        quality: 0 (useless) to 4.
        seed: what every random number of the case comes from.
    """

    subject: str
    site: Site
    age: float
    pathological: bool
    quality: float
    seed: tuple[int, ...]

    @property
    def stem(self) -> str:
        """Start of the case's file names."""
        return f"{self.subject}_rec-{self.site.reconstruction}"


@dataclass(frozen=True)
class SimulatedCase:
    """One case, drawn.

    Attributes:
        image: the T2w volume.
        labels: its label map.
        lengths: mm.
        landmarks: both ends (2, 3) of each length, mm in the image's physical space (LPS).
        source_subjects: names of those that its anatomy learned from (``training.data.provenance``).
        findings: what its findings were set to and reached; empty where there are none of ``training.findings``.
    """

    image: Volume
    labels: Volume
    lengths: Mapping[Measurement, float]
    landmarks: Mapping[Measurement, npt.NDArray[np.float64]]
    source_subjects: frozenset[str] = frozenset()
    findings: Mapping[str, object] = field(default_factory=dict)


#: Draws a case from its plan and from nothing else. It must be picklable.
Maker = Callable[[CasePlan], SimulatedCase]


def plan_cases(sites: Sequence[Site], cases: int, seed: int) -> tuple[CasePlan, ...]:
    """Plan a number of cases for each site: ages spread evenly, every third case pathological."""
    plans = []
    for i, site in enumerate(sites):
        rng = np.random.default_rng([seed, i])
        ages = YOUNGEST + (OLDEST - YOUNGEST) * (rng.permutation(cases) + rng.uniform(0.1, 0.9, cases)) / cases
        for j in range(cases):
            plans.append(
                CasePlan(
                    subject=f"sub-{i * cases + j + 1:03d}",
                    site=site,
                    age=round(float(ages[j]), 1),
                    pathological=(i * cases + j) % 3 == 2,
                    quality=round(float(np.clip(rng.normal(site.quality, site.quality_sd), 0.5, 4)), 1),
                    seed=(seed, i, j),
                )
            )
    return tuple(plans)

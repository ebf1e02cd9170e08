"""All settings of a simulated cohort, from one YAML file: ``configs/cohort.yaml``."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from feta.settings import read_settings
from training.anatomy.plan import IndividualSettings
from training.scanner.appearance import AppearanceSettings
from training.scanner.degradation import DegradationSettings
from training.scanner.sites import Site
from training.scanner.stored_volume import StoringSettings
from training.scanner.surroundings import SurroundingsSettings

COHORT = Path(__file__).parents[1] / "configs" / "cohort.yaml"


@dataclass(frozen=True)
class CohortSettings:
    """What a simulated cohort is made of.

    Attributes:
        individuals: how fetuses differ.
        appearance: how intensities vary within a tissue.
        surroundings: what lies around the brain.
        degradation: what an image quality stands for.
        storing: how volumes are kept.
        sites: hospitals, in the order in which a cohort takes them.
    """

    sites: tuple[Site, ...]
    individuals: IndividualSettings = field(default_factory=IndividualSettings)
    appearance: AppearanceSettings = field(default_factory=AppearanceSettings)
    surroundings: SurroundingsSettings = field(default_factory=SurroundingsSettings)
    degradation: DegradationSettings = field(default_factory=DegradationSettings)
    storing: StoringSettings = field(default_factory=StoringSettings)

    def __post_init__(self) -> None:
        if not self.sites or len({site.name for site in self.sites}) < len(self.sites):
            raise ValueError("there must be sites, each with a name of its own")


@lru_cache(maxsize=1)
def read_cohort_settings(path: Path = COHORT) -> CohortSettings:
    """Read the settings of a cohort.

    Raises:
        FetaError: unreadable file, unknown key, or a value that can't be.
    """
    return read_settings(CohortSettings, path)

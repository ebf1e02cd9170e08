"""All settings of a simulated cohort, from one YAML file: ``configs/cohort.yaml``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from training.config import read_settings
from training.plan import IndividualSettings

COHORT = Path(__file__).parent / "configs" / "cohort.yaml"


@dataclass(frozen=True)
class CohortSettings:
    """What a simulated cohort is made of.

    Attributes:
        individuals: how fetuses differ.
    """

    individuals: IndividualSettings = field(default_factory=IndividualSettings)


def read_cohort_settings(path: Path = COHORT) -> CohortSettings:
    """Read the settings of a cohort.

    Raises:
        FetaError: unreadable file, unknown key, or a value that can't be.
    """
    return read_settings(CohortSettings, path)

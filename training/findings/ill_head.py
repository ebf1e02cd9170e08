"""A brain with findings, as cohorts and training individuals are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from feta.measurements import Measurement
from training.anatomy.head_model import HeadModel
from training.anatomy.velocity_field import Points
from training.findings.lesions import Lesion


@dataclass(frozen=True)
class IllHead:
    """A brain with findings; a ``HeadModel`` itself.

    Attributes:
        brain: its anatomy.
        names: of its findings.
        set_to: what each finding was set to, by its name.
        reached: sizes measured on what came of it; flows that would have folded stop before.
        lesions: dark and bright regions.
    """

    brain: HeadModel
    names: tuple[str, ...]
    set_to: Mapping[str, Mapping[str, Any]]
    reached: Mapping[str, float]
    lesions: tuple[Lesion, ...] = ()

    @property
    def landmarks(self) -> Mapping[Measurement, Points]:
        """Both ends (2, 3) of each length, mm."""
        return self.brain.landmarks

    @property
    def lengths(self) -> Mapping[Measurement, float]:
        """The five lengths, mm."""
        return self.brain.lengths

    @property
    def box(self) -> Points:
        """(2, 3) least and greatest x, y, z, mm."""
        return self.brain.box

    def at(self, points: torch.Tensor) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Labels 0–8 and signal (Z, Y, X) at positions (Z, Y, X, 3), mm; lesions are not painted."""
        return self.brain.at(points)

    def told(self) -> dict[str, object]:
        """What a volume's JSON file tells of the findings."""
        return {
            "findings": list(self.names),
            "set": {name: dict(values) for name, values in self.set_to.items()},
            "reached": {name: round(value, 3) for name, value in self.reached.items()},
            "lesions": [asdict(lesion) for lesion in self.lesions],
        }

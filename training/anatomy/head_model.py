"""What a simulated brain tells about itself, wherever it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from feta.measurements import Measurement

Points = npt.NDArray[np.float64]


class HeadModel(Protocol):
    """What a brain tells about itself. Frame: RAS mm, upright, midline about x = 0."""

    @property
    def landmarks(self) -> Mapping[Measurement, Points]:
        """Both ends (2, 3) of each length, mm."""

    @property
    def lengths(self) -> Mapping[Measurement, float]:
        """The five lengths, mm."""

    @property
    def box(self) -> Points:
        """(2, 3) least and greatest x, y, z, mm."""

    def at(self, points: torch.Tensor) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Labels 0–8 and signal (Z, Y, X) at positions (Z, Y, X, 3), mm."""

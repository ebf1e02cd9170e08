"""Errors of lengths: absolute percentage error, as MAPE is made of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def length_errors(lengths: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Errors (T, C, 5) in percent of lengths (T, C, 5) against the truth (C, 5); NaN where either is missing."""
    return 100 * np.abs(lengths - truth) / truth

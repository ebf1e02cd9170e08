"""Errors of lengths: the absolute percentage error, whose mean over all (case, length) pairs is the MAPE.

The biometry task of FeTA 2024 ranks by it (Zalevskyi et al. 2025, "Advances in Automated Fetal Brain MRI Segmentation
and Biometry: Insights from the FeTA 2024 Challenge").
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def length_errors(lengths: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Absolute percentage errors, 100 · |predicted − true| / true (FeTA 2024).

    Args:
        lengths: (T, C, 5) mm of T teams on C cases.
        truth: (C, 5) mm, the ground truth.

    Returns:
        (T, C, 5) percent; NaN where either is missing.
    """
    return 100 * np.abs(lengths - truth) / truth

"""What is known of a submitted label map once it was measured."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.metrics.measurements import PairMetrics


@dataclass(frozen=True)
class MeasuredFile:
    """A measured label map.

    Attributes:
        messages: one line for each thing about the file that is worth a word.
        labels: see ``labels_digest``.
    """

    metrics: PairMetrics
    messages: tuple[str, ...] = ()
    labels: str = ""


def labels_digest(labels: npt.NDArray[np.uint8]) -> str:
    """What two label maps of a case share if, and only if, they hold the same labels, however they are packed."""
    return hashlib.sha256(np.ascontiguousarray(labels).data).hexdigest()

"""The seven tissues of a FeTA label map, and the topology each should have.

Values and Betti numbers: FeTA 2024 challenge (Payette et al.; Zalevskyi et al.).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt


class Tissue(IntEnum):
    """Values of a FeTA label map."""

    BACKGROUND = 0
    ECSF = 1
    GM = 2
    WM = 3
    VM = 4
    CBM = 5
    SGM = 6
    BSM = 7


TISSUES: tuple[Tissue, ...] = tuple(t for t in Tissue if t is not Tissue.BACKGROUND)
LABEL_COUNT = len(Tissue)

TISSUE_NAMES: dict[Tissue, str] = {
    Tissue.ECSF: "external CSF",
    Tissue.GM: "grey matter",
    Tissue.WM: "white matter",
    Tissue.VM: "ventricles",
    Tissue.CBM: "cerebellum",
    Tissue.SGM: "deep grey matter",
    Tissue.BSM: "brainstem",
}

#: (b0, b1, b2): components, loops, cavities. Two hemispheres of grey matter.
EXPECTED_BETTI: dict[Tissue, tuple[int, int, int]] = {
    tissue: (2 if tissue is Tissue.GM else 1, 0, 0) for tissue in TISSUES
}


def euler(betti: tuple[int, int, int]) -> int:
    """Euler characteristic b0 − b1 + b2."""
    return betti[0] - betti[1] + betti[2]


def foreground_box(labels: npt.NDArray[Any]) -> tuple[slice, slice, slice] | None:
    """The smallest box that holds all that is labelled.

    Args:
        labels: (Z, Y, X), unsigned integers or bool.

    Returns:
        slices along (z, y, x); None where nothing is labelled.
    """
    across = np.bitwise_or.reduce(labels, axis=0)
    lines = (np.asarray(labels.any(axis=(1, 2))), across.any(axis=1), across.any(axis=0))
    if not lines[0].any():
        return None
    z, y, x = (slice(int(line.argmax()), len(line) - int(line[::-1].argmax())) for line in lines)
    return z, y, x


def label_counts(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """(8,) how many voxels of a map (Z, Y, X) have each label; labels above 7 are not counted."""
    # Several times as fast as bincount, which makes 8 bytes of each voxel first; most of a volume is background.
    box = foreground_box(labels)
    counts = np.zeros(LABEL_COUNT, np.int64)
    if box is None:
        counts[0] = labels.size
        return counts
    part = np.ascontiguousarray(labels[box])
    counts[0] = labels.size - np.count_nonzero(part)
    counts[1:] = [np.count_nonzero(part == tissue) for tissue in TISSUES]
    return counts


#: One colour a tissue (RGB, 0–1), from Okabe and Ito's palette, which colour-blind people can tell apart.
TISSUE_COLOURS: dict[Tissue, tuple[float, float, float]] = {
    Tissue.ECSF: (0.34, 0.71, 0.91),
    Tissue.GM: (0.90, 0.62, 0.00),
    Tissue.WM: (0.94, 0.89, 0.26),
    Tissue.VM: (0.00, 0.45, 0.70),
    Tissue.CBM: (0.80, 0.47, 0.65),
    Tissue.SGM: (0.00, 0.62, 0.45),
    Tissue.BSM: (0.84, 0.37, 0.00),
}

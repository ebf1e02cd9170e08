"""The seven tissues of a FeTA label map, and the topology each should have.

Values and Betti numbers: FeTA 2024 challenge (Payette et al.; Zalevskyi et al.).
"""

from __future__ import annotations

from enum import IntEnum


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

"""How a brain lies, told by its label map alone: for label maps that come without a pose.

Four places lie in the mid-sagittal plane, in a triangle that every brain has: the middles of the cerebrum, of the deep
grey matter, of the brainstem below it, and of the cerebellum behind that. So they tell up and front, and with them,
where the header's axes are right-handed, the fetus's right; no two sides are compared. The header's directions are
not asked: a fetus lies in any direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feta.grid import Matrix, transformed
from feta.labels import Tissue
from feta.volumes import Volume
from inference.geometry.similarity import fit_similarity

#: x right, y anterior, z superior of the upright brain, in cube roots of the volume of grey and white matter: the
#: mean of the 18 healthy weeks of an atlas (Gholipour et al., Scientific Reports 2017;7:476), which differ from it by
#: 0.15 at most; a spina bifida atlas's weeks (Fidon et al. 2021) by 0.25.
PLACES: dict[tuple[Tissue, ...], tuple[float, float, float]] = {
    (Tissue.GM, Tissue.WM): (0.0, 0.0, 0.0),
    (Tissue.SGM,): (0.0, 0.11, -0.09),
    (Tissue.BSM,): (0.0, -0.10, -0.44),
    (Tissue.CBM,): (0.0, -0.35, -0.50),
}
#: Three of them make a plane; fewer tell nothing.
FEWEST = 3
#: Voxels are counted on every so many mm: the middle of a structure needs no finer ones.
STEP_MM = 1.5
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class LabelFrame:
    """The frame of a brain by its labels.

    Attributes:
        to_canonical: 4×4 from the map's physical LPS mm to the brain frame (x right, y anterior, z superior, the middle
            of grey and white matter at its origin); upright to some degrees.
        misfit: how far the places lie from those of a healthy brain, root mean square, in its size.
    """

    to_canonical: Matrix
    misfit: float


def frame_of(labels: Volume) -> LabelFrame | None:
    """Find how the brain lies.

    Args:
        labels: uint8 (z, y, x) FeTA labels.

    Returns:
        None where fewer than three of the places are there: nobody knows then.
    """
    found = _middles(labels)
    if len(found) < FEWEST or (Tissue.GM, Tissue.WM) not in found:
        return None
    places = np.array([PLACES[tissues] for tissues in found])
    points = np.array(list(found.values()))
    # The size is known: that of the brain, so that the places need only be turned.
    size = _size(labels)
    to_ras, _, _ = fit_similarity(places * size, points, iterations=1)
    to_canonical = np.asarray(np.linalg.inv(to_ras) @ _LPS_TO_RAS, np.float64)
    off = transformed(np.linalg.inv(to_ras), points) / size - places
    return LabelFrame(to_canonical, float(np.sqrt((off**2).sum(1).mean())))


def _middles(labels: Volume) -> dict[tuple[Tissue, ...], npt.NDArray[np.float64]]:
    """The middle of each structure that is there, RAS mm."""
    steps = np.maximum(1, np.rint(STEP_MM / np.array(labels.grid.spacing))).astype(int)
    x, y, z = (int(s) for s in steps)
    thinned = labels.array[::z, ::y, ::x]
    index = np.argwhere(thinned)[:, ::-1]
    values = thinned[tuple(index[:, ::-1].T)]
    points = transformed(_LPS_TO_RAS @ labels.grid.affine(), index * steps)
    inside = {tissues: np.isin(values, tissues) for tissues in PLACES}
    return {tissues: points[mask].mean(axis=0) for tissues, mask in inside.items() if mask.any()}


def _size(labels: Volume) -> float:
    """Cube root of the volume of grey and white matter, mm."""
    voxels = np.isin(labels.array, (Tissue.GM, Tissue.WM)).sum()
    return float(np.cbrt(voxels * np.prod(labels.grid.spacing)))

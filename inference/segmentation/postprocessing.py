"""From a network's probabilities to the label map that is written."""

from __future__ import annotations

import cc3d
import numpy as np
import numpy.typing as npt

from feta.grid import Matrix
from inference.geometry.native_grid import NativeSpaceLabels
from inference.segmentation.pose import Pose

#: A pose that fits worse than this (in brain sizes) is reported.
DOUBTFUL_RESIDUAL = 0.1


def constructed(found: NativeSpaceLabels, labels: npt.NDArray[np.uint8], to_canonical: Matrix) -> npt.NDArray[np.uint8]:
    """The part of the label map (Z, Y, X) that has scores, its topology right; from voxel index to canonical mm."""
    # numba takes a while to import, which runs without it needn't pay.
    from inference.topology.correction import construct

    assert found.scores is not None
    z, y, x = np.ogrid[found.part]
    a, b, c, d = to_canonical[0]
    return construct(labels[found.part], found.scores, a * x + b * y + c * z + d < 0)


def largest_component(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Keep the largest 26-connected piece of tissue: the brain is one, stray islands are not of it."""
    found, sizes = cc3d.connected_components(labels > 0, connectivity=26, return_N=True)
    if sizes < 2:
        return labels
    counts = np.bincount(found.ravel())
    counts[0] = 0
    return np.where(found == counts.argmax(), labels, 0).astype(np.uint8)


def quality_warnings(pose: Pose, labels: npt.NDArray[np.uint8]) -> tuple[str, ...]:
    """What the user should check, one line each."""
    lines = []
    if not pose.found:
        lines.append("no brain was recognised; the header's orientation was taken, check the label map")
    elif pose.residual > DOUBTFUL_RESIDUAL:
        lines.append(f"the brain's pose is doubtful (misfit {pose.residual:.2f} brain sizes), check the label map")
    if not labels.any():
        lines.append("the label map is empty")
    return tuple(lines)

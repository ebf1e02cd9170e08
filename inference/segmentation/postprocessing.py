"""Post-processing: from a network's prediction to the label map that is written."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feta.grid import Matrix
from inference.geometry.components import largest_component
from inference.geometry.native_grid import NativeSpaceLabels, Prediction
from inference.segmentation.pose import Pose

#: A pose that fits worse than this (in brain sizes) is reported.
DOUBTFUL_RESIDUAL = 0.1


def postprocess(prediction: Prediction, *, topology: bool) -> npt.NDArray[np.uint8]:
    """The label map (Z, Y, X) in the order of axes in which the volume is stored.

    Args:
        prediction: with scores where the topology is to be constructed.
        topology: keep the largest component only, or also construct the topology that tissues have.
    """
    native = prediction.native
    labels = np.zeros_like(native.labels)
    # Elsewhere everything is background, which takes time to look through.
    part = np.ascontiguousarray(native.labels[native.part])
    if part.any():
        part = keep_largest_component(part)
        labels[native.part] = constructed(native, part, prediction.to_canonical) if topology else part
    return prediction.order.undo(labels)


def constructed(
    native: NativeSpaceLabels, labels: npt.NDArray[np.uint8], to_canonical: Matrix
) -> npt.NDArray[np.uint8]:
    """The part of the label map (Z, Y, X) that has scores, with the topology that tissues have.

    Args:
        native: the prediction, with scores.
        labels: the part of its label map after the largest component was taken.
        to_canonical: 4×4 from its index (x, y, z) to canonical mm, which tells the hemispheres apart.
    """
    # numba takes a while to import, which runs without it needn't pay.
    from inference.topology.correction import construct

    assert native.scores is not None
    z, y, x = np.ogrid[native.part]
    a, b, c, d = to_canonical[0]
    return construct(labels, native.scores, a * x + b * y + c * z + d < 0)


def keep_largest_component(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Keep the largest 26-connected component of tissue: the brain is one, stray islands are not of it."""
    return np.where(largest_component(labels > 0, 26), labels, np.uint8(0))


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

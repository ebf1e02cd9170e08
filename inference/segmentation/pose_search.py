"""TODO-DOC"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from feta.grid import Matrix
from feta.volumes import Volume
from inference.geometry.frames import box_to_frame
from inference.geometry.preprocessing import to_box
from inference.segmentation.pose import Pose

#: The box in which poses are compared: coarse and small, since several are looked at.
POSE_SCORE_SPACING = 1.5


POSE_SCORE_SIDE = 80


#: A pose that fits worse than this (in brain sizes) is sought again on the mask that is found with it, so often at
#: most; turned by less than this, it has settled.
FITTING_RESIDUAL = 0.07


MAX_POSE_ROUNDS = 4


SETTLED_DEGREES = 3.0


#: What a verdict on a brain taken out of its surroundings loses for each brain size by which the places don't fit.
RESIDUAL_PENALTY = 0.3


def _coarse(volume: Volume, pose: Pose) -> tuple[Tensor, Matrix]:
    """What lies around a pose, (1, Z, Y, X), as coarse as poses are compared, and from RAS mm to its index."""
    size = (POSE_SCORE_SIDE * 2,) * 3
    around = box_to_frame(size, POSE_SCORE_SPACING, pose.centre())
    return to_box(volume, np.eye(4), around, size), np.linalg.inv(around)


def _sureness(probabilities: Tensor) -> float:
    """Mean probability of the likeliest tissue where the network sees any."""
    tissue = probabilities[0] < 0.5
    return float(probabilities[1:].amax(0)[tissue].mean()) if tissue.any() else 0.0

"""TODO-DOC"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from feta.grid import Matrix
from inference.geometry.frames import box_to_frame, coordinates
from inference.geometry.preprocessing import standardise
from inference.segmentation.pose import Pose

#: Room around the brain, mm.
MARGIN_MM = 14.0


#: Largest side of the upright box, mm: a term brain and its margins fit.
LARGEST_BOX_MM = 192.0


#: Least side of the upright box, voxels.
SMALLEST_BOX = 96


def _upright_box(pose: Pose, spacing: float) -> tuple[Matrix, tuple[int, int, int]]:
    """The box that holds the brain in the canonical frame: index → mm, and its size (x, y, z) in voxels."""
    extent = np.clip(pose.high - pose.low + 2 * MARGIN_MM, SMALLEST_BOX * spacing, LARGEST_BOX_MM)
    x, y, z = (int(n) for n in np.ceil(extent / spacing / 8).astype(int) * 8)
    return box_to_frame((x, y, z), spacing, (pose.low + pose.high) / 2), (x, y, z)


def _normalised(pose: Pose, box: Matrix, image: Tensor) -> Tensor:
    """The image (1, Z, Y, X) of the upright box, standardised by the brain; alone with it where its mask is known."""
    if pose.brain is None:
        return standardise(image, _inside(pose, box, image))
    brain, near = pose.brain.around(pose.to_ras @ box, (image.shape[3], image.shape[2], image.shape[1]))
    image = image * near
    return standardise(image, brain & (image > 0))


def _inside(pose: Pose, box: Matrix, image: Tensor) -> Tensor:
    """Voxels (1, Z, Y, X) bool of the ellipsoid that fills the brain's extent, where there is signal."""
    middle, half = (pose.low + pose.high) / 2, (pose.high - pose.low) / 2
    size = (image.shape[3], image.shape[2], image.shape[1])
    position = coordinates(box, size, slice(None))
    scaled = (position - torch.as_tensor(middle, dtype=torch.float32)) / torch.as_tensor(half, dtype=torch.float32)
    inside = ((scaled**2).sum(-1) < 1)[None]
    return inside & (image > 0)

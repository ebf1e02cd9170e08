"""Where the brain is, and how it lies: a coarse network that tells each voxel's place in the brain.

The network sees the whole volume at a few mm. For each voxel it says which tissue it is and where in
the canonical brain it lies, in units of the brain's size. A similarity transform fitted to these places
gives the pose, however the fetus lay: the segmentation network then sees upright brains only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from feta.volumes import Volume
from inference.device import Compute
from inference.frames import Matrix, box_to_frame, index_to_ras
from inference.network import ResidualUNet
from inference.preprocessing import standardise, to_box

#: A brain of 18 weeks has more than 20 ml; less than this is no brain.
SMALLEST_BRAIN_ML = 8.0
#: Side of the box (mm) for the second, centred look at a brain: larger than any fetal head.
SECOND_LOOK_MM = 192.0


@dataclass(frozen=True)
class Pose:
    """How the brain lies in the image.

    Attributes:
        to_ras: 4×4, from canonical brain mm to physical RAS mm; a rigid motion.
        size_mm: cube root of the brain's volume, as the fitted scale tells.
        residual: root mean square misfit of the places, in units of the brain's size.
        low, high: (3,) the brain's extent along the canonical axes, mm.
        found: whether a brain was found; otherwise the header's orientation and the signal's centre.
    """

    to_ras: Matrix
    size_mm: float
    residual: float
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    found: bool


def fit_similarity(
    places: npt.NDArray[np.float64], points: npt.NDArray[np.float64], iterations: int = 5
) -> tuple[Matrix, float, float]:
    """Robust least-squares similarity: ``points ≈ scale · R · places + t``.

    Umeyama (IEEE TPAMI 1991), with weights that fade out misfits (Geman–McClure), re-estimated.

    Args:
        places: (N, 3) canonical places in units of the brain's size.
        points: (N, 3) physical positions, mm.
        iterations: of the reweighting.

    Returns:
        4×4 rigid matrix from canonical mm to physical mm, the scale (mm), and the weighted root mean
        square misfit in units of the brain's size.
    """
    weights = np.ones(len(places))
    for _ in range(iterations):
        w = weights / weights.sum()
        mean_u, mean_p = w @ places, w @ points
        u, p = places - mean_u, points - mean_p
        left, singular, right = np.linalg.svd((p * w[:, None]).T @ u)
        sign = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
        rotation = left @ np.diag(sign) @ right
        scale = float((singular * sign).sum() / (w @ (u**2).sum(1)))
        misfit = np.linalg.norm(p - scale * u @ rotation.T, axis=1) / scale
        cutoff = max(2.0 * float(np.median(misfit)), 1e-6)
        weights = 1 / (1 + (misfit / cutoff) ** 2) ** 2
    rigid = np.eye(4)
    rigid[:3, :3] = rotation
    rigid[:3, 3] = mean_p - scale * rotation @ mean_u
    return rigid, scale, float(np.sqrt(w @ misfit**2))


class Locator:
    """Finds the brain's pose with a trained network.

    Args:
        network: 1 channel in; out: the logits of the eight labels and the three coordinates of the place.
        spacing: mm at which the network was trained.
        compute: where and how precisely it runs.
    """

    def __init__(self, network: ResidualUNet, spacing: float, compute: Compute) -> None:
        self.network = network.eval().to(compute.device)
        self.spacing = spacing
        self.compute = compute

    def __call__(self, volume: Volume) -> Pose:
        """Look at the whole volume, then once more at the brain, upright and centred."""
        grid = volume.grid
        ends = (grid.corners() * [-1, -1, 1]).reshape(8, 3)
        low, high = ends.min(0), ends.max(0)
        start = np.eye(4)
        start[:3, 3] = (low + high) / 2
        extent = np.maximum(high - low, 1.0)
        first = self._look(volume, start, tuple(float(e) for e in extent))
        if first is None:
            return self._by_header(volume)
        # The second look sees what the network saw most of in training: a centred head.
        second = self._look(volume, first.to_ras, (SECOND_LOOK_MM,) * 3)
        return second or first

    def _look(self, volume: Volume, frame: Matrix, extent: tuple[float, ...]) -> Pose | None:
        """Predict in a box around the origin of a frame (4×4, to RAS mm), and fit the pose; None without a brain."""
        multiple = self.network.settings.multiple
        x, y, z = (int(np.ceil(e / self.spacing / multiple)) * multiple for e in extent)
        size = (x, y, z)
        box = box_to_frame(size, self.spacing)
        image = standardise(to_box(volume, frame, box, size))[None]
        with torch.inference_mode(), self.compute.precision():
            output = self.network(image.to(self.compute.device))[0].float().cpu()
        brain = _largest(brain_mask(output))
        cell = self.spacing * self.network.settings.stem
        if brain.sum() * cell**3 < SMALLEST_BRAIN_ML * 1000:
            return None
        where = np.argwhere(brain)[:, ::-1] * self.network.settings.stem
        places = output.numpy()[-3:, brain].T.astype(np.float64)
        points = where @ (frame @ box)[:3, :3].T + (frame @ box)[:3, 3]
        rigid, scale, residual = fit_similarity(places, points)
        inverse = np.linalg.inv(rigid)
        local = points @ inverse[:3, :3].T + inverse[:3, 3]
        low, high = np.percentile(local, [0.2, 99.8], axis=0)
        return Pose(rigid, scale, residual, low - cell / 2, high + cell / 2, True)

    def _by_header(self, volume: Volume) -> Pose:
        """The header's orientation around the centre of the signal's bounding box."""
        where = np.argwhere(volume.array != 0)[:, ::-1]
        matrix = index_to_ras(volume.grid)
        corners = np.array(np.meshgrid(*zip(where.min(0), where.max(0), strict=True))).reshape(3, -1).T
        ends = corners @ matrix[:3, :3].T + matrix[:3, 3]
        to_ras = np.eye(4)
        to_ras[:3, 3] = (ends.min(0) + ends.max(0)) / 2
        half = np.minimum((ends.max(0) - ends.min(0)) / 2, SECOND_LOOK_MM / 2)
        return Pose(to_ras, float("nan"), float("nan"), -half, half, False)


def brain_mask(output: torch.Tensor) -> npt.NDArray[np.bool_]:
    """Voxels (Z, Y, X) that are likelier some tissue than background.

    Args:
        output: of the network, (11, Z, Y, X): eight labels' logits, then the place.
    """
    return (output[1:-3].logsumexp(0) > output[0]).numpy()


def _largest(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    return labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))

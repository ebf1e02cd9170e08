"""Where the brain is, and how it lies: a coarse network that tells each voxel's place in the brain.

The network sees the volume at a few mm. For each voxel it says which tissue it is and where in the
canonical brain it lies, in units of the brain's size. A similarity transform fitted to these places
gives the pose, however the fetus lay: the segmentation network then sees upright brains only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from scipy.spatial.transform import Rotation
from torch import Tensor

from feta.grid import Matrix, transformed
from feta.labels import LABEL_COUNT
from feta.volumes import Volume
from inference.geometry.preprocessing import signal, standardise
from inference.geometry.similarity import fit_similarity
from inference.geometry.view import View, view
from inference.networks.device import Compute
from inference.networks.residual_unet import ResidualUNet
from inference.segmentation.brain_mask import SMALLEST_BRAIN_ML, BrainMask
from inference.segmentation.pose import Points, Pose, angle_between

#: Channels of the network: eight labels' logits, the logit of uprightness, the place (x, y, z).
OUTPUTS = LABEL_COUNT + 4
#: Side (mm) of the box around a brain's centre: as in training.
BOX_MM = 168.0
#: The rotations that are tried, (72, 3, 3): the 60 of an icosahedron, one of which is within 45° of any rotation, and
#: those 12 of a cube that are not among them, so that a brain that lies straight is seen upright in any order of axes.
_QUARTERS = Rotation.from_euler("z", 90, degrees=True) * Rotation.create_group("T")
TRIAL_ROTATIONS = np.concatenate([Rotation.create_group("I").as_matrix(), _QUARTERS.as_matrix()])
#: Four ways up, for the first look at the whole volume.
HALF_TURNS = (np.diag([1.0, 1, 1]), np.diag([1.0, -1, -1]), np.diag([-1.0, 1, -1]), np.diag([-1.0, -1, 1]))
#: So many of the rotations tried are followed further, and so often at most.
MAX_REFINED = 8
MOST_LOOKS = 4
#: Poses closer than this are one; so many different ones are handed on.
SAME_POSE_DEGREES = 25.0
CONTENDERS = 3


@dataclass(frozen=True)
class _Look:
    """What the network said about one upright box, and the pose that follows."""

    pose: Pose
    sureness: float


class Locator:
    """Finds the brain's pose with a trained network.

    The network knows brains within some 50° of upright, and tells them from others. So the brain is shown
    to it in 72 rotations, one of which is within 45° of upright; what it is surest of is taken, and looked
    at again, upright by then, until the pose settles.

    Args:
        network: 1 channel in; out: ``OUTPUTS``.
        spacing: mm at which the network was trained.
        compute: where and how precisely it runs.
    """

    def __init__(self, network: ResidualUNet, spacing: float, compute: Compute) -> None:
        self.network = network.eval().to(compute.device)
        self.spacing = spacing
        self.compute = compute

    def __call__(self, volume: Volume, brain: BrainMask | None = None) -> list[Pose]:
        """Find the brain in a volume of any size: poses that it may have, the likeliest first; none without a brain.

        Args:
            volume: (z, y, x) float32.
            brain: where the brain is, where that is known: nothing else is looked at.
        """
        coarse = self._coarse(volume, brain)
        centre = self._centre(coarse) if brain is None else brain.centre()
        if centre is None:
            return []
        looks = [look for turn in TRIAL_ROTATIONS if (look := self._look(coarse, turn, centre)) is not None]
        settled: list[_Look] = []
        for first in sorted(looks, key=_sureness, reverse=True)[:MAX_REFINED]:
            look = self._settle(coarse, first)
            if all(angle_between(look.pose, other.pose) > SAME_POSE_DEGREES for other in settled):
                settled.append(look)
        settled = sorted(settled, key=_sureness, reverse=True)[:CONTENDERS]
        return [look.pose for look in settled]

    def refine(self, volume: Volume, pose: Pose) -> Pose | None:
        """Where a pose settles when only the mask that was found with it is looked at; None where it finds no brain."""
        coarse = self._coarse(volume, pose.brain)
        look = self._look(coarse, pose.to_ras[:3, :3], pose.centre())
        return None if look is None else replace(self._settle(coarse, look).pose, brain=pose.brain)

    def _coarse(self, volume: Volume, brain: BrainMask | None) -> View:
        """The whole volume (or its brain) at the network's spacing, in RAS mm."""
        ends = volume.grid.corners() * [-1, -1, 1]
        low, high = ends.min(0), ends.max(0)
        x, y, z = (int(n) for n in np.ceil(np.maximum(high - low, 1.0) / self.spacing).astype(int) + 1)

        def only_brain(whole: View) -> Tensor:
            return whole.image if brain is None else whole.image * brain.around(whole.to_ras, whole.size)[1]

        return view(volume, np.eye(4), self.spacing, (x, y, z), (low + high) / 2, normalise=only_brain)

    def _centre(self, coarse: View) -> Points | None:
        """Middle of the brain (RAS mm), from looks at the whole volume four ways up; None without a brain."""
        size = np.array(coarse.size)
        # Inverted twice rather than not at all: that decides the last bit of where the search begins.
        middle = (np.linalg.inv(coarse.to_index) @ [*((size - 1) / 2), 1])[:3]
        extent = float(size.max() * self.spacing)
        looks = [self._look(coarse, turn, middle, extent) for turn in HALF_TURNS]
        found = [look for look in looks if look is not None]
        return max(found, key=_sureness).pose.centre() if found else None

    def _settle(self, coarse: View, look: _Look) -> _Look:
        """Look again from the pose just found, until the network gets no surer."""
        for _ in range(MOST_LOOKS):
            pose = look.pose
            again = self._look(coarse, pose.to_ras[:3, :3], pose.centre())
            if again is None or again.sureness <= look.sureness:
                break
            look = again
        return look

    def _look(self, coarse: View, turn: Points, centre: Points, extent: float = BOX_MM) -> _Look | None:
        """Predict in a cubic box that is turned (3×3, frame to RAS) about a centre, and fit the pose."""
        multiple = self.network.settings.multiple
        side = int(np.ceil(extent / self.spacing / multiple)) * multiple
        frame = np.eye(4)
        frame[:3, :3], frame[:3, 3] = turn, centre
        upright = view(coarse, frame, self.spacing, (side,) * 3, normalise=_standardise_by_signal, frame_last=True)
        with torch.inference_mode(), self.compute.precision():
            output = self.network(upright.image[None].to(self.compute.device))[0].float().cpu()
        return self._fit(output, upright.to_ras)

    def _fit(self, output: Tensor, box: Matrix) -> _Look | None:
        """Fit the pose to the places of the brain's cells; None where there are too few."""
        stem = self.network.settings.stem
        cell = self.spacing * stem
        brain = _largest(brain_mask(output))
        if brain.sum() * cell**3 < SMALLEST_BRAIN_ML * 1000:
            return None
        places = output.numpy()[-3:, brain].T.astype(np.float64)
        points = transformed(box, np.argwhere(brain)[:, ::-1] * stem)
        rigid, scale, residual = fit_similarity(places, points)
        local = transformed(np.linalg.inv(rigid), points)
        low, high = np.percentile(local, [0.2, 99.8], axis=0)
        sureness = float(output[LABEL_COUNT].numpy()[brain].mean())
        return _Look(Pose(rigid, scale, residual, low - cell / 2, high + cell / 2, True), sureness)


def _standardise_by_signal(upright: View) -> Tensor:
    return standardise(upright.image, signal(upright.image))


def brain_mask(output: Tensor) -> npt.NDArray[np.bool_]:
    """Voxels (Z, Y, X) that are likelier some tissue than background.

    Args:
        output: of the network, (12, Z, Y, X).
    """
    return (output[1:LABEL_COUNT].logsumexp(0) > output[0]).numpy()


def _sureness(look: _Look) -> float:
    return look.sureness


def _largest(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    return labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))

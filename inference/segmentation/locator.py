"""Where the brain is, and how it lies: a coarse network that tells each voxel's place in the brain.

The network sees the volume at a few mm. For each voxel it predicts the tissue and the place in the canonical brain, in
units of the brain's size. A similarity transform fitted to these places gives the pose, however the fetus lay, so that
the segmentation network is shown upright brains only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from feta.grid import Matrix, transformed
from feta.labels import LABEL_COUNT
from feta.volumes import Volume
from inference.geometry.components import largest_component
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


def _spread_out(rotations: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rotations (N, 3, 3) in such an order that each is as far as can be from all before it."""
    cosines = (np.einsum("aij,bij->ab", rotations, rotations) - 1) / 2
    order = [int(np.argmax(np.trace(rotations, axis1=1, axis2=2)))]
    while len(order) < len(rotations):
        nearest = cosines[order].max(axis=0)
        nearest[order] = np.inf
        order.append(int(nearest.argmin()))
    return rotations[order]


#: The rotations that are tried, (72, 3, 3): the 60 of an icosahedron, one of which is within 45° of any rotation, and
#: those 12 of a cube that are not among them, so that a brain along the axes is tried upright in any order of axes.
_QUARTERS = Rotation.from_euler("z", 90, degrees=True) * Rotation.create_group("T")
TRIAL_ROTATIONS = _spread_out(np.concatenate([Rotation.create_group("I").as_matrix(), _QUARTERS.as_matrix()]))
#: So many of them are tried before the best is refined.
TRIAL_ROUNDS = np.split(TRIAL_ROTATIONS, 6)
#: A pose of this score at least, that fits at least so well (in brain sizes), is the brain's.
SURE_SCORE, SURE_RESIDUAL = 2.0, 0.07
#: Four ways up, in which the whole volume is tried first.
HALF_TURNS = (np.diag([1.0, 1, 1]), np.diag([1.0, -1, -1]), np.diag([-1.0, 1, -1]), np.diag([-1.0, -1, 1]))
#: So many of the rotations tried are refined, each in so many steps at most.
MAX_REFINED = 8
MAX_STEPS = 4
#: Poses closer than this are one; so many different ones are returned.
SAME_POSE_DEGREES = 25.0
MAX_CANDIDATES = 3


@dataclass(frozen=True)
class _Candidate:
    """A pose that was fitted to the network's places in one trial.

    Attributes:
        pose: the fit.
        score: mean logit over the brain that the network was shown an upright brain.
    """

    pose: Pose
    score: float


class Locator:
    """Finds the brain's pose with a trained network.

    The network knows brains within some 50° of upright, and tells them from others. So it is tried on the brain in one
    rotation after the other: first in those in which the brain's longest axis runs from back to front, then in 72, one
    of which is within 45° of upright. The candidate of the highest score is refined by trying again from the pose that
    was fitted, until the score rises no more. A pose that is sure ends the search; without one, the candidates of the
    highest scores of all are refined and compared.

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
            brain: where the brain is, where that is known: all else is masked.
        """
        coarse = self._coarse(volume, brain)
        centre = self._centre(coarse) if brain is None else brain.centre()
        if centre is None:
            return []
        candidates: list[_Candidate] = []
        for rotations in (_along_longest_axis(coarse.image), *TRIAL_ROUNDS):
            found = self._round(coarse, rotations, centre)
            candidates += found
            if found and _is_sure(refined := self._refine(coarse, max(found, key=_score))):
                return [replace(refined.pose, sure=True)]
        return self._likeliest(coarse, candidates)

    def _round(self, coarse: View, rotations: Iterable[Points], centre: Points) -> list[_Candidate]:
        """What trials in some rotations found; none after one that is sure."""
        found: list[_Candidate] = []
        for rotation in rotations:
            candidate = self._try(coarse, rotation, centre)
            found += [] if candidate is None else [candidate]
            if candidate is not None and _is_sure(candidate):
                break
        return found

    def _likeliest(self, coarse: View, candidates: list[_Candidate]) -> list[Pose]:
        """Poses of the candidates of the highest scores, refined; the likeliest first, none twice."""
        refined: list[_Candidate] = []
        for first in sorted(candidates, key=_score, reverse=True)[:MAX_REFINED]:
            candidate = self._refine(coarse, first)
            if all(angle_between(candidate.pose, other.pose) > SAME_POSE_DEGREES for other in refined):
                refined.append(candidate)
        return [candidate.pose for candidate in sorted(refined, key=_score, reverse=True)[:MAX_CANDIDATES]]

    def refine(self, volume: Volume, pose: Pose) -> Pose | None:
        """A pose refined on the brain mask that was found with it; None where no brain is found there."""
        coarse = self._coarse(volume, pose.brain)
        first = self._try(coarse, pose.to_ras[:3, :3], pose.centre())
        return None if first is None else replace(self._refine(coarse, first).pose, brain=pose.brain)

    def _coarse(self, volume: Volume, brain: BrainMask | None) -> View:
        """The whole volume (or its brain) at the network's spacing, in RAS mm."""
        ends = volume.grid.corners() * [-1, -1, 1]
        low, high = ends.min(0), ends.max(0)
        x, y, z = (int(n) for n in np.ceil(np.maximum(high - low, 1.0) / self.spacing).astype(int) + 1)

        def only_brain(whole: View) -> Tensor:
            return whole.image if brain is None else whole.image * brain.around(whole.to_ras, whole.size)[1]

        return view(volume, np.eye(4), self.spacing, (x, y, z), (low + high) / 2, normalise=only_brain)

    def _centre(self, coarse: View) -> Points | None:
        """Middle of the brain (RAS mm), from trials on the whole volume four ways up; None without a brain."""
        size = np.array(coarse.size)
        # Inverted twice rather than not at all: that decides the last bit of where the search begins.
        middle = (np.linalg.inv(coarse.to_index) @ [*((size - 1) / 2), 1])[:3]
        extent = float(size.max() * self.spacing)
        trials = [self._try(coarse, rotation, middle, extent) for rotation in HALF_TURNS]
        candidates = [candidate for candidate in trials if candidate is not None]
        return max(candidates, key=_score).pose.centre() if candidates else None

    def _refine(self, coarse: View, best: _Candidate) -> _Candidate:
        """Try again from the pose just fitted, as long as the score rises."""
        for _ in range(MAX_STEPS):
            pose = best.pose
            candidate = self._try(coarse, pose.to_ras[:3, :3], pose.centre())
            if candidate is None or candidate.score <= best.score:
                break
            best = candidate
        return best

    def _try(self, coarse: View, rotation: Points, centre: Points, extent: float = BOX_MM) -> _Candidate | None:
        """Predict in a cubic box that is rotated about a centre, and fit the pose.

        Args:
            coarse: the volume at the network's spacing.
            rotation: 3×3, from the box's axes to RAS.
            centre: of the box, RAS mm.
            extent: least side of the box, mm.
        """
        multiple = self.network.settings.multiple
        side = int(np.ceil(extent / self.spacing / multiple)) * multiple
        frame = np.eye(4)
        frame[:3, :3], frame[:3, 3] = rotation, centre
        upright = view(coarse, frame, self.spacing, (side,) * 3, normalise=_standardise_by_signal, frame_last=True)
        with torch.inference_mode(), self.compute.precision():
            output = self.network(upright.image[None].to(self.compute.device))[0].float().cpu()
        return self._fit(output, upright.to_ras)

    def _fit(self, output: Tensor, box: Matrix) -> _Candidate | None:
        """Fit the pose to the places of the brain's cells; None where there are too few."""
        stem = self.network.settings.stem
        cell = self.spacing * stem
        brain = largest_component(brain_mask(output), 6)
        if brain.sum() * cell**3 < SMALLEST_BRAIN_ML * 1000:
            return None
        places = output.numpy()[-3:, brain].T.astype(np.float64)
        points = transformed(box, np.argwhere(brain)[:, ::-1] * stem)
        rigid, scale, residual = fit_similarity(places, points)
        local = transformed(np.linalg.inv(rigid), points)
        low, high = np.percentile(local, [0.2, 99.8], axis=0)
        score = float(output[LABEL_COUNT].numpy()[brain].mean())
        return _Candidate(Pose(rigid, scale, residual, low - cell / 2, high + cell / 2, True), score)


def _is_sure(candidate: _Candidate) -> bool:
    """Whether a pose needs no comparison with others."""
    return candidate.score >= SURE_SCORE and candidate.pose.residual <= SURE_RESIDUAL


def _along_longest_axis(image: Tensor) -> npt.NDArray[np.float64]:
    """Rotations (8, 3, 3), from the box's axes to RAS, in which the longest axis of what is bright runs back to front.

    Either end may be the front, and the brain may have rolled about that axis by any of four quarter turns.

    Args:
        image: (1, Z, Y, X), its axes along RAS; zero around the brain.
    """
    where = torch.nonzero(signal(image)[0]).double().numpy()[:, ::-1]
    if len(where) < 8:
        return np.eye(3)[None]
    _, second, longest = np.linalg.eigh(np.cov(where.T))[1].T
    front = np.column_stack([np.cross(longest, second), longest, second])
    quarters, halves = (
        Rotation.from_euler(axis, np.arange(0, 360, step)[:, None], degrees=True).as_matrix()
        for axis, step in (("y", 90), ("z", 180))
    )
    return np.stack([front @ half @ quarter for quarter in quarters for half in halves])


def _standardise_by_signal(upright: View) -> Tensor:
    return standardise(upright.image, signal(upright.image))


def brain_mask(output: Tensor) -> npt.NDArray[np.bool_]:
    """Voxels (Z, Y, X) that are likelier some tissue than background.

    Args:
        output: of the network, (12, Z, Y, X).
    """
    return (output[1:LABEL_COUNT].logsumexp(0) > output[0]).numpy()


def _score(candidate: _Candidate) -> float:
    return candidate.score

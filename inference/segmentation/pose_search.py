"""How a brain lies: poses are proposed by the locator, compared by the segmentation network, and refined."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from torch import Tensor

from feta.volumes import Volume
from inference.geometry.orientation import CanonicalVolume
from inference.geometry.view import View, view
from inference.networks.device import Compute
from inference.networks.residual_unet import ResidualUNet
from inference.networks.sliding_window import softmax
from inference.networks.weights import Model, load_network
from inference.segmentation.brain_extraction import BrainExtractor
from inference.segmentation.brain_mask import BrainMask
from inference.segmentation.locator import Locator
from inference.segmentation.pose import Pose, angle_between, by_directions
from inference.segmentation.predictor import standardise_by_brain

#: Poses are compared in a box of this many coarse voxels of so many mm along each side, since there are several.
POSE_SCORE_SPACING = 1.5
POSE_SCORE_SIDE = 80
#: A pose that fits worse than this (in brain sizes) is refined on the mask that is found with it, so often at most;
#: once a round rotates it by less than ``SETTLED_DEGREES``, it has settled. One that still fits worse is sought again
#: in the whole volume, without a mask: of 48 simulated heads without a mask, the one that lay upside down fitted by
#: 0.09, the others by 0.064 at most.
FITTING_RESIDUAL = 0.07
MAX_POSE_ROUNDS = 4
SETTLED_DEGREES = 3.0
#: What the score of a pose with a brain mask loses for each brain size by which the places don't fit.
RESIDUAL_PENALTY = 0.3


class PoseFinder:
    """Finds how the brain lies in a volume.

    Args:
        locator: proposes poses.
        network: a segmentation network on the device of ``compute``, by whose certainty poses are compared.
        compute: where to run, and in which precision.
        extractor: finds the brain's mask; None for a search without brain extraction.
    """

    def __init__(
        self, locator: Locator, network: ResidualUNet, compute: Compute, extractor: BrainExtractor | None = None
    ) -> None:
        self.locator = locator
        self.network = network
        self.compute = compute
        self.extractor = extractor

    @classmethod
    def of(cls, model: Model, network: ResidualUNet, compute: Compute, *, brain_extraction: bool = True) -> PoseFinder:
        """With the locator of a folder of weights, and with its brain extraction network where it has one.

        Raises:
            FetaError: the weights can't be used.
        """
        locator = Locator(load_network(model.locator), model.locator.spacing, compute)
        return cls(locator, network, compute, BrainExtractor.of(model, compute) if brain_extraction else None)

    def __call__(self, canonical: CanonicalVolume) -> Pose:
        """The brain's pose in the canonical volume's RAS space; the header's directions where no brain is found."""
        volume, extractor = canonical.volume, self.extractor
        brain = None if extractor is None else extractor.first(volume)
        if extractor is None or brain is None:
            return self._best(volume, self.locator(volume) or [_by_header(canonical)])
        poses = self._seen(extractor, volume, self.locator(volume, brain), brain)
        best = self._fitted(extractor, volume, poses) if poses else None
        # A wrong mask misleads the locator, as does what lies around the brain: poses found either way are compared.
        if best is None or best.residual > FITTING_RESIDUAL:
            known = poses if best is None else [best, *poses]
            poses = known + self._seen(extractor, volume, self.locator(volume), brain)
            if not poses:
                return self._seen(extractor, volume, [_by_header(canonical)], brain)[0]
            best = self._fitted(extractor, volume, poses)
        # So far its mask was of the pose before, and seen but one way round.
        return replace(best, brain=extractor.upright(volume, best, mirrored=True) or best.brain)

    @staticmethod
    def _seen(extractor: BrainExtractor, volume: Volume, poses: list[Pose], brain: BrainMask) -> list[Pose]:
        """Poses with the masks that are seen from them, which are better than the first one."""
        return [replace(pose, brain=extractor.upright(volume, pose) or brain) for pose in poses]

    def _fitted(self, extractor: BrainExtractor, volume: Volume, poses: list[Pose]) -> Pose:
        """The best of some poses, refined on its own mask, by which it was not found."""
        best = self._best(volume, poses)
        refined = self.locator.refine(volume, best)
        best = best if refined is None else self._best(volume, [best, refined])
        return best if best.residual < FITTING_RESIDUAL else self._settle(extractor, volume, best)

    def _best(self, volume: Volume, poses: list[Pose]) -> Pose:
        """The pose in which the segmentation network's probabilities, predicted coarsely, are most certain."""
        if len(poses) == 1:
            return poses[0]
        coarse = _coarse(volume, poses[0])
        scores = [_confidence(self._predict_coarsely(coarse, pose)) for pose in poses]
        if poses[0].brain is not None:
            scores = [
                score - RESIDUAL_PENALTY * (pose.residual if pose.found else 1.0)
                for score, pose in zip(scores, poses, strict=True)
            ]
        return poses[int(np.argmax(scores))]

    def _settle(self, extractor: BrainExtractor, volume: Volume, pose: Pose) -> Pose:
        """Find mask and pose in turn until the pose settles; the one whose places fit best.

        The more upright a brain is shown, the better is its mask, and a better mask gives a better pose.
        """
        best = pose
        for _ in range(MAX_POSE_ROUNDS):
            refined = self.locator.refine(volume, replace(pose, brain=extractor.upright(volume, pose) or pose.brain))
            if refined is None:
                break
            moved, pose = angle_between(pose, refined), refined
            best = min(best, pose, key=lambda p: p.residual)
            if moved < SETTLED_DEGREES:
                break
        return best

    def _predict_coarsely(self, coarse: View, pose: Pose) -> Tensor:
        """Probabilities (8, Z, Y, X) of the tissues in a pose, at the spacing at which poses are compared."""
        size, middle = (POSE_SCORE_SIDE,) * 3, (pose.low + pose.high) / 2
        normalise = partial(standardise_by_brain, pose)
        upright = view(coarse, pose.to_ras, POSE_SCORE_SPACING, size, middle, normalise=normalise)
        return softmax(self.network, self.compute, upright.image[None].to(self.compute.device))[0].cpu()


def _by_header(canonical: CanonicalVolume) -> Pose:
    """The pose of a brain that was not found: it looks at every voxel, which one that was found is spared."""
    return by_directions(canonical.volume, canonical.to_ras[:3, :3].T)


def _coarse(volume: Volume, pose: Pose) -> View:
    """What lies around a pose, in RAS mm, at the spacing at which poses are compared."""
    return view(volume, np.eye(4), POSE_SCORE_SPACING, (POSE_SCORE_SIDE * 2,) * 3, pose.centre())


def _confidence(probabilities: Tensor) -> float:
    """Mean probability of the likeliest tissue over the voxels (8, Z, Y, X) that are no background."""
    tissue = probabilities[0] < 0.5
    return float(probabilities[1:].amax(0)[tissue].mean()) if tissue.any() else 0.0

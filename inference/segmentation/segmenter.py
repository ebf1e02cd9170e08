"""From a T2w volume to a label map on the same grid.

Find the brain and its pose, resample it upright, predict, and bring the probabilities back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from feta.grid import Matrix
from feta.labels import LABEL_COUNT
from feta.measurements import Measurement
from feta.volumes import Volume
from inference.biometry.landmark_network import LandmarkNetwork, LandmarkPair
from inference.biometry.midline_alignment import AlignedLabels
from inference.geometry.frames import LPS_TO_RAS, box_to_frame, index_to_ras, resample
from inference.geometry.native_grid import resample_to_native
from inference.geometry.orientation import CanonicalVolume
from inference.geometry.preprocessing import to_box
from inference.geometry.segmentation_result import Segmentation
from inference.networks.device import Compute
from inference.networks.residual_unet import ResidualUNet
from inference.networks.sliding_window import predict
from inference.networks.weights import Model, load_network, read_model
from inference.segmentation.autoencoder import Autoencoder
from inference.segmentation.brain_extraction import BrainExtractor
from inference.segmentation.locator import Locator
from inference.segmentation.pose import Pose, angle_between, by_directions
from inference.segmentation.pose_search import (
    FITTING_RESIDUAL,
    MAX_POSE_ROUNDS,
    POSE_SCORE_SIDE,
    POSE_SCORE_SPACING,
    RESIDUAL_PENALTY,
    SETTLED_DEGREES,
    _coarse,
    _sureness,
)
from inference.segmentation.postprocessing import constructed, largest_component, quality_warnings
from inference.segmentation.predictor import _normalised, _upright_box


class Segmenter:
    """Segments volumes; the weights are loaded once.

    Args:
        weights: folder with ``model.yaml``.
        compute: where, and in which precision.
        flips: average over the image and its left-right mirror.
        topology: construct label maps with the topology that tissues have.
        autoencoder: mend probability maps before.
        extraction: take the brain out of its surroundings first, where the weights have a network for it.

    Raises:
        FetaError: where the weights cannot be used.
    """

    def __init__(
        self,
        weights: Path,
        compute: Compute,
        *,
        flips: bool = True,
        topology: bool = True,
        autoencoder: bool = False,
        extraction: bool = True,
    ) -> None:
        self.model: Model = read_model(weights)
        self.compute = compute
        self.flips = flips
        self.topology = topology
        self.locator = Locator(load_network(self.model.locator), self.model.locator.spacing, self.compute)
        self.networks = [load_network(f).to(self.compute.device) for f in self.model.segmentation]
        self.autoencoder = Autoencoder.of(self.model, self.compute) if autoencoder else None
        self.extractor = BrainExtractor.of(self.model, compute) if extraction else None
        named = self.model.landmarks
        self.landmark_network = None if named is None else LandmarkNetwork(load_network(named), compute, flips=flips)

    def __call__(self, volume: Volume) -> Segmentation:
        """Segment one volume of float32 intensities (z, y, x)."""
        canonical = CanonicalVolume.of(volume)
        pose = self.pose(canonical)
        labels = canonical.order.undo(self._labels(canonical.volume, pose))
        to_canonical = np.linalg.inv(canonical.to_ras @ pose.to_ras) @ LPS_TO_RAS
        return Segmentation(Volume(labels, volume.grid), to_canonical, quality_warnings(pose, labels))

    def landmarks(
        self, volume: Volume, segmented: Segmentation, aligned: AlignedLabels
    ) -> Mapping[Measurement, LandmarkPair] | None:
        """Both ends of each length by the landmark network; None where the weights have none."""
        return None if self.landmark_network is None else self.landmark_network(volume, segmented, aligned)

    def pose(self, canonical: CanonicalVolume) -> Pose:
        """How the brain lies in a volume without directions; the header's are taken where none is found."""
        volume, extractor = canonical.volume, self.extractor
        brain = None if extractor is None else extractor.first(volume)
        # A mask that is wrong misleads the locator, and so do surroundings: poses from both are judged.
        poses = [*([] if brain is None else self.locator(volume, brain)), *self.locator(volume)]
        poses = poses or [by_directions(volume, canonical.to_ras[:3, :3].T)]
        if extractor is not None and brain is not None:
            poses = [replace(p, brain=extractor.upright(volume, p) or brain) for p in poses]
        surest = self._surest(volume, poses)
        if extractor is None or surest.brain is None or not surest.found:
            return surest
        # The mask of the upright brain is better than the first one, by which the pose was found.
        again = self.locator.refine(volume, surest)
        surest = surest if again is None else self._surest(volume, [surest, again])
        return surest if surest.residual < FITTING_RESIDUAL else self._settled(extractor, volume, surest)

    def _labels(self, volume: Volume, pose: Pose) -> npt.NDArray[np.uint8]:
        """The label map (Z, Y, X) of a volume whose pose is known."""
        probabilities, to_box_index = self.predict_upright(volume, pose)
        if self.autoencoder is not None:
            probabilities = self.autoencoder(probabilities)
        found = resample_to_native(probabilities, to_box_index, volume.grid.size, scores=self.topology)
        labels = largest_component(found.labels)
        if self.topology:
            labels[found.part] = constructed(found, labels, np.linalg.inv(pose.to_ras) @ index_to_ras(volume.grid))
        return labels

    def predict_upright(self, volume: Volume, pose: Pose) -> tuple[Tensor, Matrix]:
        """Probabilities (8, Z, Y, X) in the upright box around a brain, and from the volume's index to the box's."""
        box, size = _upright_box(pose, self.model.segmentation[0].spacing)
        image = to_box(volume, pose.to_ras, box, size)
        probabilities = self._probabilities(_normalised(pose, box, image))
        return probabilities, np.linalg.inv(pose.to_ras @ box) @ index_to_ras(volume.grid)

    def _surest(self, volume: Volume, poses: list[Pose]) -> Pose:
        """The pose from which the first network is surest of the tissues that it sees, coarsely."""
        if len(poses) == 1:
            return poses[0]
        coarse = _coarse(volume, poses[0])
        verdicts = [_sureness(self._glimpse(coarse, pose)) for pose in poses]
        if poses[0].brain is not None:
            verdicts = [
                v - RESIDUAL_PENALTY * (p.residual if p.found else 1.0) for v, p in zip(verdicts, poses, strict=True)
            ]
        return poses[int(np.argmax(verdicts))]

    def _settled(self, extractor: BrainExtractor, volume: Volume, pose: Pose) -> Pose:
        """The pose, sought again and again on the mask that is found with it, where the places fit it better by that.

        The more upright a brain is seen, the better is its mask, and by a better mask the pose is found better.
        """
        best = pose
        for _ in range(MAX_POSE_ROUNDS):
            again = self.locator.refine(volume, replace(pose, brain=extractor.upright(volume, pose) or pose.brain))
            if again is None:
                break
            moved, pose = angle_between(pose, again), again
            best = min(best, pose, key=lambda p: p.residual)
            if moved < SETTLED_DEGREES:
                break
        return best

    def _glimpse(self, coarse: tuple[Tensor, Matrix], pose: Pose) -> Tensor:
        """What the first network sees coarsely in a pose, (8, Z, Y, X)."""
        size = (POSE_SCORE_SIDE,) * 3
        box = box_to_frame(size, POSE_SCORE_SPACING, (pose.low + pose.high) / 2)
        image = _normalised(pose, box, resample(coarse[0], coarse[1] @ pose.to_ras @ box, size))
        return self._softmax(self.networks[0], image[None].to(self.compute.device))[0].cpu()

    def _probabilities(self, image: Tensor) -> Tensor:
        """Mean of networks and mirrors, (8, Z, Y, X) float32 on the CPU."""
        total = torch.zeros((LABEL_COUNT, *image.shape[1:]))
        image = image.to(self.compute.device)
        views = [False, True] if self.flips else [False]
        for network, file in zip(self.networks, self.model.segmentation, strict=True):
            for mirrored in views:
                seen = image.flip(3) if mirrored else image
                output = predict(seen, partial(self._softmax, network), LABEL_COUNT, (file.patch,) * 3).cpu()
                total += output.flip(3) if mirrored else output
        return total / (len(self.networks) * len(views))

    @torch.inference_mode()
    def _softmax(self, network: ResidualUNet, patch: Tensor) -> Tensor:
        with self.compute.precision():
            return network(patch).float().softmax(1)

"""From a T2w volume to a label map in its native space: find the pose, predict, post-process."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from feta.volumes import Volume
from inference.geometry.frames import LPS_TO_RAS
from inference.geometry.native_grid import Prediction
from inference.geometry.orientation import CanonicalVolume
from inference.geometry.segmentation_result import Segmentation, SoftLabels
from inference.networks.device import Compute
from inference.networks.weights import Model
from inference.segmentation.autoencoder import Autoencoder
from inference.segmentation.pose import Pose
from inference.segmentation.pose_search import PoseFinder
from inference.segmentation.postprocessing import postprocess, quality_warnings
from inference.segmentation.predictor import UprightPredictor
from inference.segmentation.signals import segmentation_signals


class Predictor(Protocol):
    """Predicts the tissues of a brain whose pose is known: our ensemble, or a participant's nnU-Net."""

    def __call__(self, canonical: CanonicalVolume, pose: Pose, *, scores: bool) -> Prediction:
        """Labels on the volume's own grid, and the probabilities of all labels where ``scores`` asks for them."""


class Segmenter:
    """Segments volumes.

    Args:
        find_pose: finds how the brain lies.
        predict: predicts its tissues.
        topology: whether post-processing constructs label maps with the topology that tissues have.

    Attributes:
        soft: whether to give the networks' probabilities, too; not unless it is set.
    """

    def __init__(self, find_pose: PoseFinder, predict: Predictor, *, topology: bool = True) -> None:
        self.find_pose = find_pose
        self.predict = predict
        self.topology = topology
        self.soft = False

    def __call__(self, volume: Volume) -> Segmentation:
        """Segment one volume of float32 intensities (z, y, x)."""
        canonical = CanonicalVolume.of(volume)
        pose = self.find_pose(canonical)
        prediction = self.predict(canonical, pose, scores=self.topology or self.soft)
        labels = postprocess(prediction, topology=self.topology)
        native, soft = prediction.native, None
        if self.soft and native.scores is not None:
            soft = SoftLabels(native.scores, native.part, native.labels.shape, prediction.order.undo)
        to_canonical = np.linalg.inv(canonical.to_ras @ pose.to_ras) @ LPS_TO_RAS
        found = Volume(labels, volume.grid)
        warnings = (*prediction.warnings, *quality_warnings(pose, labels))
        signals = segmentation_signals(pose, prediction, found)
        return Segmentation(found, to_canonical, warnings, soft, signals)


def load_segmenter(
    model: Model,
    compute: Compute,
    *,
    mirror_tta: bool = False,
    topology: bool = True,
    autoencoder: bool = False,
    brain_extraction: bool = True,
) -> Segmenter:
    """The segmenter with our own networks; weights are loaded once.

    Args:
        model: of a folder of weights.
        compute: where to run, and in which precision.
        mirror_tta: test-time augmentation, the mean over the image and its left-right mirror image.
        topology: construct label maps with the topology that tissues have.
        autoencoder: correct probability maps by the denoising autoencoder.
        brain_extraction: find the brain's mask first, where the folder has a network for it.

    Raises:
        FetaError: the weights can't be used.
    """
    correct = Autoencoder.of(model, compute) if autoencoder else None
    predict = UprightPredictor.of(model, compute, mirror_tta=mirror_tta, autoencoder=correct)
    find_pose = PoseFinder.of(model, predict.networks[0], compute, brain_extraction=brain_extraction)
    return Segmenter(find_pose, predict, topology=topology)

"""The submission's segmenter with a participant's nnU-Net in place of our network.

Where the brain lies, the topology by construction, and all that comes after stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from feta.grid import Grid
from feta.measurements import Measurement
from feta.volumes import Volume
from inference.biometry.landmark_network import LandmarkPair
from inference.biometry.midline_alignment import AlignedLabels
from inference.geometry.frames import LPS_TO_RAS, index_to_ras
from inference.geometry.orientation import CanonicalVolume, Reorientation
from inference.geometry.segmentation_result import Segmentation
from inference.networks.device import Compute
from inference.nnunet.folder import Results
from inference.nnunet.predictor import Predictor
from inference.segmentation.postprocessing import constructed, largest_component, quality_warnings
from inference.segmentation.segmenter import Segmenter

AS_STORED = Reorientation((0, 1, 2), (False, False, False))


class NnunetSegmenter:
    """Segments volumes; all weights are loaded once.

    Args:
        results: the trained nnU-Net.
        frame: folder with ``model.yaml``, whose networks find the brain's pose.
        compute: where, and in which precision.
        flips: average over the mirrored copies that the training allows.
        topology: construct label maps with the topology that tissues have.
        extraction: find the pose of a brain without its surroundings, too.

    Raises:
        FetaError: where the weights cannot be used.
    """

    def __init__(
        self,
        results: Results,
        frame: Path,
        compute: Compute,
        *,
        flips: bool = True,
        topology: bool = True,
        extraction: bool = True,
    ) -> None:
        self.predictor = Predictor(results, compute, flips=flips)
        self.frame = Segmenter(frame, compute, flips=flips, topology=False, extraction=extraction)
        self.topology = topology

    def __call__(self, volume: Volume) -> Segmentation:
        """Segment one volume of float32 intensities (z, y, x)."""
        canonical = CanonicalVolume.of(volume)
        pose = self.frame.pose(canonical)
        to_canonical = np.linalg.inv(canonical.to_ras @ pose.to_ras)
        order = training_order(volume.grid, reorient=self.predictor.plans.reorient)
        seen = order.apply(volume)
        found = self.predictor(seen, scores=self.topology)
        labels = largest_component(found.labels)
        if self.topology:
            labels[found.part] = constructed(found, labels, to_canonical @ index_to_ras(seen.grid))
        labels = order.undo(labels)
        return Segmentation(Volume(labels, volume.grid), to_canonical @ LPS_TO_RAS, quality_warnings(pose, labels))

    def landmarks(
        self, volume: Volume, segmented: Segmentation, aligned: AlignedLabels
    ) -> Mapping[Measurement, LandmarkPair] | None:
        """Both ends of each length by our landmark network; None where the weights have none."""
        return self.frame.landmarks(volume, segmented, aligned)


def training_order(grid: Grid, *, reorient: bool) -> Reorientation:
    """How a volume is turned to the order of axes that training had: as stored, or RAS by the header."""
    if not reorient:
        return AS_STORED
    lps = Reorientation.of(grid)
    left, posterior, superior = lps.mirrored
    return replace(lps, mirrored=(not left, not posterior, superior))

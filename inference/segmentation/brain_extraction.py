"""Brain extraction: a coarse network that tells the brain from skull, amniotic fluid and mother.

It runs first on the whole volume, however the fetus lies: the locator is shown what is within that mask. Then on the
upright box around the brain, once the pose is known: the segmentation networks are shown what is within that mask,
widened a little, and intensities are standardised by the brain alone. Where the pose fits badly, mask and pose are
found again in turn (`inference.segmentation.pose_search`); the last look is at the mirror image as well.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

from feta.grid import Matrix
from feta.volumes import Volume
from inference.geometry.preprocessing import signal, standardise
from inference.geometry.view import view
from inference.networks.device import Compute
from inference.networks.residual_unet import ResidualUNet
from inference.networks.sliding_window import predict, softmax
from inference.networks.weights import Model, load_network
from inference.segmentation.brain_mask import BrainMask
from inference.segmentation.pose import Pose

#: A volume whose signal fills less than so many times the brain's mask was masked before: it stays as it is.
SURROUNDED = 2.0
#: Room (mm) around the brain's extent in the second run.
ROOM_MM = 24.0
#: A young brain is shown at voxels down to this share of the usual ones, room and all; it looks like an older one then.
FINEST = 0.6


class BrainExtractor:
    """Finds the brain's mask with a trained network.

    Args:
        network: 1 channel in, background and brain out.
        spacing: mm at which the network was trained.
        patch: side in voxels of what it saw there: a network that sees more at once takes the mother for the brain.
        compute: where and how precisely it runs.
    """

    def __init__(self, network: ResidualUNet, spacing: float, patch: int, compute: Compute) -> None:
        self.network = network.eval().to(compute.device)
        self.spacing = spacing
        self.patch = patch
        self.compute = compute

    @staticmethod
    def of(model: Model, compute: Compute) -> BrainExtractor | None:
        """With the network that a folder of weights names; None where it names none."""
        named = model.brain_extraction
        return None if named is None else BrainExtractor(load_network(named), named.spacing, named.patch, compute)

    def first(self, volume: Volume) -> BrainMask | None:
        """The brain's mask in a volume of any size, however it lies; None where there is no brain, or nothing else."""
        ends = volume.grid.corners() * [-1, -1, 1]
        return self._mask(volume, np.eye(4), ends.min(0), ends.max(0), self.spacing, SURROUNDED)

    def upright(self, volume: Volume, pose: Pose, *, mirrored: bool = False) -> BrainMask | None:
        """The same in the upright box of a pose, as finely as one patch has room for the whole box.

        Args:
            volume: (z, y, x) float32.
            pose: of the brain.
            mirrored: also look at the mirror image, left for right, and take the mean: dearer and more exact.
        """
        longest = max(self.patch * self.spacing - 2 * ROOM_MM, 1.0)
        share = float(np.clip((pose.high - pose.low).max() / longest, FINEST, 1.0))
        room = share * ROOM_MM
        low, high = pose.low - room, pose.high + room
        return self._mask(volume, pose.to_ras, low, high, share * self.spacing, mirrored=mirrored)

    def _mask(
        self,
        volume: Volume,
        frame: Matrix,
        low: npt.NDArray,
        high: npt.NDArray,
        spacing: float,
        surrounded: float = 0.0,
        *,
        mirrored: bool = False,
    ) -> BrainMask | None:
        """The brain's mask in a box of a frame; None unless signal fills it ``surrounded`` times.

        Args:
            volume: (z, y, x) float32.
            frame: 4×4 from the frame's mm to RAS mm.
            low, high: least and greatest x, y, z of the box in the frame, mm.
            spacing: at which it is shown, mm.
            surrounded: see ``SURROUNDED``.
            mirrored: see ``upright``.
        """
        # A box that fills a patch to the last voxel may come out wider by a rounding error.
        size = np.maximum(np.ceil((high - low) / spacing - 1e-6).astype(int), self.patch)
        x, y, z = (int(n) for n in size)
        box = view(volume, frame, spacing, (x, y, z), (low + high) / 2)
        bright = signal(box.image)
        probability = self._probability(box.image)
        if mirrored:
            probability = (probability + self._probability(box.image.flip(-1)).flip(-1)) / 2
        brain = BrainMask.of(probability, box.to_index)
        return None if brain is None or bright.sum() < surrounded * (brain.probability > 0.5).sum() else brain

    def _probability(self, image: Tensor) -> Tensor:
        """Of brain, (1, Z, Y, X), in a box of such voxels."""
        # Each patch is normalised by itself, as in training.
        return predict(image.to(self.compute.device), self._softmax, 2, (self.patch,) * 3)[1:].cpu()

    def _softmax(self, patch: Tensor) -> Tensor:
        """Probabilities (1, 2, Z, Y, X) of a patch, standardised by its own signal."""
        return softmax(self.network, self.compute, standardise(patch, signal(patch)))

"""Which voxels are brain: a coarse network that tells it from skull, fluid and mother.

It looks twice. First at the whole volume, however the fetus lies: what it finds is all that the locator gets to see.
Then at the upright box around the brain, once the pose is known: that mask, widened a little, is all that the
segmentation gets to see, and the brain alone says what is bright and what is dark. Where the pose fits badly, it looks
again from each pose that follows (`inference.segmenter`).
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

#: A volume whose signal fills less than so many times the brain's mask has been masked before: nothing is taken away.
SURROUNDED = 2.0
#: Room (mm) around the brain's extent at the second look.
ROOM_MM = 24.0


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
        named = model.extraction
        return None if named is None else BrainExtractor(load_network(named), named.spacing, named.patch, compute)

    def first(self, volume: Volume) -> BrainMask | None:
        """The brain's mask in a volume of any size, however it lies; None where there is no brain, or nothing else."""
        ends = volume.grid.corners() * [-1, -1, 1]
        return self._mask(volume, np.eye(4), ends.min(0), ends.max(0), SURROUNDED)

    def upright(self, volume: Volume, pose: Pose) -> BrainMask | None:
        """The same in the upright box of a pose."""
        return self._mask(volume, pose.to_ras, pose.low - ROOM_MM, pose.high + ROOM_MM)

    def _mask(
        self, volume: Volume, frame: Matrix, low: npt.NDArray, high: npt.NDArray, surrounded: float = 0.0
    ) -> BrainMask | None:
        """Look at a box (least, greatest x, y, z in mm) of a frame; signal must fill its brain ``surrounded`` times."""
        size = np.maximum(np.ceil((high - low) / self.spacing).astype(int), self.patch)
        x, y, z = (int(n) for n in size)
        seen = view(volume, frame, self.spacing, (x, y, z), (low + high) / 2)
        bright = signal(seen.image)
        # Each patch is normalised by itself, as in training.
        probability = predict(seen.image.to(self.compute.device), self._softmax, 2, (self.patch,) * 3)[1:].cpu()
        brain = BrainMask.of(probability, seen.to_index)
        return None if brain is None or bright.sum() < surrounded * (brain.probability > 0.5).sum() else brain

    def _softmax(self, patch: Tensor) -> Tensor:
        """Probabilities (1, 2, Z, Y, X) of a patch, standardised by its own signal."""
        return softmax(self.network, self.compute, standardise(patch, signal(patch)))

"""Denoising autoencoder post-processing: corrects a probability map by what brains look like, without the image.

After Larrazabal et al. (Post-DAE, IEEE TMI 2020): trained on corrupted maps, it predicts clean ones. Here it predicts
by how much to change the log-probabilities, so that it can also leave a map as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from feta.errors import FetaError
from feta.labels import LABEL_COUNT
from inference.networks.device import Compute
from inference.networks.residual_unet import NetworkSettings
from inference.networks.sliding_window import predict
from inference.networks.weights import REMEDY, Model, WeightFile, load_network

#: Probabilities below this count as this; training keeps them in units of 1/255.
LEAST = 1 / 510
#: Side of a patch in voxels. Neighbours share little: what lies far off matters less here than in an image.
PATCH = 96
OVERLAP = 0.25


def fits(network: NetworkSettings) -> bool:
    """Whether a network of this shape takes a map of all labels and gives a change for each voxel of it."""
    return network.inputs == LABEL_COUNT and network.outputs == LABEL_COUNT * network.stem**3


def corrected_logits(network: nn.Module, probabilities: Tensor) -> Tensor:
    """Logits of the corrected map.

    Args:
        network: gives ``LABEL_COUNT · s³`` channels at a resolution ``s`` times coarser: s³ voxels at each place.
        probabilities: (N, 8, Z, Y, X) float32; sides are multiples of what the network needs.

    Returns:
        (N, 8, Z, Y, X) float32.
    """
    change = network(probabilities).float()
    number, channels, z, y, x = change.shape
    s = probabilities.shape[2] // z
    fine = change.view(number, channels // s**3, s, s, s, z, y, x).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return probabilities.clamp_min(LEAST).log() + fine.reshape(probabilities.shape)


class Autoencoder:
    """Corrects the probability map of a whole upright box.

    Args:
        weights: of the network, trained at the spacing of the box.
        spacing: of the box, mm.
        compute: where and how precisely it runs.

    Raises:
        FetaError: the weights cannot be used, or are of another spacing.
    """

    def __init__(self, weights: WeightFile, spacing: float, compute: Compute) -> None:
        if not fits(weights.network):
            raise FetaError(weights.path, "is described as a network that does not correct maps", REMEDY)
        if abs(weights.spacing - spacing) > 1e-6:
            problem = f"corrects maps of {weights.spacing:g} mm, and the segmentation networks' are of {spacing:g} mm"
            raise FetaError(weights.path, problem, "train it for these networks, or use --no-autoencoder")
        self.network = load_network(weights).to(compute.device)
        self.compute = compute

    @classmethod
    def of(cls, model: Model, compute: Compute) -> Autoencoder:
        """The one that a folder of weights has for its segmentation networks.

        Raises:
            FetaError: it has none, or one that does not go with them.
        """
        if model.autoencoder is None:
            raise FetaError("--autoencoder", "the folder of weights has none", "leave it out, or name another folder")
        return cls(model.autoencoder, model.segmentation[0].spacing, compute)

    def __call__(self, probabilities: Tensor) -> Tensor:
        """Correct a map (8, Z, Y, X) float32, each side at least ``PATCH``; the same shape, on the CPU."""
        return predict(probabilities.to(self.compute.device), self._corrected, LABEL_COUNT, (PATCH,) * 3, OVERLAP).cpu()

    @torch.inference_mode()
    def _corrected(self, patch: Tensor) -> Tensor:
        with self.compute.precision():
            return corrected_logits(self.network, patch).softmax(1)

"""What segmentation networks predict for synthetic volumes: the errors that the autoencoder learns to correct."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from inference.geometry.components import largest_component
from inference.networks.frozen_norm import by_statistics_of, middle
from inference.networks.residual_unet import Norm, ResidualUNet
from inference.topology.correction import construct, sure_scores
from training.data.subject import Subject
from training.synthesis.sample import generate_sample
from training.synthesis.settings import SynthesisSettings
from training.tasks.segmentation import normalised


@dataclass(frozen=True)
class NetworkErrors:
    """Segmentation networks whose errors are to be corrected.

    Attributes:
        folder: that they were read from.
        networks: their mean counts.
        spacing: mm that they work at.
        patch: voxels a side of the samples that they learned from.
        multiple: every side of a volume must be one of this.
        subjects_seen: names of those that they learned from, as far as the folder tells.
        told: whether these are all.
    """

    folder: Path
    networks: Sequence[nn.Module]
    spacing: float
    patch: int
    multiple: int
    subjects_seen: Sequence[str] = ()
    told: bool = False

    def sha256(self) -> str:
        """Of all weights."""
        digest = hashlib.sha256()
        for network in self.networks:
            for name, tensor in network.state_dict().items():
                digest.update(name.encode() + tensor.float().numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Answer:
    """What the segmentation networks say about one synthetic volume; small, since many are kept.

    Attributes:
        scores: (8, Z, Y, X) uint8, probabilities in units of 1/255.
        labels: (Z, Y, X) uint8, the truth, with the right topology.
    """

    scores: Tensor
    labels: Tensor

    def part(self, corner: Sequence[int], side: int) -> tuple[Tensor, Tensor]:
        """Probabilities (8, n, n, n) float32 and labels (n, n, n) int64 of a cube, at most as large as the volume."""
        box = tuple(slice(start, start + side) for start in corner)
        return self.scores[(slice(None), *box)].float() / 255, self.labels[box].long()


def answer(errors: NetworkErrors, subject: Subject, settings: SynthesisSettings, seed: int) -> Answer:
    """Make a volume and ask the networks (their mean counts); a pure function of its arguments.

    A deformed label map has hundreds of holes in its thin sheets, more than the networks' answers. Who learned from it
    would learn to tear them: the truth gets the topology that tissues have.
    """
    sample = generate_sample(subject, settings, seed)
    image = normalised(sample, seed)
    with torch.no_grad():
        said = torch.stack([_probabilities(network, image, errors.patch) for network in errors.networks]).mean(0)
    labels = sample.labels.to(torch.uint8).numpy()
    labels *= largest_component(labels > 0, 26)
    mended = construct(labels, sure_scores(labels), (sample.atlas[..., 0] < 0).numpy())
    return Answer((said * 255).round().to(torch.uint8), torch.from_numpy(mended))


def _probabilities(network: nn.Module, image: Tensor, patch: int) -> Tensor:
    """(8, Z, Y, X) float32, of the whole volume (1, Z, Y, X) at once, as in inference."""
    precision = torch.autocast("cpu", torch.bfloat16)
    if isinstance(network, ResidualUNet) and network.settings.norm is Norm.INSTANCE:
        side = min(patch, *image.shape[1:])
        network = by_statistics_of(network, middle(image, side)[None], precision)
    with precision:
        return network(image[None])[0].float().softmax(0)

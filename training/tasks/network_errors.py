"""What segmentation networks predict for synthetic volumes: the errors that the autoencoder learns to correct."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

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
        subjects_seen: names of those that they learned from; None where the folder doesn't tell.
    """

    folder: Path
    networks: Sequence[nn.Module]
    spacing: float
    subjects_seen: Sequence[str] | None = None

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
        labels: (Z, Y, X) uint8, the truth.
    """

    scores: Tensor
    labels: Tensor

    @property
    def probabilities(self) -> Tensor:
        """(8, Z, Y, X) float32."""
        return self.scores.float() / 255


def answer(networks: Sequence[nn.Module], subject: Subject, settings: SynthesisSettings, seed: int) -> Answer:
    """Make a volume and ask the networks (their mean counts); a pure function of its arguments."""
    sample = generate_sample(subject, settings, seed)
    image = normalised(sample, seed)[None]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        said = torch.stack([network(image)[0].float().softmax(0) for network in networks]).mean(0)
    return Answer((said * 255).round().to(torch.uint8), sample.labels.to(torch.uint8))

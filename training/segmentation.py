"""Training of the segmentation network on upright, synthetic and real T2w volumes of the brain."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from feta.labels import LABEL_COUNT, TISSUES
from inference.network import NetworkSettings, ResidualUNet
from inference.preprocessing import standardise
from training.cohorts import Subjects
from training.loop import LoopSettings, train
from training.losses import segmentation_loss
from training.randomness import Draw
from training.synthesis import Sample, SynthesisSettings, synthesise


@dataclass(frozen=True)
class SegmentationSettings:
    """Everything that a run of ``feta-train segmentation`` depends on.

    Attributes:
        network: its shape.
        synthesis: of samples.
        loop: how long and how fast.
        more: share of the samples that are made of the subjects of ``--also`` folders, where there are any.
    """

    network: NetworkSettings = field(default_factory=NetworkSettings)
    synthesis: SynthesisSettings = field(default_factory=SynthesisSettings)
    loop: LoopSettings = field(default_factory=LoopSettings)
    more: float = 0.6


class SegmentationTask:
    """Synthetic brains, roughly upright as the locator leaves them; the target is the label map."""

    def __init__(self, subjects: Subjects, settings: SegmentationSettings) -> None:
        self.subjects = subjects
        self.settings = settings

    def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
        """Loss of a batch made from these seeds."""
        del done  # no curriculum here
        chosen = [self.subjects.draw(Draw(seed ^ 0x5EED), self.settings.more) for seed in seeds]
        samples = [
            synthesise(subject, self.settings.synthesis, seed) for subject, seed in zip(chosen, seeds, strict=True)
        ]
        images = torch.stack([normalised(sample, seed) for sample, seed in zip(samples, seeds, strict=True)])
        with torch.autocast("cpu", torch.bfloat16):
            outputs = network.levels(images, self.settings.network.heads)  # type: ignore[operator]
        return segmentation_loss(outputs, torch.stack([sample.labels for sample in samples]))

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Dice of each tissue on synthetic scans of the validation subjects, two of each."""
        overlap, total = torch.zeros(LABEL_COUNT), torch.zeros(LABEL_COUNT)
        validation = self.subjects.validation
        for seed in range(2 * len(validation)):
            sample = synthesise(validation[seed % len(validation)], self.settings.synthesis, 10**9 + seed)
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                predicted = network(normalised(sample, seed)[None])[0].argmax(0)
            a = F.one_hot(predicted, LABEL_COUNT).bool().flatten(0, 2)
            b = F.one_hot(sample.labels, LABEL_COUNT).bool().flatten(0, 2)
            overlap += (a & b).sum(0)
            total += a.sum(0) + b.sum(0)
        dice = (2 * overlap / total.clamp_min(1)).tolist()
        return {"dice": sum(dice[1:]) / len(TISSUES)} | {t.name.lower(): dice[t] for t in TISSUES}


def normalised(sample: Sample, seed: int) -> Tensor:
    """The image (1, Z, Y, X) as the network will see it: standardised within a brain mask that is not quite right."""
    draw = Draw(seed ^ 0xB5A1)
    brain = (sample.labels > 0)[None]
    reach = draw.integer(4)
    if reach:
        brain = F.max_pool3d(brain.float()[None], 2 * reach + 1, stride=1, padding=reach)[0] > 0
    inside = brain & (sample.image > 0)
    return standardise(sample.image, inside) * draw.uniform(0.85, 1.15) + draw.normal(0.1)


def train_segmentation(
    subjects: Subjects, settings: SegmentationSettings, folder: Path, say: object = print, start: Path | None = None
) -> nn.Module:
    """Train the segmentation network in a run folder, from another run's weights if asked; returns the average."""
    torch.manual_seed(settings.loop.seed)
    network = ResidualUNet(settings.network)
    return train(network, SegmentationTask(subjects, settings), settings.loop, folder, say, start)  # type: ignore[arg-type]

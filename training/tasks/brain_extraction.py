"""Training of the coarse brain extraction network (``inference/segmentation/brain_extraction.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from inference.geometry.preprocessing import signal, standardise
from inference.networks.residual_unet import NetworkSettings, ResidualUNet
from training.data.leakage import lineage_of
from training.data.provenance import all_source_subjects
from training.data.split import Subjects
from training.engine.loop import Report, train
from training.engine.losses import dice_and_cross_entropy
from training.engine.optimisers import LoopSettings
from training.synthesis.painted_heads import PaintedHead, crop_field_of_view, generate_head_sample
from training.synthesis.real_surroundings import RealStack
from training.synthesis.sample import Sample, generate_sample
from training.synthesis.settings import (
    IntensitySettings,
    MaskSettings,
    ScanSettings,
    SpatialSettings,
    SynthesisSettings,
)
from training.tasks.random_streams import Stream, stream

#: So many synthetic volumes of each validation subject are looked at.
VALIDATION_VIEWS = 4


def _shape() -> NetworkSettings:
    return NetworkSettings(outputs=2, widths=(12, 24, 48, 96), blocks=(1, 1, 1, 1), heads=1)


def _volumes() -> SynthesisSettings:
    return SynthesisSettings(
        size=64,
        spacing=2.0,
        spatial=SpatialSettings(any_rotation=0.6, rotation=30.0, shift=20.0),
        mask=MaskSettings(masked=0.3),
        intensity=IntensitySettings(contrasts=(0.5, 0.45)),
        scan=ScanSettings(blur=1.0, coarse=2.8, noise=0.15),
    )


@dataclass(frozen=True)
class BrainExtractionSettings:
    """Everything that a run of ``feta-train fit brain-extraction`` depends on.

    Attributes:
        network: its shape; two outputs, background and brain.
        synthesis: of what it sees.
        loop: how long and how fast.
        painted: share of the samples that are painted heads, where there are any.
        more: share of the others that are subjects of other folders.
    """

    network: NetworkSettings = field(default_factory=_shape)
    synthesis: SynthesisSettings = field(default_factory=_volumes)
    loop: LoopSettings = field(default_factory=LoopSettings)
    painted: float = 0.6
    more: float = 0.3

    def __post_init__(self) -> None:
        if self.network.outputs != 2 or self.network.stem != 1:
            raise ValueError("network must have 2 outputs (background and brain) and a stem of 1")


def seen_and_brain(sample: Sample, seed: int, spacing: float) -> tuple[Tensor, Tensor]:
    """The volume (1, Z, Y, X) of a sample as the network sees it, and its brain (Z, Y, X) int64, 0 or 1.

    The volume may end, and is standardised by its signal. What is cut off from the brain can't be found.
    """
    image = crop_field_of_view(stream(seed, Stream.FIELD_OF_VIEW), sample.image, spacing)
    return standardise(image, signal(image)), ((sample.labels > 0) & (image[0] > 0)).long()


class BrainExtractionTask:
    """Synthetic volumes, masked and unmasked, and where their brains are."""

    def __init__(
        self,
        subjects: Subjects,
        heads: list[PaintedHead],
        settings: BrainExtractionSettings,
        stacks: Sequence[RealStack] = (),
    ) -> None:
        self.subjects = subjects
        self.heads = heads
        self.settings = settings
        self.stacks = stacks

    def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
        """Loss of a batch made from these seeds."""
        del done  # no curriculum here
        images, brains = zip(*[self._example(seed) for seed in seeds], strict=True)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(torch.stack(images))
        return dice_and_cross_entropy(logits, torch.stack(brains))

    def _example(self, seed: int) -> tuple[Tensor, Tensor]:
        """Image (1, Z, Y, X) and brain (Z, Y, X) int64, 0 or 1."""
        draw, synthesis = stream(seed, Stream.SUBJECT), self.settings.synthesis
        if self.heads and draw.bernoulli(self.settings.painted):
            made = generate_head_sample(self.heads[draw.integer(len(self.heads))], synthesis, seed, self.stacks)
        else:
            made = generate_sample(self.subjects.draw(draw, self.settings.more), synthesis, seed)
        return seen_and_brain(made, seed, synthesis.spacing)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Dice of the brain in synthetic volumes of the validation subjects: its mean and the worst."""
        synthesis, dices = self.settings.synthesis, []
        for i, subject in enumerate(self.subjects.validation * VALIDATION_VIEWS):
            image, brain = seen_and_brain(generate_sample(subject, synthesis, 10**9 + i), 10**9 + i, synthesis.spacing)
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                logits = network(image[None])[0]
            found = logits[1] > logits[0]
            dices.append(float(2 * (found & brain).sum() / (found.sum() + brain.sum()).clamp_min(1)))
        return {"brain_dice": float(np.mean(dices)), "worst": float(np.min(dices))} if dices else {}


def train_brain_extraction(
    subjects: Subjects,
    heads: list[PaintedHead],
    settings: BrainExtractionSettings,
    folder: Path,
    report: Report = print,
    pretrained: Path | None = None,
    stacks: Sequence[RealStack] = (),
) -> nn.Module:
    """Train the network in a run folder; returns it with averaged weights."""
    torch.manual_seed(settings.loop.seed)
    network = ResidualUNet(settings.network)
    painted = [head.subject for head in heads]
    names = {"heads": [subject.name for subject in painted], "head_origins": all_source_subjects(painted)}
    if stacks:
        names["stacks"] = [stack.name for stack in stacks]
    task = BrainExtractionTask(subjects, heads, settings, stacks)
    lineage = lineage_of(settings, **names, **subjects.names())
    return train(network, task, settings.loop, folder, report, lineage, pretrained)

"""Training of the coarse network that finds the brain and its pose (``inference/segmentation/locator.py``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from inference.geometry.frames import rotation_degrees
from inference.geometry.preprocessing import signal, standardise
from inference.geometry.similarity import fit_similarity
from inference.networks.residual_unet import NetworkSettings, ResidualUNet
from inference.segmentation.locator import OUTPUTS, brain_mask
from training.data.leakage import lineage_of
from training.data.split import Subjects
from training.data.subject import Subject
from training.engine.loop import Report, train
from training.engine.losses import place_loss
from training.engine.optimisers import LoopSettings
from training.synthesis.sample import generate_sample
from training.synthesis.settings import IntensitySettings, ScanSettings, SpatialSettings, SynthesisSettings
from training.tasks.random_streams import Stream, stream


@dataclass(frozen=True)
class LocatorSettings:
    """Everything that a run of ``feta-train fit locator`` depends on."""

    network: NetworkSettings = field(
        default_factory=lambda: NetworkSettings(
            outputs=OUTPUTS, widths=(32, 64, 128), blocks=(1, 1, 2), heads=1, stem=2
        )
    )
    synthesis: SynthesisSettings = field(
        default_factory=lambda: SynthesisSettings(
            size=56,
            spacing=3.0,
            spatial=SpatialSettings(any_rotation=0.5, rotation=50.0, shift=24.0, elastic=3.0),
            intensity=IntensitySettings(contrasts=(0.5, 0.45)),
            scan=ScanSettings(blur=1.0, coarse=3.0, noise=0.12),
        )
    )
    loop: LoopSettings = field(default_factory=lambda: LoopSettings(batch=3))


class LocatorTask:
    """Synthetic heads, half of them nearly upright: tissues, places, and which heads are upright."""

    def __init__(self, subjects: Subjects, settings: LocatorSettings) -> None:
        self.subjects = subjects
        self.settings = settings

    def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
        """Loss of a batch made from these seeds."""
        del done  # no curriculum here
        examples = [self._example(self.subjects.training, seed) for seed in seeds]
        images, labels, places, rotations = zip(*examples, strict=True)
        with torch.autocast("cpu", torch.bfloat16):
            output = network(torch.stack(images))
        upright = torch.tensor(rotations) <= self.settings.synthesis.spatial.rotation
        return place_loss(output, torch.stack(labels), torch.stack(places), upright)

    def _example(self, subjects: list[Subject], seed: int) -> tuple[Tensor, Tensor, Tensor, float]:
        subject = subjects[stream(seed, Stream.SUBJECT).integer(len(subjects))]
        sample = generate_sample(subject, self.settings.synthesis, seed)
        places = (sample.atlas / subject.size_mm).permute(3, 0, 1, 2)
        step = slice(None, None, self.settings.network.stem)
        return (
            standardise(sample.image, signal(sample.image)),
            sample.labels[step, step, step],
            places[:, step, step, step],
            sample.rotation,
        )

    def validate(self, network: nn.Module) -> dict[str, float]:
        """On validation subjects: brain Dice; of upright heads the median error (degrees) and the share above 20°;
        how often the uprightness is told right."""
        if not self.subjects.validation:
            return {}
        dices, angles, right = [], [], []
        for seed in range(8 * len(self.subjects.validation)):
            image, labels, places, rotation = self._example(self.subjects.validation, 10**9 + seed)
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                output = network(image[None])[0].float()
            found, brain = torch.from_numpy(brain_mask(output)), labels > 0
            upright = rotation <= self.settings.synthesis.spatial.rotation
            dices.append(float(2 * (found & brain).sum() / (found.sum() + brain.sum()).clamp_min(1)))
            right.append(bool(output[8][brain].mean() > 0) == upright)
            if upright:
                angles.append(_angle(output[-3:], found, places, brain))
        return {
            "brain_dice": float(np.mean(dices)),
            "degrees": float(np.median(angles)),
            "astray": float(np.mean(np.array(angles) > 20)),
            "told_right": float(np.mean(right)),
        }


def _angle(predicted: Tensor, found: Tensor, places: Tensor, brain: Tensor) -> float:
    """Angle in degrees between the poses fitted to predicted and to true places."""
    if found.sum() < 50:
        return 180.0
    turns = []
    for where, values in ((found, predicted), (brain, places)):
        points = torch.argwhere(where).flip(1).double().numpy()
        turns.append(fit_similarity(values[:, where].T.double().numpy(), points)[0][:3, :3])
    return rotation_degrees(turns[0].T @ turns[1])


def train_locator(subjects: Subjects, settings: LocatorSettings, folder: Path, report: Report = print) -> nn.Module:
    """Train the locator in a run folder; returns the averaged network."""
    torch.manual_seed(settings.loop.seed)
    network = ResidualUNet(settings.network)
    lineage = lineage_of(settings, **subjects.names())
    return train(network, LocatorTask(subjects, settings), settings.loop, folder, report, lineage)

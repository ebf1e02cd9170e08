"""Training of the coarse network that finds the brain and its pose (``inference/locator.py``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from inference.locator import fit_similarity
from inference.network import NetworkSettings, ResidualUNet
from inference.preprocessing import standardise
from training.atlas import Subject
from training.cohorts import Subjects
from training.loop import LoopSettings, train
from training.losses import place_loss
from training.synthesis import SynthesisSettings, synthesise


@dataclass(frozen=True)
class LocatorSettings:
    """Everything that a run of ``feta-train locator`` depends on."""

    network: NetworkSettings = field(
        default_factory=lambda: NetworkSettings(outputs=4, widths=(16, 32, 64, 96), blocks=(1, 1, 1, 1), heads=1)
    )
    synthesis: SynthesisSettings = field(
        default_factory=lambda: SynthesisSettings(
            size=64, spacing=3.0, any_turn=0.9, turn=30.0, shift=30.0, bend=3.0, blur=3.0, coarse=4.0
        )
    )
    loop: LoopSettings = field(default_factory=LoopSettings)


class LocatorTask:
    """Synthetic heads in any pose; the target is each brain voxel's place in the upright brain."""

    def __init__(self, subjects: Subjects, settings: LocatorSettings) -> None:
        self.subjects = subjects
        self.settings = settings

    def loss(self, network: nn.Module, seeds: list[int]) -> Tensor:
        """Loss of a batch made from these seeds."""
        images, brains, places = zip(*(self._example(self.subjects.training, seed) for seed in seeds), strict=True)
        with torch.autocast("cpu", torch.bfloat16):
            outputs = network.levels(torch.stack(images), 1)  # type: ignore[operator]
        return place_loss(outputs, torch.stack(brains), torch.stack(places))

    def _example(self, subjects: list[Subject], seed: int) -> tuple[Tensor, Tensor, Tensor]:
        subject = subjects[seed % len(subjects)]
        sample = synthesise(subject, self.settings.synthesis, seed)
        places = (sample.atlas / subject.size_mm).permute(3, 0, 1, 2)
        return standardise(sample.image), (sample.labels > 0).float(), places

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Brain Dice and the pose's error (degrees) on synthetic scans of the validation subjects."""
        dices, angles = [], []
        for seed in range(4 * len(self.subjects.validation)):
            image, brain, places = self._example(self.subjects.validation, 10**9 + seed)
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                output = network(image[None])[0].float()
            found = output[0] > 0
            dices.append(float(2 * (found & (brain > 0)).sum() / (found.sum() + brain.sum()).clamp_min(1)))
            angles.append(_angle(output[1:], found, places, brain > 0))
        return {"brain_dice": float(np.mean(dices)), "degrees": float(np.mean(angles)), "worst": float(np.max(angles))}


def _angle(predicted: Tensor, found: Tensor, places: Tensor, brain: Tensor) -> float:
    """Angle in degrees between the poses fitted to predicted and to true places."""
    if found.sum() < 50:
        return 180.0
    turns = []
    for where, values in ((found, predicted), (brain, places)):
        points = torch.argwhere(where).flip(1).double().numpy()
        turns.append(fit_similarity(values[:, where].T.double().numpy(), points)[0][:3, :3])
    cosine = (np.trace(turns[0].T @ turns[1]) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def train_locator(subjects: Subjects, settings: LocatorSettings, folder: Path, say: object = print) -> nn.Module:
    """Train the locator in a run folder; returns the averaged network."""
    torch.manual_seed(settings.loop.seed)
    network = ResidualUNet(settings.network)
    return train(network, LocatorTask(subjects, settings), settings.loop, folder, say)  # type: ignore[arg-type]

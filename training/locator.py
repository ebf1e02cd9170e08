"""Training of the coarse network that finds the brain and its pose (``inference/locator.py``)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from feta.labels import LABEL_COUNT
from inference.locator import brain_mask, fit_similarity
from inference.network import NetworkSettings, ResidualUNet
from inference.preprocessing import standardise
from training.atlas import Subject
from training.cohorts import Subjects
from training.loop import LoopSettings, train
from training.losses import place_loss
from training.randomness import Draw
from training.synthesis import SynthesisSettings, synthesise


@dataclass(frozen=True)
class LocatorSettings:
    """Everything that a run of ``feta-train locator`` depends on."""

    network: NetworkSettings = field(
        default_factory=lambda: NetworkSettings(outputs=LABEL_COUNT + 3, widths=(16, 32, 64, 96), blocks=(1, 1, 1, 1), heads=1)
    )
    synthesis: SynthesisSettings = field(
        default_factory=lambda: SynthesisSettings(
            size=56, spacing=3.0, any_turn=0.9, turn=30.0, shift=30.0, bend=3.0, blur=3.0, coarse=4.0
        )
    )
    loop: LoopSettings = field(default_factory=LoopSettings)
    #: The share of the training in which the largest turn grows from ``synthesis.turn`` to any.
    curriculum: float = 0.4


class LocatorTask:
    """Synthetic heads in any pose; the target is each brain voxel's place in the upright brain."""

    def __init__(self, subjects: Subjects, settings: LocatorSettings) -> None:
        self.subjects = subjects
        self.settings = settings

    def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
        """Loss of a batch made from these seeds."""
        synthesis = self._curriculum(done)
        examples = [self._example(self.subjects.training, seed, synthesis) for seed in seeds]
        images, labels, places = (torch.stack(part) for part in zip(*examples, strict=True))
        with torch.autocast("cpu", torch.bfloat16):
            outputs = network.levels(images, 1)  # type: ignore[operator]
        return place_loss(outputs, labels, places)

    def _curriculum(self, done: float) -> SynthesisSettings:
        """Nearly upright brains first: places are learned before the ways in which a brain can lie."""
        synthesis = self.settings.synthesis
        if done >= self.settings.curriculum:
            return synthesis
        turn = synthesis.turn + (180 - synthesis.turn) * done / self.settings.curriculum
        return replace(synthesis, any_turn=0.0, turn=turn)

    def _example(
        self, subjects: list[Subject], seed: int, synthesis: SynthesisSettings
    ) -> tuple[Tensor, Tensor, Tensor]:
        subject = subjects[Draw(seed ^ 0x5EED).integer(len(subjects))]
        sample = synthesise(subject, synthesis, seed)
        places = (sample.atlas / subject.size_mm).permute(3, 0, 1, 2)
        return standardise(sample.image), sample.labels, places

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Brain Dice, the pose's median error (degrees) and the share above 20°, on the validation subjects in any pose."""
        dices, angles = [], []
        for seed in range(4 * len(self.subjects.validation)):
            image, labels, places = self._example(self.subjects.validation, 10**9 + seed, self.settings.synthesis)
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                output = network(image[None])[0].float()
            found, brain = torch.from_numpy(brain_mask(output)), labels > 0
            dices.append(float(2 * (found & brain).sum() / (found.sum() + brain.sum()).clamp_min(1)))
            angles.append(_angle(output[-3:], found, places, brain))
        return {"brain_dice": float(np.mean(dices)), "degrees": float(np.median(angles)), "astray": float(np.mean(np.array(angles) > 20))}


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

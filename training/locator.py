"""Training of the coarse network that finds the brain and its pose (``inference/locator.py``)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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


def _inversions(order: Sequence[int]) -> int:
    return sum(a > b for a, b in itertools.combinations(order, 2))


def cube_rotated(array: Tensor, order: Sequence[int], mirrored: Sequence[bool]) -> Tensor:
    """Turn the last three axes (z, y, x) by a rotation of the cube."""
    lead = array.ndim - 3
    turned = array.permute(*range(lead), *(lead + axis for axis in order))
    return turned.flip([lead + axis for axis in range(3) if mirrored[axis]])


#: The 24 rotations of a cube: an order of the axes (z, y, x) and which of them are mirrored.
CUBE_ROTATIONS = tuple(
    (order, mirrored)
    for order in itertools.permutations(range(3))
    for mirrored in itertools.product((False, True), repeat=3)
    if (sum(mirrored) + _inversions(order)) % 2 == 0
)


@dataclass(frozen=True)
class LocatorSettings:
    """Everything that a run of ``feta-train locator`` depends on."""

    network: NetworkSettings = field(
        default_factory=lambda: NetworkSettings(
            outputs=LABEL_COUNT + 3, widths=(32, 64, 128), blocks=(1, 1, 2), heads=1, stem=2
        )
    )
    synthesis: SynthesisSettings = field(
        default_factory=lambda: SynthesisSettings(
            size=56,
            spacing=3.0,
            any_turn=1.0,
            shift=24.0,
            bend=3.0,
            blur=1.0,
            coarse=3.0,
            noise=0.12,
            contrasts=(0.5, 0.45),
        )
    )
    loop: LoopSettings = field(default_factory=LoopSettings)
    #: Each sample is shown in as many of the cube's rotations: they cost next to nothing.
    rotations: int = 4


class LocatorTask:
    """Synthetic heads in any pose; the target is each brain voxel's tissue and its place in the upright brain."""

    def __init__(self, subjects: Subjects, settings: LocatorSettings) -> None:
        self.subjects = subjects
        self.settings = settings

    def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
        """Loss of a batch made from these seeds."""
        del done  # no curriculum here
        examples = [turned for seed in seeds for turned in self._rotations(seed)]
        images, labels, places = (torch.stack(part) for part in zip(*examples, strict=True))
        with torch.autocast("cpu", torch.bfloat16):
            outputs = network.levels(images, 1)  # type: ignore[operator]
        return place_loss(outputs, labels, places)

    def _rotations(self, seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        example = self._example(self.subjects.training, seed)
        stem = self.settings.network.stem
        for choice in torch.randperm(24, generator=Draw(seed ^ 0x2075).generator)[: self.settings.rotations]:
            image, labels, places = (cube_rotated(part, *CUBE_ROTATIONS[int(choice)]) for part in example)
            yield image, labels[::stem, ::stem, ::stem], places[:, ::stem, ::stem, ::stem]

    def _example(self, subjects: list[Subject], seed: int) -> tuple[Tensor, Tensor, Tensor]:
        subject = subjects[Draw(seed ^ 0x5EED).integer(len(subjects))]
        sample = synthesise(subject, self.settings.synthesis, seed)
        places = (sample.atlas / subject.size_mm).permute(3, 0, 1, 2)
        return standardise(sample.image), sample.labels, places

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Brain Dice, the pose's median error (degrees) and the share above 20°, on the validation subjects in any pose."""
        dices, angles = [], []
        for seed in range(4 * len(self.subjects.validation)):
            image, labels, places = self._example(self.subjects.validation, 10**9 + seed)
            stem = self.settings.network.stem
            labels, places = labels[::stem, ::stem, ::stem], places[:, ::stem, ::stem, ::stem]
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                output = network(image[None])[0].float()
            found, brain = torch.from_numpy(brain_mask(output)), labels > 0
            dices.append(float(2 * (found & brain).sum() / (found.sum() + brain.sum()).clamp_min(1)))
            angles.append(_angle(output[-3:], found, places, brain))
        return {
            "brain_dice": float(np.mean(dices)),
            "degrees": float(np.median(angles)),
            "astray": float(np.mean(np.array(angles) > 20)),
        }


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

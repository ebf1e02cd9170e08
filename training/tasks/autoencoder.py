"""Training of the denoising autoencoder: corrupted probability maps in, the ground truth as the target."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from evaluation.metrics.betti import euler_numbers
from evaluation.metrics.measurements import LabelMap, analyse, compare
from feta.grid import Grid
from feta.volumes import Volume
from inference.networks.residual_unet import NetworkSettings, ResidualUNet
from inference.segmentation.autoencoder import corrected_logits, fits
from training.data.leakage import check_held_out, lineage_of
from training.data.split import Subjects
from training.engine.loop import Report, train
from training.engine.losses import LossSettings, segmentation_loss
from training.engine.optimisers import LoopSettings
from training.synthesis.settings import SynthesisSettings
from training.tasks.label_corruption import CorruptionSettings, corrupted_probabilities, random_voxel
from training.tasks.network_errors import Answer, NetworkErrors, answer
from training.tasks.random_streams import Stream, stream


def _shape() -> NetworkSettings:
    return NetworkSettings(inputs=8, outputs=64, widths=(32, 64, 96), blocks=(1, 1, 1), heads=1, stem=2)


@dataclass(frozen=True)
class AutoencoderSettings:
    """Everything that a run of ``feta-train fit autoencoder`` depends on, beside the segmentation network.

    Attributes:
        network: its shape; ``outputs`` is 8 · ``stem``³.
        synthesis: of the volumes that the segmentation network answers for.
        corruption: of its answers and of the truth.
        losses: beside soft Dice and cross-entropy.
        loop: how long and how fast.
        pool: how many whole brains are made; parts of them are corrupted anew whenever their turn comes.
        patch: voxels a side of such a part, at most; the brains have ``synthesis.size``.
    """

    network: NetworkSettings = field(default_factory=_shape)
    synthesis: SynthesisSettings = field(default_factory=SynthesisSettings)
    corruption: CorruptionSettings = field(default_factory=CorruptionSettings)
    losses: LossSettings = field(default_factory=LossSettings)
    loop: LoopSettings = field(default_factory=LoopSettings)
    pool: int = 60
    patch: int = 80

    def __post_init__(self) -> None:
        if not fits(self.network):
            raise ValueError("network must have 8 inputs and 8 · stem³ outputs")
        if self.pool < 1 or self.patch < 1:
            raise ValueError("pool and patch must be at least 1")
        sides = {"synthesis.size": self.synthesis.size, "patch": min(self.patch, self.synthesis.size)}
        for name, side in sides.items():
            if side % self.network.multiple:
                raise ValueError(f"{name} must be a multiple of {self.network.multiple}, not {side}")


class AutoencoderTask:
    """Corrupted maps of training subjects; the target is the ground truth.

    Args:
        subjects: to make volumes of.
        errors: networks whose errors are to be corrected.
        settings: of the run.
    """

    def __init__(self, subjects: Subjects, errors: NetworkErrors, settings: AutoencoderSettings) -> None:
        self.subjects = subjects
        self.errors = errors
        self.settings = settings
        self._pool: dict[int, Answer] = {}
        self._validation: list[tuple[Answer, LabelMap]] = []

    def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
        """Loss of the maps that these seeds corrupt."""
        del done  # no curriculum here
        pairs = [self.sample(seed) for seed in seeds]
        maps = torch.stack([corrupted for corrupted, _ in pairs])
        with torch.autocast("cpu", torch.bfloat16):
            logits = corrected_logits(network, maps)
        return segmentation_loss([logits], torch.stack([truth for _, truth in pairs]), self.settings.losses)

    def sample(self, seed: int) -> tuple[Tensor, Tensor]:
        """A corrupted map (8, Z, Y, X) float32 and the truth (Z, Y, X) int64, mirrored half of the time."""
        draw = stream(seed, Stream.LABEL_CORRUPTION)
        said = self._answer(draw.integer(self.settings.pool))
        side = min(self.settings.patch, *said.labels.shape)
        centre = random_voxel(said.labels, draw).tolist()
        corner = [min(max(0, at - side // 2), n - side) for at, n in zip(centre, said.labels.shape, strict=True)]
        probabilities, labels = said.part(corner, side)
        maps = corrupted_probabilities(probabilities, labels, draw, self.settings.corruption)
        return (maps.flip(3), labels.flip(2)) if draw.bernoulli(0.5) else (maps, labels)

    def _answer(self, number: int) -> Answer:
        """One of the pool, made when it is first asked for."""
        if number not in self._pool:
            training = self.subjects.training
            subject = training[number % len(training)]
            self._pool[number] = answer(self.errors, subject, self.settings.synthesis, number)
        return self._pool[number]

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Dice, ED and Betti differences against the truth, before and after, on volumes of validation subjects."""
        before, after = [], []
        for said, truth in self._held_out():
            probabilities, _ = said.part((0, 0, 0), self.settings.synthesis.size)
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                corrected = corrected_logits(network, probabilities[None])[0]
            before.append(_figures(truth, probabilities))
            after.append(_figures(truth, corrected))
        if not before:
            return {}
        both = {"before": np.nanmean(before, axis=(0, 1)), "after": np.nanmean(after, axis=(0, 1))}
        names = ("dice", "ed", "b0", "b1", "b2")
        return {f"{n}_{when}": float(v) for when, values in both.items() for n, v in zip(names, values, strict=True)}

    def _held_out(self) -> list[tuple[Answer, LabelMap]]:
        """Two volumes of each validation subject: what the networks say, and the truth."""
        if not self._validation:
            for seed, subject in enumerate(self.subjects.validation * 2):
                said = answer(self.errors, subject, self.settings.synthesis, 10**9 + seed)
                self._validation.append((said, analyse(_volume(said.labels, self.settings))))
        return self._validation


def _volume(labels: Tensor, settings: AutoencoderSettings) -> Volume:
    array = labels.to(torch.uint8).numpy()
    return Volume(array, _grid(array.shape, settings.synthesis.spacing))


def _grid(shape: tuple[int, ...], spacing: float) -> Grid:
    z, y, x = shape
    return Grid((x, y, z), (spacing,) * 3, (0.0,) * 3, (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))


def _figures(truth: LabelMap, scores: Tensor) -> np.ndarray:
    """Dice, |Δχ|, |Δb0|, |Δb1|, |Δb2| of the likeliest labels, (7, 5); NaN for a label in neither map."""
    array = scores.argmax(0).to(torch.uint8).numpy()
    found = compare(truth, analyse(Volume(array, truth.volume.grid)))
    apart = np.abs(found.betti_prediction - found.betti_truth)
    euler = np.abs(euler_numbers(found.betti_prediction) - euler_numbers(found.betti_truth))
    figures = np.column_stack([found.dice, euler, apart])
    return np.where((found.in_truth | found.in_prediction)[:, None], figures, np.nan)


def fresh(settings: NetworkSettings) -> ResidualUNet:
    """A network that changes nothing yet."""
    network = ResidualUNet(settings)
    for parameter in network.heads[0].parameters():
        nn.init.zeros_(parameter)
    return network


def train_autoencoder(
    subjects: Subjects, errors: NetworkErrors, settings: AutoencoderSettings, folder: Path, report: Report = print
) -> nn.Module:
    """Train the autoencoder in a run folder; returns the averaged network.

    Raises:
        FetaError: the networks learned from a subject that this run holds out; and as `training.engine.loop.train`.
    """
    torch.manual_seed(settings.loop.seed)
    task = AutoencoderTask(subjects, errors, settings)
    lineage = lineage_of(settings, network=errors.subjects_seen, answers=[errors.sha256()], **subjects.names())
    check_held_out(errors.folder, errors.subjects_seen, lineage)
    return train(fresh(settings.network), task, settings.loop, folder, report, lineage)

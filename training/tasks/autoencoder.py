"""Training of the denoising autoencoder: corrupted probability maps in, the truth as the target."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
from inference.segmentation.autoencoder import fits, mended_logits
from training.data.leakage import check_held_out, made_of
from training.data.split import Subjects
from training.data.subject import Subject
from training.engine.loop import train
from training.engine.losses import dice_and_cross_entropy
from training.engine.optimisers import LoopSettings
from training.imaging.random_source import RandomSource
from training.synthesis.sample import generate_sample
from training.synthesis.settings import SynthesisSettings
from training.tasks.label_corruption import CorruptionSettings, corrupted_probabilities
from training.tasks.segmentation import normalised


def _shape() -> NetworkSettings:
    return NetworkSettings(inputs=8, outputs=64, widths=(32, 64, 96), blocks=(1, 1, 1), heads=1, stem=2)


@dataclass(frozen=True)
class AutoencoderSettings:
    """Everything that a run of ``feta-train autoencoder`` depends on, beside the segmentation network.

    Attributes:
        network: its shape; ``outputs`` is 8 · ``stem``³.
        synthesis: of the volumes that the segmentation network answers for.
        corruption: of its answers and of the truth.
        loop: how long and how fast.
        pool: how many volumes are made; each is corrupted anew whenever its turn comes.
    """

    network: NetworkSettings = field(default_factory=_shape)
    synthesis: SynthesisSettings = field(default_factory=SynthesisSettings)
    corruption: CorruptionSettings = field(default_factory=CorruptionSettings)
    loop: LoopSettings = field(default_factory=LoopSettings)
    pool: int = 240

    def __post_init__(self) -> None:
        if not fits(self.network):
            raise ValueError("network must have 8 inputs and 8 · stem³ outputs")
        if self.pool < 1:
            raise ValueError(f"pool must be at least 1, not {self.pool}")


@dataclass(frozen=True)
class NetworkErrors:
    """Segmentation networks whose answers are to be mended.

    Attributes:
        folder: that they were read from.
        networks: their mean counts.
        spacing: mm that they work at.
        learned_from: names of subjects; None where the folder doesn't tell.
    """

    folder: Path
    networks: Sequence[nn.Module]
    spacing: float
    learned_from: Sequence[str] | None = None

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


class AutoencoderTask:
    """Spoilt maps of training subjects; the target is the truth.

    Args:
        subjects: to make volumes of.
        networks: whose errors are to be mended.
        settings: of the run.
    """

    def __init__(self, subjects: Subjects, networks: Sequence[nn.Module], settings: AutoencoderSettings) -> None:
        self.subjects = subjects
        self.networks = networks
        self.settings = settings
        self._pool: dict[int, Answer] = {}
        self._validation: list[tuple[Tensor, LabelMap]] = []

    def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
        """Loss of the maps that these seeds spoil."""
        del done  # no curriculum here
        pairs = [self.sample(seed) for seed in seeds]
        maps = torch.stack([corrupted for corrupted, _ in pairs])
        with torch.autocast("cpu", torch.bfloat16):
            logits = mended_logits(network, maps)
        return dice_and_cross_entropy(logits, torch.stack([truth for _, truth in pairs]))

    def sample(self, seed: int) -> tuple[Tensor, Tensor]:
        """A corrupted map (8, Z, Y, X) float32 and the truth (Z, Y, X) int64, mirrored half of the time."""
        draw = RandomSource(seed ^ 0xAE)
        said = self._answer(draw.integer(self.settings.pool))
        labels = said.labels.long()
        maps = corrupted_probabilities(said.probabilities, labels, draw, self.settings.corruption)
        return (maps.flip(3), labels.flip(2)) if draw.bernoulli(0.5) else (maps, labels)

    def _answer(self, number: int) -> Answer:
        """One of the pool, made when it is first asked for."""
        if number not in self._pool:
            training = self.subjects.training
            subject = training[number % len(training)]
            self._pool[number] = answer(self.networks, subject, self.settings.synthesis, number)
        return self._pool[number]

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Dice, ED and Betti differences against the truth, before and after, on volumes of validation subjects."""
        before, after = [], []
        for probabilities, truth in self._held_out():
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                mended = mended_logits(network, probabilities[None])[0]
            before.append(_figures(truth, probabilities))
            after.append(_figures(truth, mended))
        if not before:
            return {}
        both = {"before": np.nanmean(before, axis=(0, 1)), "after": np.nanmean(after, axis=(0, 1))}
        names = ("dice", "ed", "b0", "b1", "b2")
        return {f"{n}_{when}": float(v) for when, values in both.items() for n, v in zip(names, values, strict=True)}

    def _held_out(self) -> list[tuple[Tensor, LabelMap]]:
        """Two volumes of each validation subject: the networks' probabilities, and the truth."""
        if not self._validation:
            for seed, subject in enumerate(self.subjects.validation * 2):
                said = answer(self.networks, subject, self.settings.synthesis, 10**9 + seed)
                self._validation.append((said.probabilities, analyse(_volume(said.labels, self.settings))))
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
    subjects: Subjects, answers: NetworkErrors, settings: AutoencoderSettings, folder: Path, say: object = print
) -> nn.Module:
    """Train the autoencoder in a run folder; returns the averaged network.

    Raises:
        FetaError: the networks learned from a subject that this run holds out, or what `training.loop.train` raises.
    """
    torch.manual_seed(settings.loop.seed)
    task = AutoencoderTask(subjects, answers.networks, settings)
    learned_from = answers.learned_from or ()
    what = made_of(settings, network=learned_from, answers=[answers.sha256()], **subjects.names())
    check_held_out(answers.folder, learned_from, what)
    return train(fresh(settings.network), task, settings.loop, folder, say, what)  # type: ignore[arg-type]

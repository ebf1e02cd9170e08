"""Training of the learned anatomy on a folder of atlases."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from feta.errors import FetaError
from feta.labels import LABEL_COUNT
from training.anatomy.decoder import AnatomyNetwork, AnatomySettings
from training.anatomy.model import Anatomy
from training.anatomy.normalised_frame import fit_sizes
from training.anatomy.template import CHANNELS
from training.data.leakage import leaks, lineage_of, subjects_seen
from training.data.provenance import all_source_subjects
from training.engine.checkpoint import CHECKPOINT, read_checkpoint
from training.engine.loop import Report, train
from training.engine.optimisers import LoopSettings
from training.tasks.atlases import LABEL_NAMES, Atlas, dice_by_label, read_atlases
from training.tasks.random_streams import Stream, stream


@dataclass(frozen=True)
class AnatomyRunSettings:
    """Everything that a run of ``feta-train fit anatomy`` depends on.

    Attributes:
        age_jitter: standard deviation in weeks added to an atlas's age, which makes the model smooth in age.
        average_share: share of the samples whose latent code is left at 0, so that 0 means the average brain.
        latent_weight: weight of the squared latent codes.
        signal_weight: weight of the signal's absolute error.
    """

    network: AnatomySettings = field(default_factory=AnatomySettings)
    loop: LoopSettings = field(default_factory=LoopSettings)
    age_jitter: float = 0.2
    average_share: float = 0.5
    latent_weight: float = 0.01
    signal_weight: float = 0.3


class AnatomyModel(nn.Module):
    """The network together with the latent codes of the brains that it learns from."""

    def __init__(self, settings: AnatomySettings, count: int) -> None:
        super().__init__()
        self.decoder = AnatomyNetwork(settings)
        self.latents = nn.Parameter(torch.zeros(count, settings.latent))


class AnatomyTask:
    """One atlas a step, decoded whole."""

    def __init__(self, training: list[Atlas], validation: list[Atlas], settings: AnatomyRunSettings) -> None:
        self.training, self.validation, self.settings = training, validation, settings

    def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
        """Cross-entropy and soft Dice of the labels, absolute error of the signal, size of the latent code."""
        del done
        assert isinstance(network, AnatomyModel)
        total = torch.zeros(())
        for seed in seeds:
            draw = stream(seed, Stream.ANATOMY)
            # A new order each time round, so that every atlas is seen equally often.
            turn, place = divmod(seed, len(self.training))
            order = np.random.default_rng(turn).permutation(len(self.training))
            atlas = self.training[int(order[place])]
            latent = network.latents[atlas.number][None] * (0.0 if draw.bernoulli(self.settings.average_share) else 1.0)
            age = atlas.age + draw.normal(self.settings.age_jitter)
            total = total + self._loss(_decode(network.decoder, atlas, age, latent), atlas)
        return total / len(seeds) + self.settings.latent_weight * network.latents.square().mean()

    def _loss(self, out: Tensor, atlas: Atlas) -> Tensor:
        target = atlas.fractions.float()
        log_probability = out[:CHANNELS].log_softmax(0)
        # Far from the brain there is nothing to learn.
        near = nearby_maximum(1 - target[0], 4) > 0.05
        entropy = -(target * log_probability).sum(0)
        entropy = entropy[near].mean() + 0.05 * entropy[~near].mean()
        probability = log_probability.exp()
        overlap = (probability * target).flatten(1).sum(1)
        total = (probability.square() + target.square()).flatten(1).sum(1)
        dice = ((2 * overlap + 1) / (total + 1))[1:].mean()
        brain = target[0] < 0.5
        error = (out[CHANNELS] - atlas.signal.float()).abs()[brain].mean()
        return entropy + 1 - dice + self.settings.signal_weight * error

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Dice of the average brain of an age against the atlases left out, in the normalised frame."""
        assert isinstance(network, AnatomyModel)
        scores = []
        for atlas in self.validation:
            with torch.inference_mode():
                out = _decode(network.decoder, atlas, atlas.age, torch.zeros(1, network.latents.shape[1]))
            scores.append(dice_by_label(out[:CHANNELS].argmax(0), atlas.fractions.argmax(0)))
        mean = _mean(scores)
        return {"dice": float(mean[1:LABEL_COUNT].mean())} | {name: float(mean[i]) for i, name in LABEL_NAMES.items()}


def nearby_maximum(array: Tensor, reach: int) -> Tensor:
    """The greatest value (Z, Y, X) within so many cells along each axis, found one axis after the other."""
    for axis in range(array.ndim):
        kernel, padding = [1] * array.ndim, [0] * array.ndim
        kernel[axis], padding[axis] = 2 * reach + 1, reach
        array = F.max_pool3d(array[None, None], kernel, stride=1, padding=padding)[0, 0]
    return array


def _mean(scores: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Mean Dice of each channel over the atlases that have it; NaN where none has."""
    table = np.ma.masked_invalid(np.array(scores).reshape(-1, CHANNELS))
    return np.asarray(table.mean(axis=0).filled(np.nan), np.float64)


def _decode(network: AnatomyNetwork, atlas: Atlas, age: float, latent: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        out = network(torch.tensor([age]), torch.tensor([float(atlas.pathological)]), latent)[0]
    return out.float()


def train_anatomy(
    root: Path,
    left_out: tuple[str, ...],
    settings: AnatomyRunSettings,
    folder: Path,
    report: Report,
    pretrained: Path | None = None,
    only: str = "*",
) -> Anatomy:
    """Train in a run folder and return the averaged model.

    Args:
        root: BIDS folder of atlases with ``participants.tsv``.
        left_out: subjects that are never trained on, nor what is derived from them; they are only reproduced.
        settings: of the run.
        folder: of the run; a killed run is resumed.
        report: takes a line of progress.
        pretrained: folder of another run on the same atlases, whose averaged weights this one fine-tunes.
        only: pattern of the names that are trained on and reproduced; the others are left out like those of `left_out`.

    Raises:
        FetaError: nothing is left to train on.
    """
    atlases = read_atlases(root)
    others = tuple(a.name for a in atlases if not fnmatchcase(a.name, only))
    left_out = (*left_out, *others)
    training = [a for a in atlases if not leaks(a.name, a.source_subjects, left_out)]
    validation = [a for a in atlases if a.name in left_out and a.name not in others]
    if not training:
        if others:
            problem = f"holds no atlas to train on whose name fits --only {only!r}"
            raise FetaError(root, problem, "name another pattern")
        problem = "holds no atlas to train on: all are held out, or derived from some that are"
        raise FetaError(root, problem, "train on them with --everything")
    torch.manual_seed(settings.loop.seed)
    model = AnatomyModel(settings.network, len(atlases)).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    task = AnatomyTask(training, validation, settings)
    names = {
        "training": [a.name for a in training],
        "origins": all_source_subjects(training),
        "validation": [a.name for a in validation],
        "held_out": sorted({name for a in atlases for name in (a.name, *a.source_subjects)}.intersection(left_out)),
    }
    average = train(model, task, settings.loop, folder, report, lineage_of(settings, **names), pretrained)
    assert isinstance(average, AnatomyModel)
    known = frozenset(subjects_seen(read_checkpoint(folder / CHECKPOINT)))
    sizes = fit_sizes(
        np.array([a.age for a in training]),
        np.array([a.pathological for a in training]),
        np.array([a.half for a in training]),
    )
    latents = {a.name: average.latents[a.number].detach().numpy() for a in training}
    return Anatomy(average.decoder, sizes, latents, known)

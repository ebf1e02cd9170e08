"""Training of the learned anatomy on a folder of atlases, and how well it reproduces those left out."""

from __future__ import annotations

import csv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from feta.errors import FetaError
from feta.files import create_csv, make_writable
from feta.labels import LABEL_COUNT, Tissue
from feta.participants import read_participants
from feta.volumes import read_label_map
from inference.geometry.frames import index_to_ras, resample
from training.anatomy.decoder import AnatomyNetwork, AnatomySettings
from training.anatomy.model import Anatomy
from training.anatomy.normalised_frame import GRID, Point, cerebral_box, fit_sizes, to_canonical
from training.anatomy.template import CALLOSUM, CHANNELS, read_template
from training.data.leakage import known_to, made_of
from training.data.provenance import origins_of, read_origins
from training.data.subject import pairs
from training.engine.checkpoint import read_checkpoint
from training.engine.loop import train
from training.engine.optimisers import LoopSettings
from training.imaging.random_source import RandomSource


@dataclass(frozen=True)
class AnatomyRunSettings:
    """Everything that a run of ``feta-train anatomy`` depends on.

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


@dataclass(frozen=True)
class Atlas:
    """One atlas in the normalised frame.

    Attributes:
        number: its place among all atlases of the folder, which its latent code has as well.
        name: ``sub-crl21``.
        age: weeks.
        pathological: spina bifida.
        half: half size of its cerebrum, mm.
        fractions: (9, Z, Y, X) float16, sums to 1: labels 0–7, then the corpus callosum.
        signal: (Z, Y, X) float16.
        origins: names of those that it was made of (``training.data.provenance``).
    """

    number: int
    name: str
    age: float
    pathological: bool
    half: Point
    fractions: Tensor
    signal: Tensor
    origins: frozenset[str] = frozenset()


def read_atlases(root: Path) -> list[Atlas]:
    """Read every labelled subject of a BIDS folder whose age the table names.

    Raises:
        FetaError: no table, no pair, or a subject without an age.
    """
    people = read_participants(root / "participants.tsv")
    (origins,) = read_origins([root])

    def read(item: tuple[int, tuple[str, tuple[Path, Path]]]) -> Atlas:
        number, (name, files) = item
        subject = name.split("_")[0]
        person = people.get(subject)
        if person is None or person.age is None:
            raise FetaError(root / "participants.tsv", f"gives no age for {subject}", "add its row")
        atlas = _read_atlas(number, subject, *files, person.age, person.pathology == "Pathological")
        return replace(atlas, origins=origins.get(subject, frozenset()))

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(read, enumerate(pairs(root).items())))


def _read_atlas(number: int, name: str, image: Path, labels: Path, age: float, pathological: bool) -> Atlas:
    callosum = labels.with_name(labels.name.replace("_T2w_dseg", "_label-corpuscallosum_mask"))
    template = read_template(image, labels, callosum if callosum.exists() else None)
    grid = read_label_map(labels).grid
    centre, half = cerebral_box(template.scores.argmax(0).numpy().astype(np.uint8), index_to_ras(grid))
    place = to_canonical(half)
    place[:3, 3] += centre
    matrix, size = template.to_index @ place, (GRID[2], GRID[1], GRID[0])
    # Outside the atlas's own grid there is background.
    fractions = resample(template.scores.softmax(0), matrix, size)
    fractions[0] += 1 - fractions.sum(0)
    signal = resample(template.signal, matrix, size)[0]
    return Atlas(number, name, age, pathological, half, fractions.half(), signal.half())


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
            draw = RandomSource(seed ^ 0xA7A7)
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
        near = F.max_pool3d(1 - target[None, :1], 9, stride=1, padding=4)[0, 0] > 0.05
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


def _mean(scores: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Mean Dice of each channel over the atlases that have it; NaN where none has."""
    table = np.ma.masked_invalid(np.array(scores).reshape(-1, CHANNELS))
    return np.asarray(table.mean(axis=0).filled(np.nan), np.float64)


LABEL_NAMES = {int(t): t.name.lower() for t in Tissue if t} | {CALLOSUM: "cc"}


def _decode(network: AnatomyNetwork, atlas: Atlas, age: float, latent: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        out = network(torch.tensor([age]), torch.tensor([float(atlas.pathological)]), latent)[0]
    return out.float()


def dice_by_label(a: Tensor, b: Tensor) -> npt.NDArray[np.float64]:
    """Dice of every channel's label; NaN where both lack it."""
    first, second = (torch.stack([x == c for c in range(CHANNELS)]).flatten(1) for x in (a, b))
    overlap, total = (first & second).sum(1).double(), (first.sum(1) + second.sum(1)).double()
    return (2 * overlap / total).numpy()


def train_anatomy(
    root: Path,
    left_out: tuple[str, ...],
    settings: AnatomyRunSettings,
    folder: Path,
    say: Callable[[str], None],
    start: Path | None = None,
) -> Anatomy:
    """Train in a run folder and return the averaged model.

    Args:
        root: BIDS folder of atlases with ``participants.tsv``.
        left_out: subjects that are never trained on, nor who was made of them; they are only reproduced.
        settings: of the run.
        folder: of the run; a killed run goes on.
        say: takes a line of progress.
        start: folder of another run on the same atlases, from whose averaged weights this one starts.
    """
    atlases = read_atlases(root)
    training = [a for a in atlases if not {a.name, *a.origins}.intersection(left_out)]
    validation = [a for a in atlases if a.name in left_out]
    torch.manual_seed(settings.loop.seed)
    model = AnatomyModel(settings.network, len(atlases)).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    task = AnatomyTask(training, validation, settings)
    names = {
        "training": [a.name for a in training],
        "origins": origins_of(training),
        "validation": [a.name for a in validation],
        "held_out": sorted({name for a in atlases for name in (a.name, *a.origins)}.intersection(left_out)),
    }
    average = train(model, task, settings.loop, folder, say, made_of(settings, **names), start)
    assert isinstance(average, AnatomyModel)
    known = frozenset(known_to(read_checkpoint(folder / "checkpoint.pt")))
    sizes = fit_sizes(
        np.array([a.age for a in training]),
        np.array([a.pathological for a in training]),
        np.array([a.half for a in training]),
    )
    latents = {a.name: average.latents[a.number].detach().numpy() for a in training}
    return Anatomy(average.decoder, sizes, latents, known)


def write_reproduction(anatomy: Anatomy, root: Path, subjects: tuple[str, ...], path: Path) -> list[str]:
    """Measure how well the average brain of an age reproduces atlases, in mm and at the model's own size.

    Args:
        anatomy: the model.
        root: BIDS folder of atlases.
        subjects: which of them.
        path: CSV to write: subject, label, dice.

    Returns:
        one line for each subject.
    """
    make_writable(path.parent)
    rows, lines = [], []
    for atlas in read_atlases(root):
        if atlas.name not in subjects:
            continue
        template = anatomy(atlas.age, float(atlas.pathological), atlas_size=True)
        # The atlas's normalised frame, in mm: what differs in size counts as error.
        scores = resample(template.scores, template.to_index @ to_canonical(atlas.half), (GRID[2], GRID[1], GRID[0]))
        dice = dice_by_label(scores.argmax(0), atlas.fractions.argmax(0))
        rows += [[atlas.name, name, f"{dice[i]:.4f}"] for i, name in LABEL_NAMES.items()]
        each = ", ".join(f"{name} {dice[i]:.3f}" for i, name in LABEL_NAMES.items())
        lines.append(f"{atlas.name}: mean Dice {np.nanmean(dice[1:LABEL_COUNT]):.3f} ({each})")
    with create_csv(path) as stream:
        csv.writer(stream).writerows([["subject", "label", "dice"], *rows])
    return lines

"""Corrupts label maps as networks, reconstructions and bad luck do, for the denoising autoencoder to correct.

Pieces of tissue go missing, holes open, thin bridges close loops, specks appear, borders wander, labels are
swapped in blobs; at last everything is blurred. A corrupted map is a pure function of its draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from feta.labels import LABEL_COUNT
from inference.segmentation.autoencoder import LEAST
from training.imaging.filters import blur_maps
from training.imaging.random_source import RandomSource


@dataclass(frozen=True)
class CorruptionSettings:
    """How often and how badly a map is corrupted. Lengths in voxels.

    Attributes:
        network: share of the samples that are a segmentation network's answer rather than the truth.
        also: share of these that are corrupted besides.
        changes: most of the changes that a map undergoes; at least one.
        piece: largest radius of a piece that goes missing or is taken for another tissue.
        hole: largest radius of a hole, and of a speck.
        bridge: how far a thin bridge may reach.
        blur: largest standard deviation of the blur.
        noise: largest standard deviation of what smooth noise does to log-probabilities.
    """

    network: float = 0.6
    also: float = 0.4
    changes: int = 10
    piece: float = 7.0
    hole: float = 2.2
    bridge: int = 14
    blur: float = 1.2
    noise: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.network <= 1 and 0 <= self.also <= 1):
            raise ValueError("shares lie in 0..1")
        if self.changes < 1:
            raise ValueError(f"changes must be at least 1, not {self.changes}")


def corrupted_probabilities(
    probabilities: Tensor, labels: Tensor, draw: RandomSource, settings: CorruptionSettings
) -> Tensor:
    """A corrupted map (8, Z, Y, X) float32.

    Args:
        probabilities: (8, Z, Y, X) float32, a network's answer.
        labels: (Z, Y, X) int64, the truth.
        draw: decides everything.
        settings: how badly.
    """
    if not draw.bernoulli(settings.network):
        return _softened(corrupted_labels(labels, draw, settings), draw, settings)
    if not draw.bernoulli(settings.also):
        return probabilities
    answer = probabilities.argmax(0)
    worse = corrupted_labels(answer, draw, settings)
    return torch.where(worse != answer, _softened(worse, draw, settings), probabilities)


def corrupted_labels(labels: Tensor, draw: RandomSource, settings: CorruptionSettings) -> Tensor:
    """A copy of labels (Z, Y, X) int64 after a random number of random changes."""
    labels = labels.clone()
    for _ in range(1 + draw.integer(settings.changes)):
        CHANGES[draw.integer(len(CHANGES))](labels, draw, settings)
    return labels


def missing_piece(labels: Tensor, draw: RandomSource, settings: CorruptionSettings) -> None:
    """What a tissue has within a ball is taken for something else nearby: a part, or all of it there, is lost."""
    _relabel(labels, draw, draw.uniform(2.0, settings.piece))


def hole(labels: Tensor, draw: RandomSource, settings: CorruptionSettings) -> None:
    """The same, so small that a cavity or a gap is left."""
    _relabel(labels, draw, draw.uniform(0.5, settings.hole))


def bridge(labels: Tensor, draw: RandomSource, settings: CorruptionSettings) -> None:
    """A line of voxels joins two places of a tissue: where it crosses another, it is a handle."""
    start = random_voxel(labels, draw)
    tissue = labels[tuple(start)].clone()
    box = _around(labels, start, settings.bridge)
    there = (labels[box] == tissue).nonzero()
    end = there[draw.integer(len(there))] + torch.tensor([s.start for s in box])
    steps = torch.linspace(0, 1, 2 * settings.bridge)[:, None]
    z, y, x = (start + (end - start) * steps).round().long().T
    labels[z, y, x] = tissue


def speck(labels: Tensor, draw: RandomSource, settings: CorruptionSettings) -> None:
    """A small ball of any tissue, anywhere."""
    centre = torch.tensor([draw.integer(n) for n in labels.shape])
    box, inside = _ball(labels, centre, draw.uniform(0.5, settings.hole))
    labels[box][inside] = draw.integer(LABEL_COUNT)


def swelling(labels: Tensor, draw: RandomSource, settings: CorruptionSettings) -> None:
    """A tissue gains a voxel's breadth along some of its border."""
    del settings
    mask = labels == labels[tuple(random_voxel(labels, draw))]
    labels[_wider(mask) & _somewhere(labels, draw)] = labels[mask][0].clone()


def thinning(labels: Tensor, draw: RandomSource, settings: CorruptionSettings) -> None:
    """A tissue loses a voxel's breadth along some of its border to its neighbours."""
    del settings
    tissue = labels[tuple(random_voxel(labels, draw))].clone()
    order = torch.tensor(draw.order(LABEL_COUNT))
    # Where several neighbours would do, the one that comes last in a random order takes the voxel.
    rank = torch.where(labels == tissue, -1, order.argsort()[labels]).float()
    neighbour = F.max_pool3d(rank[None], 3, stride=1, padding=1)[0].long()
    lost = (labels == tissue) & (neighbour >= 0) & _somewhere(labels, draw)
    labels[lost] = order[neighbour[lost]]


#: Pieces and specks come in numbers, borders wander as a whole.
CHANGES: tuple[Callable[[Tensor, RandomSource, CorruptionSettings], None], ...] = (
    missing_piece,
    hole,
    hole,
    bridge,
    bridge,
    speck,
    speck,
    swelling,
    thinning,
)


def _relabel(labels: Tensor, draw: RandomSource, radius: float) -> None:
    """The tissue at a random place becomes, within a ball, another label that lies within twice the radius."""
    centre = random_voxel(labels, draw)
    tissue = labels[tuple(centre)].clone()
    near = labels[_around(labels, centre, int(2 * radius) + 1)].flatten()
    others = near[near != tissue]
    box, inside = _ball(labels, centre, radius)
    labels[box][inside & (labels[box] == tissue)] = others[draw.integer(len(others))] if len(others) else 0


def random_voxel(labels: Tensor, draw: RandomSource) -> Tensor:
    """A random voxel (3,) of a random label among those that occur, so that small tissues get their share."""
    present = torch.bincount(labels.flatten()).nonzero()[:, 0]
    flat = (labels == present[draw.integer(len(present))]).flatten().nonzero()
    return torch.stack(torch.unravel_index(flat[draw.integer(len(flat)), 0], labels.shape))


def _around(labels: Tensor, centre: Tensor, reach: int) -> tuple[slice, ...]:
    """The cube around a voxel, cut at the map's border."""
    ends = zip(centre.tolist(), labels.shape, strict=True)
    return tuple(slice(max(0, c - reach), min(n, c + reach + 1)) for c, n in ends)


def _ball(labels: Tensor, centre: Tensor, radius: float) -> tuple[tuple[slice, ...], Tensor]:
    """The cube around a ball, and the ball in it (bool)."""
    box = _around(labels, centre, int(radius) + 1)
    axes = [torch.arange(s.start, s.stop) - c for s, c in zip(box, centre.tolist(), strict=True)]
    squared = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2
    return box, squared <= radius**2


def _wider(mask: Tensor) -> Tensor:
    return F.max_pool3d(mask[None].float(), 3, stride=1, padding=1)[0] > 0


def _somewhere(labels: Tensor, draw: RandomSource) -> Tensor:
    """About a third of all places (bool, the labels' shape), in patches."""
    shape = (labels.shape[0], labels.shape[1], labels.shape[2])
    return draw.smooth_field(shape, knots=3 + draw.integer(5))[0] > draw.uniform(0.0, 1.0)


def _softened(labels: Tensor, draw: RandomSource, s: CorruptionSettings) -> Tensor:
    """Labels (Z, Y, X) as blurred, unsure probabilities (8, Z, Y, X)."""
    maps = F.one_hot(labels, LABEL_COUNT).movedim(-1, 0).float()
    maps = blur_maps(maps, draw.uniform(0.3, max(s.blur, 0.3)), padding="replicate")
    shape = (labels.shape[0], labels.shape[1], labels.shape[2])
    doubt = draw.uniform(0, s.noise) * draw.smooth_field(shape, knots=6 + draw.integer(12), channels=LABEL_COUNT)
    return (maps.clamp_min(LEAST).log() + doubt).softmax(0)

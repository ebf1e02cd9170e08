"""Training of the landmark network: ten heatmaps, whose peaks lie where the landmarks do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from feta.measurements import MEASUREMENTS
from inference.biometry.landmark_box import INPUTS, SIZE
from inference.biometry.landmark_network import HEAT_SD, peak
from inference.networks.residual_unet import NetworkSettings, ResidualUNet
from training.data.leakage import lineage_of
from training.data.provenance import all_source_subjects
from training.engine.loop import Report, train
from training.engine.optimisers import LoopSettings
from training.tasks.landmark_samples import LandmarkSample, SampleSettings, draw_sample
from training.tasks.landmark_subjects import LandmarkHead
from training.tasks.random_streams import Stream, stream

#: Voxels of the box in a brain of 28 weeks, mm: they grow with the brain.
NOMINAL_MM = 1.5
_ENDS = 2 * len(MEASUREMENTS)


def _network() -> NetworkSettings:
    return NetworkSettings(INPUTS, _ENDS, (16, 32, 64, 96), (1, 1, 1, 1), heads=1)


@dataclass(frozen=True)
class LandmarkSettings:
    """Everything that a run of ``feta-train fit landmarks`` depends on.

    Attributes:
        network: 8 channels in, 10 out.
        samples: how heads are altered.
        loop: how long and how fast.
        measured: share of the samples from data sets with landmarks of their own, where there are any.
        place: weight of the distance of a peak from its landmark (voxels), and
        length: of the error of a length, as a share, beside the heatmaps' cross entropy.
        settle: share of the training before both count: a peak must have formed.
    """

    network: NetworkSettings = field(default_factory=_network)
    samples: SampleSettings = field(default_factory=SampleSettings)
    loop: LoopSettings = field(default_factory=LoopSettings)
    measured: float = 0.7
    place: float = 0.5
    length: float = 10.0
    settle: float = 0.1


@dataclass(frozen=True)
class Heads:
    """What is trained and validated on.

    Attributes:
        defined: labelled volumes, with landmarks found by definition.
        measured: volumes with landmarks of their own.
        validation: held out, of both kinds.
    """

    defined: list[LandmarkHead]
    measured: list[LandmarkHead]
    validation: list[LandmarkHead]


class LandmarkTask:
    """Turned heads in drawn contrasts, with labels as wrong as a network's."""

    def __init__(self, heads: Heads, settings: LandmarkSettings) -> None:
        self.heads = heads
        self.settings = settings

    def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
        """Mean loss of a batch made from these seeds."""
        samples = [draw_sample(self._head(seed), self.settings.samples, seed) for seed in seeds]
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(torch.stack([sample.channels for sample in samples])).float()
        settled = done >= self.settings.settle
        losses = [landmark_loss(one, s, self.settings, settled) for one, s in zip(logits, samples, strict=True)]
        return torch.stack(losses).mean()

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Mean error of each length as a share, and of the places in mm, one sample a head."""
        if not self.heads.validation:
            return {}
        lengths, places = [], []
        for i, head in enumerate(self.heads.validation):
            sample = draw_sample(head, self.settings.samples, 10**9 + i)
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                logits = network(sample.channels[None])[0].float()
            found = torch.stack([peak(heat) for heat in logits])
            lengths.append(length_errors(found, sample.ends))
            places.append(sample.voxel * (found - sample.ends).norm(dim=1))
        errors = torch.stack(lengths).nanmean(0).tolist()
        figures = {m.lower(): e for m, e in zip(MEASUREMENTS, errors, strict=True)}
        return {"error": sum(errors) / len(errors), "mm": float(torch.stack(places).nanmean())} | figures

    def _head(self, seed: int) -> LandmarkHead:
        draw = stream(seed, Stream.SUBJECT)
        heads = self.heads
        chosen = heads.measured if heads.measured and draw.bernoulli(self.settings.measured) else heads.defined
        chosen = chosen or heads.measured
        return chosen[draw.integer(len(chosen))]


def length_errors(found: Tensor, ends: Tensor) -> Tensor:
    """Error (5,) of each length as a share of it, from ends (10, 3); NaN where unknown."""
    seen, true = ((e[1::2] - e[::2]).norm(dim=1) for e in (found, ends))
    return (seen - true).abs() / true


def landmark_loss(logits: Tensor, sample: LandmarkSample, settings: LandmarkSettings, settled: bool) -> Tensor:
    """Cross entropy of heatmaps (10, Z, Y, X) with a Gaussian about each landmark and, once settled, of the peaks."""
    known = torch.isfinite(sample.ends).all(1)
    if not known.any():
        return logits.sum() * 0
    chosen, ends = logits[known], sample.ends[known]
    log_heat = chosen.flatten(1).log_softmax(1).view_as(chosen)
    loss = -(log_heat * gaussians(ends)).sum((1, 2, 3)).mean()
    if not settled:
        return loss
    found = torch.full_like(sample.ends, torch.nan)
    found[known] = torch.stack([peak(heat) for heat in chosen])
    away = (found[known] - ends).norm(dim=1)
    lengths = length_errors(found, sample.ends)
    # A peak in the wrong place is the heatmap's business: its distance would outweigh all else.
    loss = loss + settings.place * away.clamp_max(4.0).mean()
    return loss + settings.length * lengths[known[::2] & known[1::2]].clamp_max(0.3).sum() / len(MEASUREMENTS)


def gaussians(ends: Tensor) -> Tensor:
    """Heatmaps (N, Z, Y, X) about ends (N, 3), index (x, y, z), each with the sum 1."""
    x, y, z = (
        torch.exp(-0.5 * ((torch.arange(n) - at[:, None]) / HEAT_SD) ** 2)
        for n, at in zip(SIZE, ends.unbind(1), strict=True)
    )
    heat = z[:, :, None, None] * y[:, None, :, None] * x[:, None, None, :]
    return heat / heat.sum((1, 2, 3), keepdim=True).clamp_min(1e-12)


def train_landmark_network(heads: Heads, settings: LandmarkSettings, folder: Path, report: Report = print) -> nn.Module:
    """Train the landmark network in a run folder; returns the network with averaged weights."""
    torch.manual_seed(settings.loop.seed)
    names = {use: [head.subject for head in getattr(heads, use)] for use in ("defined", "measured", "validation")}
    names["origins"] = all_source_subjects([*heads.defined, *heads.measured])
    network, task = ResidualUNet(settings.network), LandmarkTask(heads, settings)
    return train(network, task, settings.loop, folder, report, lineage_of(settings, **names))

"""Training of the segmentation network on upright, synthetic and real T2w volumes of the brain."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evaluation.scoring.score_table import SEGMENTATION_METRICS
from feta.grid import Grid
from feta.labels import TISSUES
from feta.volumes import Volume
from inference.geometry.preprocessing import standardise
from inference.networks.device import Compute, choose
from training.assessment.validation import scores
from training.data.leakage import lineage_of
from training.data.partial_labels import COMPLETE, Groups
from training.data.split import Subjects
from training.data.subject import Subject
from training.engine import distributed
from training.engine.architectures import ArchitectureSettings, make_network
from training.engine.loop import Report, train
from training.engine.losses import LossSettings, segmentation_loss
from training.engine.optimisers import LoopSettings
from training.synthesis.sample import Sample, generate_sample
from training.synthesis.settings import SynthesisSettings
from training.tasks.random_streams import Stream, stream

#: Metrics of the evaluator that a run logs.
_LOGGED = ("dice", "hd95", "ed")


@dataclass(frozen=True)
class SegmentationSettings:
    """Everything that a run of ``feta-train fit segmentation`` depends on.

    Attributes:
        network: its shape and kind.
        synthesis: of samples.
        losses: beside soft Dice and cross-entropy.
        loop: how long and how fast.
        more: share of the samples that are made of the subjects of ``--also`` folders, where there are any.
    """

    network: ArchitectureSettings = field(default_factory=ArchitectureSettings)
    synthesis: SynthesisSettings = field(default_factory=SynthesisSettings)
    losses: LossSettings = field(default_factory=LossSettings)
    loop: LoopSettings = field(default_factory=LoopSettings)
    more: float = 0.6


@dataclass(frozen=True)
class _Batch:
    """What this process has of a batch, or all of it where one process trains.

    Attributes:
        images: (N, 1, Z, Y, X).
        labels: (N, Z, Y, X), as numbers of groups.
        groups: of each sample.
        everywhere: groups of each sample of the whole batch, in an order that all processes share.
    """

    images: Tensor
    labels: Tensor
    groups: list[Groups]
    everywhere: list[Groups]


class SegmentationTask:
    """Synthetic brains, roughly upright as the locator leaves them; the target is the label map.

    Args:
        subjects: to make samples of. Those whose labels merge tissues are seen in their own contrast alone.
        settings: of the run.
        compute: device and precision of the network; samples are made there, too.
    """

    def __init__(self, subjects: Subjects, settings: SegmentationSettings, compute: Compute) -> None:
        self.subjects = subjects
        self.settings = settings
        self.compute = compute
        self._last: tuple[list[int], _Batch] | None = None

    def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
        """Loss of a batch made from these seeds; of the whole batch where several processes share it."""
        del done  # no curriculum here
        batch = self._batch(seeds)
        with self.compute.precision():
            outputs = network.levels(batch.images, self.settings.network.heads)  # type: ignore[operator]
        total = torch.zeros((), device=self.compute.device)
        # Groups that none of this process's samples has come up, too: the loss is summed over processes.
        for groups in dict.fromkeys(batch.everywhere):
            among = [i for i, each in enumerate(batch.groups) if each == groups]
            part = [output[among] if len(among) < len(seeds) else output for output in outputs]
            loss = segmentation_loss(part, batch.labels[among], self.settings.losses, groups)
            total = total + loss * (batch.everywhere.count(groups) / len(batch.everywhere))
        return total

    def _batch(self, seeds: list[int]) -> _Batch:
        """The samples of these seeds, made once though a step may ask twice."""
        if self._last is None or self._last[0] != seeds:
            chosen = [self.subjects.draw(stream(seed, Stream.SUBJECT), self.settings.more) for seed in seeds]
            samples = [self._sample(subject, seed) for subject, seed in zip(chosen, seeds, strict=True)]
            images = torch.stack([normalised(sample, seed) for sample, seed in zip(samples, seeds, strict=True)])
            labels = torch.stack([sample.labels for sample in samples])
            groups = [subject.groups for subject in chosen]
            self._last = seeds, _Batch(images, labels, groups, distributed.gathered(groups))
        return self._last[1]

    def _sample(self, subject: Subject, seed: int) -> Sample:
        synthesis = self.settings.synthesis
        if subject.groups != COMPLETE:
            # Merged tissues are seen in their own contrast, and none of them is the external CSF that may be lacking.
            synthesis = replace(
                synthesis,
                intensity=replace(synthesis.intensity, real=1.0),
                spatial=replace(synthesis.spatial, thin_csf=0.0),
            )
        # One subject at a time: all of them may not fit on a GPU.
        return generate_sample(subject.to(self.compute.device), synthesis, seed)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """The evaluator's metrics on synthetic scans of the validation subjects, two of each.

        Mean Dice, HD95 (mm) and Euler difference (against the table), and the Dice of each tissue.
        """
        validation = [subject for subject in self.subjects.validation if subject.groups == COMPLETE]
        found = []
        for seed in range(2 * len(validation)):
            sample = self._sample(validation[seed % len(validation)], 10**9 + seed)
            image = normalised(sample, seed)[None]
            with torch.inference_mode(), self.compute.precision():
                predicted = network(image)[0].argmax(0).cpu()
            found.append(scores(self._volume(sample.labels.cpu()), self._volume(predicted)))
        if not found:
            return {}
        mean = dict(zip(SEGMENTATION_METRICS, np.mean(found, axis=0).T, strict=True))
        figures = {name: float(mean[name].mean()) for name in _LOGGED}
        return figures | {t.name.lower(): float(v) for t, v in zip(TISSUES, mean["dice"], strict=True)}

    def _volume(self, labels: Tensor) -> Volume:
        z, y, x = labels.shape
        spacing = (self.settings.synthesis.spacing,) * 3
        grid = Grid((x, y, z), spacing, (0.0,) * 3, (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
        return Volume(labels.to(torch.uint8).numpy(), grid)


def normalised(sample: Sample, seed: int) -> Tensor:
    """The image (1, Z, Y, X) as the network will see it: standardised within a brain mask that is not quite right."""
    draw = stream(seed, Stream.STANDARDISATION)
    brain = (sample.labels > 0)[None]
    reach = draw.integer(4)
    if reach:
        brain = F.max_pool3d(brain.float()[None], 2 * reach + 1, stride=1, padding=reach)[0] > 0
    inside = brain & (sample.image > 0)
    return standardise(sample.image, inside) * draw.uniform(0.85, 1.15) + draw.normal(0.1)


def train_segmentation(
    subjects: Subjects,
    settings: SegmentationSettings,
    folder: Path,
    report: Report = print,
    pretrained: Path | None = None,
    compute: Compute | None = None,
) -> nn.Module:
    """Train the segmentation network in a run folder; returns the average.

    Args:
        subjects: to learn from and to validate on.
        settings: of the run.
        folder: of the run.
        report: takes a line of progress.
        pretrained: folder of another run of the same network, whose weights this one fine-tunes.
        compute: where and in which precision; None: the CPU.
    """
    compute = compute or choose("cpu")
    if compute.dtype is torch.float16:  # too narrow a range for gradients
        compute = replace(compute, dtype=torch.float32)
    torch.manual_seed(settings.loop.seed)
    network = make_network(settings.network)
    with distributed.joined(compute.device):
        network = network.to(compute.device)
        task = SegmentationTask(subjects, settings, compute)
        return train(network, task, settings.loop, folder, report, lineage_of(settings, **subjects.names()), pretrained)

"""Losses and gradients of batches of complete and of merged labels, by one process or by several."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import torch
import yaml

from inference.networks.device import choose
from inference.networks.residual_unet import ResidualUNet
from tests.support.tiny_subjects import write_balls
from training.data.partial_labels import COMPLETE, INDEX
from training.data.split import Subjects, read_subjects
from training.engine import distributed
from training.engine.architectures import ArchitectureSettings
from training.engine.losses import LossSettings
from training.synthesis.settings import SynthesisSettings
from training.tasks.random_streams import Stream, stream
from training.tasks.segmentation import SegmentationSettings, SegmentationTask

#: Samples with complete (c) and merged (m) labels. Of two processes one gets the even ones, the other the odd ones.
BATCHES = ("cm", "cmcm", "cccm", "mmcm", "cc", "mm")
SETTINGS = SegmentationSettings(
    ArchitectureSettings(widths=(2, 4, 4), blocks=(1, 1, 1), heads=2),
    SynthesisSettings(size=16, spacing=6.0),
    LossSettings(cl_dice=0.2, euler=0.001),
)


def _subjects(root: Path) -> Subjects:
    """One with complete labels; in the other folder one of which all inside the grey matter is one group."""
    full, merged = (write_balls(root / kind, (f"sub-{kind}",), side=24, spacing=4.0) for kind in ("full", "merged"))
    groups = [[0], [1], [2], *[[3, 4, 5, 6, 7]] * 5]
    (merged / INDEX).write_text(yaml.safe_dump(dict(enumerate(groups))))
    return read_subjects(full, (), more=[merged], partial=True)


def _seeds(subjects: Subjects, kinds: str) -> list[int]:
    """Different ones, for samples of these kinds."""
    found: list[int] = []
    for kind in kinds:
        seed = found[-1] + 1 if found else 0
        while (subjects.draw(stream(seed, Stream.SUBJECT), SETTINGS.more).groups == COMPLETE) != (kind == "c"):
            seed += 1
        found.append(seed)
    return found


def _compute(subjects: Subjects) -> dict[str, tuple[float, list[torch.Tensor]]]:
    task = SegmentationTask(subjects, SETTINGS, replace(choose("cpu"), dtype=torch.float32))
    torch.manual_seed(0)
    network = ResidualUNet(SETTINGS.network)
    found = {}
    for kinds in BATCHES:
        network.zero_grad(set_to_none=True)
        loss = task.loss(network, distributed.share(_seeds(subjects, kinds)), 0.0)
        loss.backward()  # type: ignore[no-untyped-call]
        distributed.average_gradients(network)
        (mean,) = distributed.means([float(loss.detach())], loss.device)
        found[kinds] = mean, [p.grad.clone() for p in network.parameters() if p.grad is not None]
    return found


def main(path: str) -> None:
    """Join the other processes, if any, and compute; the first process writes what was found."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, distributed.joined(torch.device("cpu")):
        done = _compute(_subjects(Path(folder)))
        if distributed.leads():
            torch.save(done, path)

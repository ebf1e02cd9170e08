"""Samples are made on any device: tried with a stand-in, which refuses what a GPU would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from inference.networks.device import Compute
from tests.support.elsewhere import ELSEWHERE, Elsewhere, lies_elsewhere
from tests.support.tiny_subjects import write_balls
from training.data.partial_labels import INDEX
from training.data.split import Subjects, read_subjects
from training.data.subject import Subject
from training.engine.architectures import ArchitectureSettings, make_network
from training.engine.losses import LossSettings
from training.synthesis.sample import generate_sample
from training.synthesis.settings import (
    ArtefactSettings,
    IntensitySettings,
    MaskSettings,
    SpatialSettings,
    SynthesisSettings,
)
from training.tasks.random_streams import Stream, stream
from training.tasks.segmentation import SegmentationSettings, SegmentationTask, normalised

#: What comes rarely, one at a time, always.
ALWAYS = [
    *({"spatial": SpatialSettings(**{name: 1.0})} for name in ("any_rotation", "thin_csf")),
    *({"mask": MaskSettings(masked=masked)} for masked in (0.0, 1.0)),
    *({"intensity": IntensitySettings(**{name: 1.0})} for name in ("real", "regions", "gin", "inverted")),
    *({"mask": MaskSettings(1.0, tight=t, exact=e, soft=1.0)} for t, e in ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0))),
    *({"intensity": IntensitySettings(contrasts=c)} for c in ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0))),
]
ARTEFACTS = ("motion", "ghosts", "stacks", "bands", "ringing", "smoothing", "rician")
SMALL = SynthesisSettings(size=20, spacing=4.0)


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Subjects:
    folder = write_balls(tmp_path_factory.mktemp("balls"), ("sub-a", "sub-b"), side=24, spacing=4.0)
    return read_subjects(folder, ("sub-b",))


def _both(subject: Subject, settings: SynthesisSettings, seed: int) -> None:
    here = generate_sample(subject, settings, seed)
    with Elsewhere():
        there = generate_sample(subject.to(ELSEWHERE), settings, seed)
        image = normalised(there, seed)
    for tensor in (there.image, there.labels, there.atlas, image):
        assert lies_elsewhere(tensor)
    assert torch.equal(there.labels, here.labels)
    torch.testing.assert_close(there.image, here.image)
    torch.testing.assert_close(image, normalised(here, seed))
    assert there.rotation == here.rotation


@pytest.mark.parametrize("settings", ALWAYS, ids=str)
def test_each_way_of_making_a_sample_works_anywhere(subjects: Subjects, settings: dict) -> None:
    for seed in range(3):
        _both(subjects.training[0], replace(SMALL, **settings), seed)


@pytest.mark.parametrize("name", ARTEFACTS)
def test_each_artefact_works_anywhere(subjects: Subjects, name: str) -> None:
    for seed in range(3):
        _both(subjects.training[0], replace(SMALL, artefacts=replace(ArtefactSettings(), **{name: 1.0})), seed)


def test_many_samples_are_the_same_anywhere(subjects: Subjects) -> None:
    for seed in range(40):
        _both(subjects.training[0], SMALL, seed)


def _same_step(subjects: Subjects, seeds: list[int]) -> None:
    settings = SegmentationSettings(
        ArchitectureSettings(widths=(2, 2), blocks=(1, 1), heads=1),
        replace(SMALL, size=16),
        LossSettings(cl_dice=0.2, euler=0.001),
    )
    torch.manual_seed(0)
    network = make_network(settings.network)
    tasks = [
        SegmentationTask(subjects, settings, Compute(at, torch.float32, "")) for at in (torch.device("cpu"), ELSEWHERE)
    ]
    here = tasks[0].loss(network, seeds, 0.0)
    figures = tasks[0].validate(network)
    with Elsewhere():
        for parameter in network.parameters():
            parameter.lies_elsewhere = True  # type: ignore[attr-defined]
        there = tasks[1].loss(network, seeds, 0.0)
        assert lies_elsewhere(there)
        assert tasks[1].validate(network) == pytest.approx(figures)
    assert float(there.detach()) == pytest.approx(float(here.detach()))


def test_a_step_is_the_same_anywhere(subjects: Subjects) -> None:
    _same_step(subjects, [1, 2])


def test_a_step_on_merged_labels_is_the_same_anywhere(tmp_path: Path) -> None:
    full, merged = (write_balls(tmp_path / kind, (f"sub-{kind}",), side=24, spacing=4.0) for kind in ("full", "merged"))
    groups = [[0], [1], [2], *[[3, 4, 5, 6, 7]] * 5]
    (merged / INDEX).write_text(yaml.safe_dump(dict(enumerate(groups))))
    subjects = read_subjects(full, (), more=[merged], partial=True)
    seeds = list(range(6))
    drawn = {subjects.draw(stream(seed, Stream.SUBJECT), SegmentationSettings().more).name for seed in seeds}
    assert drawn == {"sub-full", "sub-merged"}
    _same_step(subjects, seeds)
    _same_step(replace(subjects, training=subjects.more), seeds[:2])


def test_the_stand_in_refuses_tensors_of_two_devices() -> None:
    with Elsewhere(), pytest.raises(RuntimeError, match="tensors of two devices"):
        torch.ones(3).to(ELSEWHERE) + torch.ones(3)


def test_the_stand_in_refuses_the_cpus_generator() -> None:
    with Elsewhere(), ELSEWHERE, pytest.raises(RuntimeError, match="generator"):
        torch.rand(3, generator=torch.Generator("cpu"))


@pytest.mark.parametrize("view", [Tensor.numpy, np.asarray], ids=["numpy", "asarray"])
def test_the_stand_in_refuses_numpys_view(view: Callable[[Tensor], object]) -> None:
    with Elsewhere(), pytest.raises(RuntimeError, match="NumPy"):
        view(torch.ones(3).to(ELSEWHERE))


def test_the_stand_in_knows_what_is_made_within_its_context() -> None:
    with Elsewhere(), ELSEWHERE:
        assert lies_elsewhere(torch.arange(3))
        assert torch.arange(3).device == ELSEWHERE
        assert not lies_elsewhere(torch.arange(3).cpu())
    assert torch.arange(3).device == torch.device("cpu")

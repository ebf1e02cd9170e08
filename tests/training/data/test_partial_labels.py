from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from feta.errors import FetaError
from inference.networks.device import choose
from inference.networks.residual_unet import ResidualUNet
from tests.support.tiny_subjects import write_balls
from training.commands.common import VALIDATION
from training.commands.fit.subjects import training_subjects
from training.data.partial_labels import COMPLETE, marginal, read_label_set
from training.data.split import Subjects, read_subjects
from training.engine.architectures import ArchitectureSettings
from training.engine.losses import dice_and_cross_entropy, segmentation_loss
from training.synthesis.settings import SpatialSettings, SynthesisSettings
from training.tasks.segmentation import SegmentationSettings, SegmentationTask

#: As many as a data set can tell apart: all, brain only, GM with WM, no cerebellum, ventricles among others.
SETS = (COMPLETE, ((0,), (1, 2, 3, 4, 5, 6, 7)), ((0, 5), (1,), (2, 3), (4, 6, 7)))


def _case(seed: int, groups: tuple[tuple[int, ...], ...]) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, 8, 3, 4, 5, generator=generator)
    return logits, torch.randint(len(groups), (2, 3, 4, 5), generator=generator)


@given(st.integers(0, 1000), st.sampled_from(SETS))
@settings(max_examples=30, deadline=None)
def test_probabilities_of_a_group_are_summed(seed: int, groups: tuple[tuple[int, ...], ...]) -> None:
    logits, _ = _case(seed, groups)
    expected = torch.stack([logits.softmax(1)[:, list(group)].sum(1) for group in groups], 1)
    assert torch.allclose(marginal(logits.log_softmax(1), groups).exp(), expected, atol=1e-6)


@given(st.integers(0, 1000), st.sampled_from(SETS[1:]))
@settings(max_examples=30, deadline=None)
def test_cross_entropy_pulls_at_labels_as_the_marginal_does(seed: int, groups: tuple[tuple[int, ...], ...]) -> None:
    """∂/∂z of −log Σ p over the target's group is p − p/Σp within the group and p outside it (derived by hand)."""
    logits, target = _case(seed, groups)
    logits.requires_grad_()
    chosen = marginal(logits.log_softmax(1), groups).gather(1, target[:, None])
    (-chosen.sum()).backward()
    p = logits.detach().softmax(1)
    member = torch.tensor([[label in group for label in range(8)] for group in groups])[target].movedim(-1, 1)
    expected = p - torch.where(member, p / (p * member).sum(1, keepdim=True), torch.zeros(()))
    assert torch.allclose(logits.grad, expected, atol=1e-5)  # type: ignore[arg-type]


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_with_complete_labels_it_is_the_usual_loss(seed: int) -> None:
    logits, target = _case(seed, COMPLETE)
    one_by_one = torch.stack([logits.log_softmax(1)[:, [label]].logsumexp(1) for label in range(8)], 1)
    assert torch.allclose(dice_and_cross_entropy(one_by_one, target), dice_and_cross_entropy(logits, target, COMPLETE))


@given(st.integers(0, 1000), st.sampled_from(SETS[1:]))
@settings(max_examples=20, deadline=None)
def test_which_label_of_a_group_is_likely_does_not_matter(seed: int, groups: tuple[tuple[int, ...], ...]) -> None:
    logits, target = _case(seed, groups)
    p = logits.softmax(1)
    moved = p.clone()
    a, b = next(group for group in groups if len(group) > 1)[:2]
    moved[:, a], moved[:, b] = p[:, a] * 0.3, p[:, b] + p[:, a] * 0.7
    losses = [segmentation_loss([maps.log()], target, groups=groups) for maps in (p, moved)]
    assert torch.allclose(*losses, atol=1e-5)


def _described(folder: Path, content: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "labels.yaml").write_text(yaml.safe_dump(content))
    return folder


def test_values_that_cover_the_same_labels_are_one_group(tmp_path: Path) -> None:
    content = {0: [0], 10: [2, 3], 11: [3, 2], 12: [1, 4, 5, 6, 7]}
    labels = read_label_set(_described(tmp_path, content))
    assert labels is not None
    assert labels.groups == ((0,), (1, 4, 5, 6, 7), (2, 3))
    assert labels.group_of == {0: 0, 10: 2, 11: 2, 12: 1}


@pytest.mark.parametrize(
    "content",
    [
        {0: [0], 1: [1, 2, 3]},
        {0: [0], 1: [1, 2, 3, 4], 2: [4, 5, 6, 7]},
        {1: [0], 0: [1, 2, 3, 4, 5, 6, 7]},
        {0: 0, 1: [1, 2, 3, 4, 5, 6, 7]},
        [0, 1],
        {"a": [0, 1, 2, 3, 4, 5, 6, 7]},
    ],
)
def test_a_wrong_description_is_one_clear_line(tmp_path: Path, content: object) -> None:
    with pytest.raises(FetaError, match=r"labels\.yaml") as caught:
        read_label_set(_described(tmp_path, content))
    assert "\n" not in str(caught.value)


def _masks(root: Path) -> Path:
    """Balls of which the label map tells only brain (value 9) from background."""
    write_balls(root, ("sub-m",), side=24, spacing=4.0)
    path = root / "sub-m" / "anat" / "sub-m_rec-x_T2w_dseg.nii.gz"
    image = sitk.ReadImage(str(path))
    mask = sitk.Cast(image > 0, sitk.sitkUInt8) * 9
    sitk.WriteImage(mask, str(path))
    return _described(root, {0: [0], 9: [1, 2, 3, 4, 5, 6, 7]})


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Subjects:
    root = tmp_path_factory.mktemp("partial")
    full = write_balls(root / "full", ("sub-a",), side=24, spacing=4.0)
    return read_subjects(full, (), more=[_masks(root / "masks")], partial=True)


SMALL = SegmentationSettings(
    ArchitectureSettings(widths=(2, 4), blocks=(1, 1), heads=1), SynthesisSettings(size=16, spacing=6.0)
)


def test_masks_and_full_labels_share_a_batch(subjects: Subjects) -> None:
    task = SegmentationTask(subjects, SMALL, choose("cpu"))
    network = ResidualUNet(SMALL.network)
    alone = {}
    for seed in range(12):
        loss = task.loss(network, [seed], 0.0)
        alone.setdefault(task._batch([seed]).groups[0], (seed, float(loss.detach())))
    assert len(alone) == 2
    seeds, losses = zip(*alone.values(), strict=True)
    assert float(task.loss(network, list(seeds), 0.0).detach()) == pytest.approx(np.mean(losses), abs=1e-4)


def test_nothing_is_cut_off_from_merged_labels(subjects: Subjects) -> None:
    """Where external CSF is made to lack, no group that happens to have its number may go."""
    thin = SpatialSettings(thin_csf=1.0, thin_csf_mm=(0.0, 0.0))
    without = replace(SMALL, synthesis=replace(SMALL.synthesis, spatial=thin))
    tasks = [SegmentationTask(subjects, settings, choose("cpu")) for settings in (SMALL, without)]
    for seed in range(5):
        samples = [task._sample(subjects.more[0], seed) for task in tasks]
        assert samples[0].labels.any()
        assert torch.equal(samples[1].labels > 0, samples[0].labels > 0)


def test_of_a_mask_nothing_is_learned_about_tissues(subjects: Subjects) -> None:
    """Whatever the network says of tissues, the loss stays, as long as their sum does."""
    (mask,) = subjects.more
    assert mask.groups == ((0,), (1, 2, 3, 4, 5, 6, 7))
    task = SegmentationTask(Subjects([mask], []), SMALL, choose("cpu"))
    network = ResidualUNet(SMALL.network)
    before = float(task.loss(network, [3], 0.0).detach())
    with torch.no_grad():  # the tissues' logits change places
        for parameter in network.heads[0].parameters():
            parameter[1:] = parameter[1:].flip(0).clone()
    assert float(task.loss(network, [3], 0.0).detach()) == pytest.approx(before, abs=1e-3)


def test_held_out_masks_are_said_to_give_no_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = _masks(tmp_path / "masks")
    (folder / "sub-m").rename(folder / VALIDATION[0])
    for path in (folder / VALIDATION[0] / "anat").iterdir():
        path.rename(path.with_name(path.name.replace("sub-m", VALIDATION[0])))
    write_balls(folder, ("sub-a",), side=24, spacing=4.0)
    _described(folder, {0: [0], **{label: [label] for label in (1, 2, 3, 4, 5)}, 9: [6, 7], 6: [6, 7], 7: [6, 7]})
    subjects = training_subjects(folder, 1, everything=False, partial_labels=True)
    assert [s.name for s in subjects.validation] == [VALIDATION[0]]
    assert "the log will hold no figures but the loss" in capsys.readouterr().err
    assert SegmentationTask(subjects, SMALL, choose("cpu")).validate(ResidualUNet(SMALL.network)) == {}


def test_other_networks_refuse_merged_labels(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match="merges tissues"):
        read_subjects(_masks(tmp_path / "masks"), ())


def test_a_value_that_is_not_described_is_one_clear_line(tmp_path: Path) -> None:
    folder = _masks(tmp_path / "masks")
    _described(folder, {0: [0], 1: [1, 2, 3, 4, 5, 6, 7]})
    with pytest.raises(FetaError, match=r"holds 9, which labels\.yaml lacks"):
        read_subjects(folder, (), partial=True)

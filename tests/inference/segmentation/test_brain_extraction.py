"""Brain extraction, with a network whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

from feta.grid import Grid
from feta.volumes import Volume
from inference.geometry.frames import index_to_ras
from inference.networks.device import choose
from inference.networks.residual_unet import NetworkSettings, Norm, ResidualUNet
from inference.networks.weights import read_model, ship
from inference.segmentation.brain_extraction import BrainExtractor
from inference.segmentation.brain_mask import MARGIN_MM, BrainMask
from inference.segmentation.pose import Pose
from inference.segmentation.predictor import UprightPredictor
from inference.segmentation.segmenter import load_segmenter
from tests.support.networks import write_network

SPACING, PATCH = 3.0, 48


class Bright(nn.Module):
    """Stands in for a trained network: what is bright is brain."""

    settings = NetworkSettings(outputs=2, widths=(2, 2), blocks=(1, 1), heads=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((20 - 20 * x, 20 * x - 20), 1)


@pytest.fixture(scope="module")
def extractor() -> BrainExtractor:
    return BrainExtractor(Bright(), SPACING, PATCH, choose("cpu"))  # type: ignore[arg-type]


def _head(direction: np.ndarray) -> Volume:
    """A bright block of 40 × 48 × 56 mm (x, y, z) in a dim surrounding, and a smaller bright one in a corner."""
    array = np.full((48, 44, 40), 300.0, np.float32)
    array[10:38, 10:34, 10:30] = 1000.0
    array[1:7, 1:7, 1:7] = 1000.0
    return Volume(array, Grid((40, 44, 48), (2.0,) * 3, (5.0, -7.0, 11.0), tuple(direction.ravel().tolist())))


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def _truth() -> np.ndarray:
    truth = np.zeros((48, 44, 40), bool)
    truth[10:38, 10:34, 10:30] = True
    return truth


@pytest.mark.parametrize("degrees", [0, 35])
def test_the_largest_bright_piece_comes_back_where_it_was(extractor: BrainExtractor, degrees: float) -> None:
    volume = _head(Rotation.from_rotvec([0.3, 0, np.radians(degrees)]).as_matrix())
    brain = extractor.first(volume)
    assert brain is not None
    found = brain.on(index_to_ras(volume.grid), volume.grid.size)[0].numpy()
    assert _dice(found, _truth()) > 0.93
    assert not found[:8, :8, :8].any()


def test_the_second_look_stays_within_its_box(extractor: BrainExtractor) -> None:
    volume = _head(np.eye(3))
    to_ras = np.eye(4)
    middle = index_to_ras(volume.grid) @ [19.5, 21.5, 23.5, 1]
    to_ras[:3, 3] = middle[:3]
    pose = Pose(to_ras, 50.0, 0.0, np.array([-20.0, -24, -28]), np.array([20.0, 24, 28]), True)
    brain = extractor.upright(volume, pose)
    assert brain is not None
    assert _dice(brain.on(index_to_ras(volume.grid), volume.grid.size)[0].numpy(), _truth()) > 0.93
    assert max(brain.probability.shape) == PATCH  # its 104 mm and more


class Lopsided(Bright):
    """Is sure of bright voxels on one side of a patch only."""

    def forward(self, x: Tensor) -> Tensor:
        side = torch.ones(x.shape[-1])
        side[x.shape[-1] // 2 :] = 0.04
        return super().forward(x) * side


def test_the_mean_of_both_mirror_images_knows_no_side() -> None:
    lopsided = BrainExtractor(Lopsided(), SPACING, PATCH, choose("cpu"))  # type: ignore[arg-type]
    volume, to_ras = _head(np.eye(3)), np.eye(4)
    to_ras[:3, 3] = (index_to_ras(volume.grid) @ [19.5, 21.5, 23.5, 1])[:3]
    pose = Pose(to_ras, 50.0, 0.0, np.array([-20.0, -24, -28]), np.array([20.0, 24, 28]), True)
    plain, both = (lopsided.upright(volume, pose, mirrored=mirrored) for mirrored in (False, True))
    assert plain is not None
    assert both is not None
    inside = (slice(None), *([slice(20, 28)] * 3))
    assert not torch.allclose(plain.probability[inside], plain.probability.flip(-1)[inside], atol=0.05)
    assert torch.allclose(both.probability[inside], both.probability.flip(-1)[inside], atol=1e-5)
    mean = (plain.probability + plain.probability.flip(-1)) / 2
    assert torch.allclose(both.probability[inside], mean[inside], atol=1e-5)


@pytest.mark.parametrize(("side", "share"), [(30.0, 0.6), (80.0, 80 / 96), (95.9, 95.9 / 96), (120.0, 1.0)])
def test_a_young_brain_is_shown_finer_in_one_patch(extractor: BrainExtractor, side: float, share: float) -> None:
    # A patch is 144 mm wide, 24 of them on either side are room.
    volume = Volume(
        np.full((60, 60, 60), 300.0, np.float32),
        Grid((60,) * 3, (3.0,) * 3, (0.0,) * 3, _head(np.eye(3)).grid.direction),
    )
    volume.array[20:40, 20:40, 20:40] = 1000.0
    to_ras = np.eye(4)
    to_ras[:3, 3] = (index_to_ras(volume.grid) @ [29.5, 29.5, 29.5, 1])[:3]
    brain = extractor.upright(volume, Pose(to_ras, 50.0, 0.0, np.full(3, -side / 2), np.full(3, side / 2), True))
    assert brain is not None
    assert 1 / np.linalg.norm(brain.to_index[:3, 0]) == pytest.approx(share * SPACING)
    assert max(brain.probability.shape) == (PATCH if share < 1 else 56)


def test_the_middle_is_that_of_the_block(extractor: BrainExtractor) -> None:
    volume = _head(np.eye(3))
    brain = extractor.first(volume)
    assert brain is not None
    assert np.allclose(brain.centre(), (index_to_ras(volume.grid) @ [19.5, 21.5, 23.5, 1])[:3], atol=1.5)


def test_too_little_brain_is_none(extractor: BrainExtractor) -> None:
    volume = _head(np.eye(3))
    volume.array[10:38] = 300.0
    volume.array[1:9, 1:9, 1:9] = 1000.0  # 4 ml
    assert extractor.first(volume) is None


def test_a_brain_far_from_the_middle_of_a_large_volume_is_found(extractor: BrainExtractor) -> None:
    small = _head(np.eye(3))
    array = np.pad(small.array, ((0, 0), (70, 0), (60, 0)), constant_values=300.0)
    volume = Volume(array, Grid((100, 114, 48), (2.0,) * 3, (0.0, 0.0, 0.0), small.grid.direction))
    brain = extractor.first(volume)
    assert brain is not None
    found = brain.on(index_to_ras(volume.grid), volume.grid.size)[0].numpy()
    assert _dice(found[:, 70:, 60:], _truth()) > 0.93
    assert not found[:, :70].any()


def test_what_is_masked_already_stays_as_it_is(extractor: BrainExtractor) -> None:
    volume = _head(np.eye(3))
    volume.array[~_truth()] = 0
    assert extractor.first(volume) is None


@given(st.integers(0, 10_000))
@hypothesis_settings(max_examples=20, deadline=None)
def test_around_a_mask_is_all_within_the_margin_and_nothing_else(seed: int) -> None:
    draw = np.random.default_rng(seed)
    probability = torch.from_numpy((draw.random((1, 9, 9, 9)) > 0.98).astype(np.float32))
    matrix = np.diag([1.5, 1.5, 1.5, 1.0])
    brain, near = BrainMask(probability, np.linalg.inv(matrix)).around(matrix, (9, 9, 9))
    assert torch.equal(brain, probability > 0.5)
    if brain.any():
        places, every = np.argwhere(brain[0].numpy()), np.argwhere(np.ones((9, 9, 9), bool))
        distance = 1.5 * np.linalg.norm(every[:, None] - places[None], axis=2).min(1)
        assert np.array_equal(near[0].numpy().ravel(), distance <= MARGIN_MM)


def _weights(folder: Path) -> Path:
    torch.manual_seed(0)
    entries = {}
    for name, outputs, spacing in (("locator", 12, 6.0), ("segmentation", 8, 2.0), ("extraction", 2, SPACING)):
        settings = NetworkSettings(outputs=outputs, widths=(2, 2), blocks=(1, 1), heads=1)
        network = ResidualUNet(settings)
        with torch.no_grad():
            network.heads[0].bias[0] += 100 if outputs == 12 else 0  # type: ignore[index,operator]
        entries[name] = write_network(network, folder / f"{name}.safetensors", spacing, settings)
    ship(folder, {}, {n: [e] if n == "segmentation" else e for n, e in entries.items()})
    return folder


class SeenImages(nn.Module):
    """Stands in for the segmentation network; keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.images.append(x)
        return torch.zeros((1, 8, *x.shape[2:]))


@pytest.mark.parametrize("extraction", [False, True])
def test_the_segmentation_sees_what_is_no_brain_only_without_brain_extraction(tmp_path: Path, extraction: bool) -> None:
    options = {"mirror_tta": False, "topology": False, "brain_extraction": extraction}
    segmenter = load_segmenter(read_model(_weights(tmp_path)), choose("cpu"), **options)
    if extraction:
        assert segmenter.find_pose.extractor is not None
        segmenter.find_pose.extractor.network = Bright()  # type: ignore[assignment]
    seen = SeenImages()
    assert isinstance(segmenter.predict, UprightPredictor)
    segmenter.predict.networks, (file,) = [seen], segmenter.predict.files  # type: ignore[list-item]
    segmenter.predict.files = [replace(file, network=replace(file.network, norm=Norm.FOLDED))]
    segmenter.find_pose.network = seen  # type: ignore[assignment]
    segmenter(_head(np.eye(3)))
    image = seen.images[-1]
    # What lies beyond the volume, what surrounds the block, the block: even levels, apart from a few voxels of borders.
    _, counts = torch.unique(image.round(decimals=2), return_counts=True)
    assert (counts > 10_000).sum() == (2 if extraction else 3)


def test_weights_without_the_network_need_none(tmp_path: Path) -> None:
    folder = _weights(tmp_path)
    text = (folder / "model.yaml").read_text()
    (folder / "model.yaml").write_text(text[: text.index("extraction:")])
    assert load_segmenter(read_model(folder), choose("cpu")).find_pose.extractor is None

"""The way from a volume to its label map, with networks whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

from feta.grid import Grid
from feta.volumes import Volume
from inference.geometry.frames import box_to_frame, index_to_ras, rotation_degrees
from inference.geometry.native_grid import resample_to_native
from inference.geometry.orientation import CanonicalVolume
from inference.networks.device import choose
from inference.networks.residual_unet import NetworkSettings, Norm, ResidualUNet
from inference.networks.weights import read_model
from inference.segmentation import predictor
from inference.segmentation.brain_mask import BrainMask
from inference.segmentation.pose import Pose, by_directions
from inference.segmentation.pose_search import FITTING_RESIDUAL, MAX_POSE_ROUNDS
from inference.segmentation.postprocessing import keep_largest_component
from inference.segmentation.predictor import UprightPredictor
from inference.segmentation.segmenter import Segmenter, load_segmenter
from tests.support.networks import write_network
from tests.support.orientations import WAYS
from tests.support.topology_oracles import betti_numbers

SPACING = 2.0


class Threshold(nn.Module):
    """Stands in for a trained network: what is bright is white matter, the rest background."""

    def forward(self, x: Tensor) -> Tensor:
        logits = torch.full((1, 8, *x.shape[2:]), -20.0)
        bright = x[:, 0] > 0
        logits[:, 3][bright] = 20.0
        logits[:, 0][~bright] = 20.0
        return logits


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    entries = []
    for outputs, spacing in ((12, 6.0), (8, SPACING)):
        settings = NetworkSettings(outputs=outputs, widths=(2, 2), blocks=(1, 1), heads=1)
        network = ResidualUNet(settings)
        with torch.no_grad():
            network.heads[0].bias[0] += 100 if outputs == 12 else 0  # no brain: the header's pose
        entries.append(write_network(network, folder / f"{outputs}.safetensors", spacing, settings))
    (folder / "model.yaml").write_text(yaml.safe_dump({"locator": entries[0], "segmentation": entries[1:]}))
    return load_segmenter(read_model(folder), choose("cpu"))


def use(segmenter: Segmenter, network: nn.Module, patch: int = 96) -> None:
    """Predict, and compare poses, with this network, which needs no normalisation."""
    segmenter.find_pose.network = network  # type: ignore[assignment]
    predict = segmenter.predict
    assert isinstance(predict, UprightPredictor)
    predict.networks = [network]  # type: ignore[list-item]
    folded = replace(predict.files[0].network, norm=Norm.FOLDED)
    predict.files = [replace(predict.files[0], network=folded, patch=patch)]


def _block(direction: np.ndarray) -> Volume:
    """A bright block of 40 × 48 × 56 mm (x, y, z) in a dim surrounding, and a stray bright voxel in a corner."""
    array = np.full((48, 44, 40), 100.0, np.float32)
    array[10:38, 10:34, 10:30] = 1000.0
    array[1, 1, 1] = 1000.0
    return Volume(array, Grid((40, 44, 48), (SPACING,) * 3, (5.0, -7.0, 11.0), tuple(direction.ravel().tolist())))


def _drilled() -> Volume:
    """The same block with a hole through it, a cavity, a bay, and a second block beside."""
    volume = _block(np.eye(3))
    volume.array[14:17, 15:17, :] = 100.0
    volume.array[22:24, 20:22, 17:19] = 100.0
    volume.array[30:34, 10:20, 10:13] = 100.0
    volume.array[20:26, 15:25, 32:36] = 1000.0
    return volume


@pytest.mark.parametrize("degrees", [0, 20])
def test_what_the_network_sees_comes_back_where_it_was(segmenter: Segmenter, degrees: float) -> None:
    use(segmenter, Threshold())
    volume = _block(Rotation.from_rotvec([0, 0, np.radians(degrees)]).as_matrix())
    result = segmenter(volume)
    truth = volume.array > 500
    truth[1, 1, 1] = False  # the stray voxel is no part of the largest piece
    found = result.labels.array == 3
    assert result.labels.grid == volume.grid
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.97
    assert not found[:4, :4, :4].any()
    assert set(np.unique(result.labels.array)) == {0, 3}


def test_a_volume_without_a_brain_says_so(segmenter: Segmenter) -> None:
    assert any("no brain was recognised" in line for line in segmenter(_block(np.eye(3))).warnings)


@pytest.mark.parametrize(("order", "mirrored"), WAYS[::7])
def test_axis_orders_change_no_voxel(segmenter: Segmenter, order: tuple[int, ...], mirrored: tuple[bool, ...]) -> None:
    use(segmenter, Threshold())
    volume = _drilled()
    expected = segmenter(volume).labels.array
    array = np.flip(
        volume.array.transpose([2 - axis for axis in reversed(order)]), [2 - i for i in range(3) if mirrored[i]]
    )
    direction = np.eye(3)[:, list(order)] * np.where(mirrored, -1.0, 1.0)
    corner = np.zeros(3)
    for i, axis in enumerate(order):
        corner[axis] = volume.grid.size[axis] - 1 if mirrored[i] else 0
    origin = (volume.grid.affine() @ [*corner, 1])[:3]
    size = tuple(volume.grid.size[i] for i in order)
    grid = Grid(size, volume.grid.spacing, tuple(origin.tolist()), tuple(direction.ravel().tolist()))  # type: ignore[arg-type]
    other = segmenter(Volume(np.ascontiguousarray(array), grid)).labels.array
    back = np.flip(other, [2 - i for i in range(3) if mirrored[i]])
    back = back.transpose(np.argsort([2 - axis for axis in reversed(order)]))
    assert np.array_equal(back, expected)


@pytest.mark.parametrize("seed", range(3))
def test_a_header_that_turns_a_volume_changes_no_voxel(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    def askew(volume: Volume) -> list[Pose]:
        """A locator to which every volume lies 30° off its axes."""
        pose = by_directions(volume, Rotation.from_rotvec([20, -10, 20], degrees=True).as_matrix())
        return [replace(pose, residual=0.01, found=True)]

    use(segmenter, Threshold())
    monkeypatch.setattr(segmenter.find_pose, "locator", askew)
    volume = _drilled()
    turn = Rotation.random(random_state=seed).as_matrix()
    grid = replace(volume.grid, direction=tuple(turn.ravel().tolist()), origin=(1.0, 2.0, 3.0))
    plain, turned = segmenter(volume), segmenter(Volume(volume.array, grid))
    assert plain.labels.array.any()
    assert np.array_equal(turned.labels.array, plain.labels.array)
    assert turned.labels.grid == grid
    # The same voxel lies at the same place of the brain.
    assert np.allclose(turned.to_canonical @ grid.affine(), plain.to_canonical @ volume.grid.affine())


class Unsure:
    """An extractor whose mask is a ball of 26 mm, and a locator that turns poses by 10° when it sees another."""

    def __init__(self, residuals: list[float], before: float) -> None:
        self.before = before
        self.residuals = residuals
        self.calls = -1
        self.seen_from: list[float] = []
        self.mirrored: list[bool] = []
        self.masked: list[bool] = []

    def __call__(self, volume: Volume, brain: BrainMask | None = None) -> list[Pose]:
        self.masked.append(brain is not None)
        return [replace(by_directions(volume, np.eye(3)), residual=self.before, found=True)]

    def refine(self, volume: Volume, pose: Pose) -> Pose | None:
        self.calls += 1
        # The first call is about the poses that are judged.
        if not 1 <= self.calls <= len(self.residuals):
            return None
        assert pose.brain is self.mask
        to_ras = pose.to_ras.copy()
        to_ras[:3, :3] = Rotation.from_rotvec([10, 0, 0], degrees=True).as_matrix() @ to_ras[:3, :3]
        return replace(pose, to_ras=to_ras, residual=self.residuals[self.calls - 1])

    def first(self, volume: Volume) -> BrainMask:
        z, y, x = np.indices(volume.array.shape) - np.array([24, 22, 20])[:, None, None, None]
        ball = torch.from_numpy(((x**2 + y**2 + z**2) * SPACING**2 < 26**2).astype(np.float32))
        self.mask = BrainMask(ball[None], np.linalg.inv(index_to_ras(volume.grid)))
        return self.mask

    def upright(self, volume: Volume, pose: Pose, *, mirrored: bool = False) -> BrainMask:
        self.seen_from.append(rotation_degrees(pose.to_ras[:3, :3]))
        self.mirrored.append(mirrored)
        return self.first(volume)

    def turns(self, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> float:
        """By how many degrees the pose of a block is turned in the end."""
        for name, value in (("network", Threshold()), ("locator", self), ("extractor", self)):
            monkeypatch.setattr(segmenter.find_pose, name, value)
        return rotation_degrees(segmenter.find_pose(CanonicalVolume.of(_block(np.eye(3)))).to_ras[:3, :3])


@pytest.mark.parametrize(
    ("residuals", "turned"),
    [([0.05], 10), ([0.05, 0.2], 10), ([0.12, 0.06], 20), ([0.09, 0.08, 0.07, 0.06, 0.05], 40)],
)
def test_a_pose_is_sought_again_as_long_as_that_may_help(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, residuals: list[float], turned: float
) -> None:
    unsure = Unsure(residuals, 0.1)
    assert unsure.turns(segmenter, monkeypatch) == pytest.approx(turned, abs=1e-3)
    # Each time the mask is the one that is seen from the pose before; in the end it is seen from the pose that stays.
    rounds = min(len(residuals) + 1, MAX_POSE_ROUNDS)
    assert unsure.seen_from == pytest.approx([0, *(10 * n for n in range(rounds)), turned], abs=1e-3)
    assert unsure.mirrored == [False] * (rounds + 1) + [True]
    assert unsure.masked == [True]


@pytest.mark.parametrize("residuals", [[], [0.2]])
def test_a_pose_that_fits_badly_after_all_is_sought_without_a_mask(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, residuals: list[float]
) -> None:
    unsure = Unsure(residuals, 0.1)
    assert unsure.turns(segmenter, monkeypatch) == pytest.approx(0, abs=1e-3)
    assert unsure.masked == [True, False]
    assert unsure.seen_from[-3:] == pytest.approx([0, 0, 0], abs=1e-3)
    assert unsure.mirrored == [False] * (len(unsure.mirrored) - 1) + [True]


def test_a_pose_that_has_settled_is_compared_with_those_sought_without_a_mask(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsure = Unsure([0.08], 0.1)
    assert unsure.turns(segmenter, monkeypatch) == pytest.approx(10, abs=1e-3)
    assert unsure.masked == [True, False]


@pytest.mark.parametrize("before", [0.05, FITTING_RESIDUAL])
def test_a_pose_that_fits_is_sought_on_the_mask_alone(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, before: float
) -> None:
    unsure = Unsure([], before)
    assert unsure.turns(segmenter, monkeypatch) == pytest.approx(0, abs=1e-3)
    assert unsure.masked == [True]


def test_a_pose_that_fits_well_stays(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    unsure = Unsure([0.01], 0.05)
    assert unsure.turns(segmenter, monkeypatch) == pytest.approx(0, abs=1e-3)
    assert unsure.seen_from == pytest.approx([0, 0], abs=1e-3)
    assert unsure.mirrored == [False, True]


def test_where_no_pose_is_found_the_header_tells_it(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Unsure([], 0.1)
    for name, value in (("network", Threshold()), ("locator", lambda *_: []), ("extractor", nowhere)):
        monkeypatch.setattr(segmenter.find_pose, name, value)
    pose = segmenter.find_pose(CanonicalVolume.of(_block(np.eye(3))))
    assert not pose.found
    assert pose.brain is nowhere.mask
    assert nowhere.mirrored == [False]


def test_topology_is_right_where_it_is_asked_for(segmenter: Segmenter) -> None:
    use(segmenter, Threshold())
    right = segmenter(_drilled()).labels.array == 3
    segmenter.topology = False
    plain = segmenter(_drilled()).labels.array == 3
    segmenter.topology = True
    assert betti_numbers(right) == (1, 0, 0)
    assert betti_numbers(plain)[1:] == (1, 1)
    assert (right != plain).sum() < 0.03 * plain.sum()


def test_the_likeliest_label_is_taken_after_interpolation_not_before() -> None:
    probabilities = torch.zeros(3, 1, 1, 3)
    probabilities[1, 0, 0] = torch.tensor([0.9, 0.4, 0.0])
    probabilities[2, 0, 0] = torch.tensor([0.0, 0.5, 0.9])
    probabilities[0] = 1 - probabilities[1:].sum(0)
    half = np.diag([0.5, 1.0, 1.0, 1.0])
    # between the first two: 0.65 for label 1 against 0.25 for label 2
    assert resample_to_native(probabilities, half, (5, 1, 1)).labels.tolist() == [[[1, 1, 2, 2, 2]]]


def test_outside_the_box_is_background() -> None:
    probabilities = torch.zeros(8, 4, 4, 4)
    probabilities[5] = 1
    matrix = np.linalg.inv(box_to_frame((4, 4, 4), 1.0)) @ box_to_frame((12, 12, 12), 1.0)
    labels = resample_to_native(probabilities, matrix, (12, 12, 12)).labels
    assert (labels == 5).sum() == 64
    assert (labels[4:8, 4:8, 4:8] == 5).all()


def test_the_largest_piece_of_tissue_stays_whatever_its_labels() -> None:
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[:3, :2, :2], labels[3, 2, 2], labels[5, 5, 5] = 1, 7, 2
    cleaned = keep_largest_component(labels)
    assert cleaned[3, 2, 2] == 7
    assert cleaned[5, 5, 5] == 0
    assert (cleaned > 0).sum() == 13


class Recorder(Threshold):
    """Remembers how much it was shown at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.sides: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.sides.append(tuple(x.shape[2:]))
        return super().forward(x)


def test_the_box_is_shown_whole(segmenter: Segmenter) -> None:
    network = Recorder()
    use(segmenter, network, patch=64)
    upright = segmenter.predict.predict_upright(_block(np.eye(3)), _pose())[0]  # type: ignore[attr-defined]
    assert network.sides == [tuple(upright.shape[1:])]


def test_where_memory_is_short_it_is_shown_in_patches(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Recorder()
    use(segmenter, network, patch=64)
    whole = segmenter.predict.predict_upright(_block(np.eye(3)), _pose())[0]  # type: ignore[attr-defined]
    network.sides = []
    monkeypatch.setattr(predictor, "memory_left", lambda _: 0)
    patches = segmenter.predict.predict_upright(_block(np.eye(3)), _pose())[0]  # type: ignore[attr-defined]
    assert set(network.sides) == {(64, 64, 64)}
    torch.testing.assert_close(patches, whole)


def test_only_a_result_from_patches_says_so(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or it would differ from another run's on a busy machine, and nobody would know why."""
    use(segmenter, Threshold(), patch=64)
    assert predictor.IN_PATCHES not in segmenter(_block(np.eye(3))).warnings
    with monkeypatch.context() as short:
        short.setattr(predictor, "memory_left", lambda _: 0)
        assert predictor.IN_PATCHES in segmenter(_block(np.eye(3))).warnings
    assert predictor.IN_PATCHES not in segmenter(_block(np.eye(3))).warnings


def test_statistics_are_those_of_the_middle_which_is_as_large_as_a_patch(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instance normalisation makes a network's answer depend on how much there is around."""
    shown = []

    def by_statistics_of(network: nn.Module, image: Tensor, precision: object) -> nn.Module:
        shown.append(image)
        return network

    use(segmenter, Threshold(), patch=64)
    predict = segmenter.predict
    assert isinstance(predict, UprightPredictor)
    predict.mirror_tta = True
    predict.files = [replace(predict.files[0], network=replace(predict.files[0].network, norm=Norm.INSTANCE))]
    monkeypatch.setattr(predictor, "by_statistics_of", by_statistics_of)
    predict.predict_upright(_block(np.eye(3)), _pose())
    assert [tuple(image.shape) for image in shown] == [(1, 1, 64, 64, 64)] * 2
    torch.testing.assert_close(shown[0], shown[1].flip(4))


def _pose() -> Pose:
    return replace(by_directions(_block(np.eye(3)), np.eye(3)), found=True)

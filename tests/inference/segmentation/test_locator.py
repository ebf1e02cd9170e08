import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from feta.grid import Grid
from feta.volumes import Volume
from inference.geometry.frames import rotation_degrees
from inference.geometry.similarity import fit_similarity
from inference.geometry.view import View
from inference.networks.device import choose
from inference.networks.residual_unet import NetworkSettings, ResidualUNet
from inference.segmentation.locator import TRIAL_ROTATIONS, TRIAL_ROUNDS, Locator, _along_longest_axis, _Candidate
from inference.segmentation.pose import Pose, by_directions

IDENTITY = (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)


def _rotation(draw: np.random.Generator) -> np.ndarray:
    q, _ = np.linalg.qr(draw.normal(size=(3, 3)))
    return q if np.linalg.det(q) > 0 else -q


@given(st.integers(0, 10_000), st.floats(20, 120))
@settings(max_examples=50, deadline=None)
def test_any_similarity_is_recovered(seed: int, scale: float) -> None:
    draw = np.random.default_rng(seed)
    rotation, shift, places = _rotation(draw), draw.normal(0, 50, 3), draw.normal(0, 0.3, (60, 3))
    rigid, found, residual = fit_similarity(places, scale * places @ rotation.T + shift)
    assert np.allclose(rigid[:3, :3], rotation, atol=1e-6)
    assert np.allclose(rigid[:3, 3], shift, atol=1e-4)
    assert np.isclose(found, scale)
    assert residual < 1e-6


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_a_fifth_of_wild_places_hardly_turns_the_fit(seed: int) -> None:
    draw = np.random.default_rng(seed)
    rotation, places = _rotation(draw), draw.normal(0, 0.3, (400, 3))
    points = 80 * places @ rotation.T
    places = places + draw.normal(0, 0.02, places.shape)
    places[:80] = draw.normal(0, 1.0, (80, 3))
    rigid, _, _ = fit_similarity(places, points)
    cosine = (np.trace(rigid[:3, :3].T @ rotation) - 1) / 2
    assert np.degrees(np.arccos(min(cosine, 1.0))) < 3


def test_the_fit_never_mirrors() -> None:
    places = np.random.default_rng(0).normal(size=(50, 3))
    rigid, _, _ = fit_similarity(places, places * [-1, 1, 1])
    assert np.isclose(np.linalg.det(rigid[:3, :3]), 1)


def test_without_a_brain_there_is_no_pose() -> None:
    network = ResidualUNet(NetworkSettings(outputs=12, widths=(2, 2), blocks=(1, 1), heads=1))
    with torch.no_grad():
        network.heads[0].bias[0] = 1e6  # type: ignore[index,union-attr]
    assert Locator(network, 4.0, choose("cpu"))(_block()) == []


def test_directions_are_taken_about_the_middle_of_the_signal() -> None:
    pose = by_directions(_block(), np.eye(3))
    assert not pose.found
    assert np.allclose(pose.to_ras[:3, :3], np.eye(3))
    # middle of the block in LPS is (-27, 1, -11)
    assert np.allclose(pose.to_ras[:3, 3], (27, -1, -11))
    turn = _rotation(np.random.default_rng(0))
    other = by_directions(_block(), turn)
    assert np.allclose(other.to_ras[:3, :3], turn)
    assert np.allclose(other.centre(), pose.centre())


def test_any_rotation_is_near_one_that_is_looked_at() -> None:
    turns = Rotation.random(20000, random_state=0).as_matrix()
    cosine = (np.einsum("nij,mij->nm", turns, TRIAL_ROTATIONS).max(1) - 1) / 2
    assert np.degrees(np.arccos(cosine.min())) < 45
    for turn in Rotation.create_group("O").as_matrix():
        assert np.isclose(TRIAL_ROTATIONS, turn, atol=1e-9).all((1, 2)).any()


class Knowing(Locator):
    """Knows the brain's rotation wherever it is shown a brain within 50° of upright, and else is wrong."""

    def __init__(self, truth: np.ndarray, residual: float) -> None:
        network = ResidualUNet(NetworkSettings(outputs=12, widths=(2, 2), blocks=(1, 1), heads=1))
        super().__init__(network, 4.0, choose("cpu"))
        self.truth, self.residual, self.trials = truth, residual, 0

    def _try(self, coarse: View, rotation: np.ndarray, centre: np.ndarray, extent: float = 0.0) -> _Candidate:
        self.trials += 1
        off = rotation_degrees(rotation.T @ self.truth)
        to_ras = np.eye(4)
        to_ras[:3, :3] = self.truth if off < 50 else rotation
        pose = Pose(to_ras, 60.0, self.residual, np.full(3, -40.0), np.full(3, 40.0), True)
        return _Candidate(pose, 3.0 if off < 50 else -off / 90)


@pytest.mark.parametrize("number", [0, 7, 30, 65])
def test_a_pose_that_is_sure_ends_the_search(number: int) -> None:
    truth = TRIAL_ROTATIONS[number] @ Rotation.from_rotvec([0.2, -0.1, 0.3]).as_matrix()
    locator = Knowing(truth, 0.04)
    (pose,) = locator(_block())
    assert pose.sure and rotation_degrees(pose.to_ras[:3, :3].T @ truth) < 0.1
    rounds = number // len(TRIAL_ROUNDS[0]) + 1
    # Four for the centre, eight along the longest axis, and two to refine the best of each round.
    assert locator.trials <= 4 + 8 + 2 + rounds * (len(TRIAL_ROUNDS[0]) + 2)


def test_without_one_all_rotations_are_tried_and_the_likeliest_come_first() -> None:
    truth = Rotation.random(random_state=3).as_matrix()
    locator = Knowing(truth, 0.09)
    poses = locator(_block())
    assert locator.trials > len(TRIAL_ROTATIONS)
    assert not any(pose.sure for pose in poses)
    assert rotation_degrees(poses[0].to_ras[:3, :3].T @ truth) < 0.1


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_one_of_the_first_rotations_is_near_a_brain_that_is_longest_from_back_to_front(seed: int) -> None:
    truth = Rotation.random(random_state=seed).as_matrix()
    grid = np.stack(np.meshgrid(*[np.arange(-20, 21)] * 3, indexing="ij"), -1)[..., ::-1]  # (z, y, x, 3), x first
    inside = (((grid @ truth) / [11.0, 17.0, 13.0]) ** 2).sum(-1) < 1
    rotations = _along_longest_axis(torch.from_numpy(inside.astype(np.float32))[None])
    assert np.allclose([r @ r.T for r in rotations], np.eye(3)) and np.allclose(np.linalg.det(rotations), 1)
    assert min(rotation_degrees(r.T @ truth) for r in rotations) < 10


def _block() -> Volume:
    array = np.zeros((40, 40, 40), np.float32)
    array[10:20, 12:30, 5:9] = 1
    return Volume(array, Grid((40, 40, 40), (2.0,) * 3, (-40.0, -40.0, -40.0), IDENTITY))

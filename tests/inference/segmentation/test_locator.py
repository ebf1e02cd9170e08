import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from feta.grid import Grid
from feta.volumes import Volume
from inference.geometry.similarity import fit_similarity
from inference.networks.device import choose
from inference.networks.residual_unet import NetworkSettings, ResidualUNet
from inference.segmentation.locator import TRIAL_ROTATIONS, Locator
from inference.segmentation.pose import by_directions

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


def _block() -> Volume:
    array = np.zeros((40, 40, 40), np.float32)
    array[10:20, 12:30, 5:9] = 1
    return Volume(array, Grid((40, 40, 40), (2.0,) * 3, (-40.0, -40.0, -40.0), IDENTITY))

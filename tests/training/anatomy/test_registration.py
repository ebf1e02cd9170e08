"""The flow between two brains is found, goes both ways, and folds nowhere, nor beyond its ends."""

import numpy as np
import pytest
import torch

from training.anatomy.registration import RegistrationSettings, overlap, register
from training.anatomy.velocity_field import Deformation, determinants
from training.data.subject import Subject

QUICK = RegistrationSettings(blurs=(3.0, 1.0), steps=15)


def _nested(radii: tuple[float, float, float]) -> Subject:
    """Nested ellipsoids of all seven tissues, the outermost with these radii (x, y, z), mm; voxels of 2 mm."""
    axis = np.arange(-26.0, 27.0, 2.0)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    radius = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2)
    labels = np.zeros(radius.shape, int)
    for label in range(1, 8):
        labels[radius < 1 - (label - 1) / 8] = label
    maps = np.stack([*(labels == label for label in range(1, 8)), np.zeros(radius.shape)])
    to_index = np.diag([0.5, 0.5, 0.5, 1.0])
    to_index[:3, 3] = 13
    return Subject("made up", torch.from_numpy(maps.astype(np.float16)), torch.zeros(8), to_index, torch.zeros(1), 1.0)


@pytest.fixture(scope="module")
def found() -> tuple[Subject, Subject, Deformation]:
    ball, egg = _nested((18, 18, 18)), _nested((15, 21, 18))
    return ball, egg, register(ball, egg, QUICK)


def test_the_end_of_the_way_is_the_other_brain(found: tuple[Subject, Subject, Deformation]) -> None:
    ball, egg, flow = found
    before, half, after = (overlap(ball, egg, flow, time) for time in (0.0, 0.5, 1.0))
    assert before < half < after
    assert 1 - after < 0.4 * (1 - before)


def test_the_flow_backwards_leads_back(found: tuple[Subject, Subject, Deformation]) -> None:
    ball, egg, flow = found
    assert 1 - overlap(egg, ball, flow, -1.0) < 0.4 * (1 - overlap(egg, ball, flow, 0.0))


@pytest.mark.parametrize("time", [-0.5, 0.5, 1.0, 1.5])
def test_nothing_folds(found: tuple[Subject, Subject, Deformation], time: float) -> None:
    flow = found[2]
    places = flow.lattice.positions()
    warped = flow.warp(places.reshape(-1, 3), time).reshape(places.shape)
    assert determinants(warped, flow.lattice.spacing).min() > 0


def test_a_brain_has_no_way_to_itself() -> None:
    ball = _nested((16, 16, 16))
    assert np.abs(register(ball, ball, RegistrationSettings(blurs=(2.0,), steps=5)).velocity).max() < 0.05

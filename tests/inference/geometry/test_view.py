"""One way of showing a volume to a network: a box of some frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from feta.grid import Grid, Matrix, transformed
from feta.volumes import Volume
from inference.geometry.frames import index_to_ras
from inference.geometry.view import Size, View, view

GRID = Grid((30, 28, 26), (1.0, 1.2, 0.9), (3.0, -4.0, 5.0), (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0))
SIZE = (6, 7, 8)


def ramp() -> Volume:
    """A volume whose value is its place along an oblique direction, so that linear interpolation is exact."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in GRID.size], indexing="ij"), -1)
    value = transformed(index_to_ras(GRID), index.reshape(-1, 3)) @ [0.3, -0.5, 0.7]
    return Volume(value.reshape(GRID.size).T.astype(np.float32), GRID)


def frame() -> tuple[Matrix, tuple[float, float, float]]:
    """A turned frame whose origin is the volume's middle."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec([20, -30, 50], degrees=True).as_matrix()
    matrix[:3, 3] = transformed(index_to_ras(GRID), np.array([[14.5, 13.5, 12.5]]))[0]
    return matrix, (1.0, -0.5, 0.5)


def places(seen: View) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in seen.size], indexing="ij"), -1)
    return transformed(seen.to_ras, index.reshape(-1, 3)).reshape(*seen.size, 3)


def test_each_voxel_shows_what_lies_at_its_place() -> None:
    matrix, centre = frame()
    seen = view(ramp(), matrix, 0.8, SIZE, centre)
    assert seen.size == SIZE
    assert np.allclose(seen.image[0].numpy().T, places(seen) @ [0.3, -0.5, 0.7], atol=1e-3)
    assert np.allclose(places(seen).mean((0, 1, 2)), transformed(matrix, np.array([centre]))[0])
    assert np.allclose(seen.to_index @ matrix @ seen.box, np.eye(4))


@pytest.mark.parametrize("frame_last", [False, True])
def test_a_view_of_a_view_shows_the_same(frame_last: bool) -> None:
    matrix, centre = frame()
    whole = view(ramp(), np.eye(4), 1.0, (20, 20, 20), matrix[:3, 3])
    seen = view(whole, matrix, 0.8, SIZE, centre, frame_last=frame_last)
    assert np.allclose(seen.image[0].numpy().T, places(seen) @ [0.3, -0.5, 0.7], atol=1e-3)


def test_a_view_is_normalised_and_read_as_asked() -> None:
    asked = []

    def read(volume: Volume, matrix: Matrix, size: Size, spacing: float) -> Tensor:
        asked.append((volume.grid, size, spacing))
        return torch.ones(2, *size[::-1])

    def doubled(seen: View) -> Tensor:
        return 2 * seen.image

    seen = view(ramp(), np.eye(4), 0.8, SIZE, read=read, normalise=doubled)
    assert asked == [(GRID, SIZE, 0.8)]
    assert torch.equal(seen.image, torch.full((2, 8, 7, 6), 2.0))

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from feta.grid import Grid
from feta.volumes import Volume
from inference.geometry.frames import index_to_ras
from inference.geometry.orientation import CanonicalVolume, Reorientation
from tests.support.orientations import WAYS

OBLIQUE = tuple(np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]]).ravel().tolist())
STORED = Volume(
    np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32),
    Grid((7, 6, 5), (0.5, 0.8, 1.3), (10.0, -20.0, 30.0), OBLIQUE),
)


def stored_otherwise(order: tuple[int, ...], mirrored: tuple[bool, ...]) -> Volume:
    """The same volume with its axes in another order, made by SimpleITK."""
    image = sitk.GetImageFromArray(STORED.array)
    image.SetSpacing(STORED.grid.spacing)
    image.SetOrigin(STORED.grid.origin)
    image.SetDirection(STORED.grid.direction)
    image = sitk.Flip(sitk.PermuteAxes(image, order), mirrored)
    grid = Grid(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    return Volume(sitk.GetArrayFromImage(image), grid)


@pytest.mark.parametrize(("order", "mirrored"), WAYS)
def test_all_48_ways_of_storing_a_volume_become_one(order: tuple[int, ...], mirrored: tuple[bool, ...]) -> None:
    other = stored_otherwise(order, mirrored)
    reorientation = Reorientation.of(other.grid)
    ordered = reorientation.apply(other)
    assert np.array_equal(ordered.array, STORED.array)
    assert STORED.grid.difference(ordered.grid, 1e-9) is None
    assert np.array_equal(reorientation.undo(ordered.array), other.array)


def test_an_ordered_volume_is_left_alone() -> None:
    assert Reorientation.of(STORED.grid) == Reorientation((0, 1, 2), (False, False, False))


@pytest.mark.parametrize(("order", "mirrored"), WAYS)
def test_all_48_ways_of_storing_a_volume_become_one_by_their_content(
    order: tuple[int, ...], mirrored: tuple[bool, ...]
) -> None:
    other = stored_otherwise(order, mirrored)
    canonical, expected = CanonicalVolume.of(other), CanonicalVolume.of(STORED)
    assert np.array_equal(canonical.volume.array, expected.volume.array)
    assert expected.volume.grid.difference(canonical.volume.grid, 1e-9) is None
    assert np.array_equal(canonical.order.undo(canonical.volume.array), other.array)
    assert np.allclose(canonical.to_ras, expected.to_ras, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_headers_that_turn_a_volume_leave_what_is_bare(seed: int) -> None:
    turn = Rotation.random(random_state=seed).as_matrix()
    direction = tuple((turn @ np.reshape(OBLIQUE, (3, 3))).ravel().tolist())
    other = Volume(STORED.array, replace(STORED.grid, direction=direction, origin=(5.0, 6.0, 7.0)))
    canonical, expected = CanonicalVolume.of(other), CanonicalVolume.of(STORED)
    assert canonical.order == expected.order
    assert canonical.volume.grid == expected.volume.grid


@pytest.mark.parametrize(("order", "mirrored"), WAYS[::7])
def test_voxels_stay_where_they_are(order: tuple[int, ...], mirrored: tuple[bool, ...]) -> None:
    other = stored_otherwise(order, mirrored)
    canonical = CanonicalVolume.of(other)
    assert np.isclose(np.linalg.det(canonical.to_ras[:3, :3]), 1)
    ordered = canonical.order.apply(other)
    assert np.allclose(canonical.to_ras @ index_to_ras(canonical.volume.grid), index_to_ras(ordered.grid))

"""Lengths by geometry, on a head whose lengths are known."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from feta.grid import Grid
from feta.labels import Tissue
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import Volume
from inference.biometry.line import Line
from inference.biometry.measure import measure
from tests.support.heads import LENGTHS, TO_CANONICAL, make_head

UPRIGHT = make_head()
HEADS = {"coarse": make_head((1.6, 1.6, 1.6)), "anisotropic": make_head((1.2, 2.4, 1.0))}


@functools.cache
def lengths_of(head: str) -> dict[Measurement, Line | None]:
    """Of one of the heads as it lies."""
    return measure(HEADS[head].labels, TO_CANONICAL)


def errors(found: dict, expected: dict = LENGTHS) -> dict[Measurement, float]:
    return {m: abs(found[m].length - expected[m]) for m in expected}


def test_upright_head_has_its_lengths() -> None:
    assert max(errors(measure(UPRIGHT.labels, TO_CANONICAL)).values()) < 1.3


@pytest.mark.parametrize("spacing", [(1.2, 1.2, 1.2), (1.0, 2.0, 1.0), (3.0, 3.0, 3.0)])
def test_voxel_size_changes_lengths_by_less_than_a_voxel(spacing: tuple[float, float, float]) -> None:
    found = measure(make_head(spacing).labels, TO_CANONICAL)
    assert max(errors(found).values()) < 1.3 + max(spacing) / 2


@settings(max_examples=4, deadline=None)
@given(angles=st.tuples(*[st.floats(-180, 180)] * 3))
def test_orientation_of_the_image_does_not_matter(angles: tuple[float, float, float]) -> None:
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    found = measure(make_head((1.4, 1.4, 1.4), turn).labels, TO_CANONICAL)
    assert max(errors(found).values()) < 2.5


@pytest.mark.parametrize("angles", [(0, 8, -8), (6, -10, 5), (-6, 4, 10)])
def test_a_frame_some_degrees_off_does_no_harm(angles: tuple[float, float, float]) -> None:
    off = np.eye(4)
    off[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    off[:3, 3] = (4, -3, 2)
    assert max(errors(measure(UPRIGHT.labels, off @ TO_CANONICAL)).values()) < 2.0


@settings(max_examples=6, deadline=None)
@given(angles=st.tuples(*[st.floats(-180, 180)] * 3), shift=st.tuples(*[st.floats(-200, 200)] * 3))
@pytest.mark.parametrize("head", HEADS)
def test_a_turned_header_changes_no_length(head: str, angles: tuple, shift: tuple) -> None:
    """The same voxels in another pose: what is measured in physical space stays."""
    rigid = np.eye(4)
    rigid[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    rigid[:3, 3] = shift
    labels = HEADS[head].labels
    matrix = rigid @ labels.grid.affine()
    direction = matrix[:3, :3] / labels.grid.spacing
    grid = Grid(labels.grid.size, labels.grid.spacing, tuple(matrix[:3, 3]), tuple(direction.ravel()))
    after = measure(Volume(labels.array, grid), TO_CANONICAL @ np.linalg.inv(rigid))
    for measurement, line in lengths_of(head).items():
        moved = after[measurement]
        assert line is not None
        assert moved is not None
        assert moved.length == pytest.approx(line.length, rel=1e-3)


def test_ends_lie_where_the_structures_end() -> None:
    found = measure(UPRIGHT.labels, TO_CANONICAL)
    line = found[Measurement.TCD]
    assert line is not None
    ends = np.array([line.start, line.end]) @ TO_CANONICAL[:3, :3].T + TO_CANONICAL[:3, 3]
    assert np.abs(np.sort(ends[:, 0]) - [-17, 17]).max() < 1
    assert np.abs(ends[:, 1:] - [-22, -20]).max() < 2


@pytest.mark.parametrize(
    ("missing", "unknown"),
    [
        ((Tissue.CBM,), {Measurement.HV, Measurement.TCD}),
        ((Tissue.BSM,), {Measurement.HV}),
        # A brain that is cortex alone has no width that its cerebellum could be in proportion to.
        ((Tissue.WM,), {Measurement.LCC, Measurement.HV, Measurement.TCD}),
        ((Tissue.VM, Tissue.SGM), {Measurement.LCC}),
    ],
)
def test_what_is_absent_is_not_measured(missing: tuple[Tissue, ...], unknown: set[Measurement]) -> None:
    found = measure(make_head((1.5, 1.5, 1.5), missing=missing).labels, TO_CANONICAL)
    assert {m for m in MEASUREMENTS if found[m] is None} == unknown


def test_the_callosum_is_found_above_csf_as_above_ventricle() -> None:
    """In one protocol the midline's cavum and third ventricle are ventricle, in another external CSF."""
    found = measure(make_head(missing=(Tissue.VM,)).labels, TO_CANONICAL)[Measurement.LCC]
    assert found is not None
    assert abs(found.length - LENGTHS[Measurement.LCC]) < 1.3


def test_an_empty_map_has_no_lengths() -> None:
    empty = Volume(np.zeros_like(UPRIGHT.labels.array), UPRIGHT.labels.grid)
    assert measure(empty, TO_CANONICAL) == dict.fromkeys(MEASUREMENTS)


@pytest.mark.parametrize("label", list(Tissue)[1:])
def test_a_map_of_a_single_voxel_does_not_raise(label: Tissue) -> None:
    array = np.zeros_like(UPRIGHT.labels.array)
    array[40, 50, 60] = label
    assert measure(Volume(array, UPRIGHT.labels.grid), TO_CANONICAL) == dict.fromkeys(MEASUREMENTS)


def test_a_stray_island_changes_nothing() -> None:
    array = UPRIGHT.labels.array.copy()
    array[2:5, 2:5, 2:5] = Tissue.CBM
    array[90:94, 50:54, 90:94] = Tissue.GM
    found = measure(Volume(array, UPRIGHT.labels.grid), TO_CANONICAL)
    assert max(errors(found).values()) < 1.5

"""The ten landmarks, on a head whose lengths are known, at any voxel size, scale, shift and tilt."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feta.labels import Tissue
from feta.measurements import MEASUREMENTS, Measurement
from inference.biometry.landmark_definitions import landmark_lines
from inference.biometry.line import Line
from tests.support.heads import LENGTHS, TILT, callosum_at, tissue_at

HALF_MM = np.array([40.0, 48.0, 40.0])
Lines = dict[Measurement, Line | None]


def head(
    spacing: float = 0.9, shift: tuple[float, float, float] = (0, 0, 0), scale: float = 1.0, pitch: float = 0.0
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Labels, origin and callosum of a head on an upright grid, nodding by ``pitch`` radians."""
    x, y, z = (np.arange(-half, half, spacing) for half in HALF_MM * scale)
    origin = np.array([x[0], y[0], z[0]]) + shift
    z, y, x = np.meshgrid(z, y, x, indexing="ij")
    points = (np.stack([x, y, z], axis=-1) + shift) / scale
    cos, sin = np.cos(pitch), np.sin(pitch)
    nodded = points @ np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])
    return tissue_at(nodded), origin, callosum_at(nodded)


def lengths(lines: Lines) -> dict[Measurement, float]:
    return {m: line.length for m, line in lines.items() if line is not None}


def lines_of(spacing: float, *changes: object, **named: object) -> Lines:
    labels, origin, callosum = head(spacing, *changes, **named)  # type: ignore[arg-type]
    return landmark_lines(labels, origin, spacing, callosum)


BASE = head()
FOUND = landmark_lines(*BASE[:2], 0.9, BASE[2])


def test_lengths_are_those_of_the_solids() -> None:
    assert lengths(FOUND) == pytest.approx(LENGTHS, abs=0.7)


@pytest.mark.parametrize("shift", [(0.1, -0.3, 0.4), (-0.4, 0.2, 0.3), (0.3, 0.4, -0.1)])
def test_a_shift_within_a_voxel_moves_an_end_by_hardly_half_of_one(shift: tuple[float, float, float]) -> None:
    """Flat sides that face each other across the grid give no more away."""
    assert lengths(lines_of(0.8, shift)) == pytest.approx(LENGTHS, abs=0.85)


@settings(max_examples=4, deadline=None)
@given(scale=st.floats(0.7, 1.2))
def test_lengths_grow_with_the_head(scale: float) -> None:
    expected = {m: scale * length for m, length in LENGTHS.items()}
    assert lengths(lines_of(0.9, scale=scale)) == pytest.approx(expected, abs=0.9)


@pytest.mark.parametrize("pitch", [-0.3, 0.2])
def test_nodding_changes_neither_callosum_nor_cerebellum(pitch: float) -> None:
    nodding = lines_of(0.9, pitch=pitch)
    for measurement in (Measurement.LCC, Measurement.HV, Measurement.TCD):
        line = nodding[measurement]
        assert line is not None
        assert line.length == pytest.approx(LENGTHS[measurement], abs=0.9), measurement


def test_a_mirrored_head_has_mirrored_landmarks() -> None:
    labels, origin, callosum = BASE
    right = -(origin + 0.9 * (labels.shape[2] - 1))
    mirrored = landmark_lines(labels[..., ::-1], np.array([right[0], *origin[1:]]), 0.9, callosum[..., ::-1])
    assert lengths(mirrored) == pytest.approx(lengths(FOUND), abs=1e-6)


def test_each_line_lies_in_its_plane() -> None:
    across = {Measurement.LCC: 0, Measurement.HV: 0, Measurement.TCD: 1, Measurement.BBIP: 2, Measurement.SBIP: 2}
    for measurement, axis in across.items():
        line = FOUND[measurement]
        assert line is not None
        assert line.start[axis] == line.end[axis], measurement
    brain, skull = FOUND[Measurement.BBIP], FOUND[Measurement.SBIP]
    assert brain is not None
    assert skull is not None
    assert brain.start[2] == skull.start[2]


def test_the_axial_plane_passes_through_the_atria() -> None:
    line = FOUND[Measurement.BBIP]
    assert line is not None
    assert abs(line.start[2]) < 0.5


def test_the_vermis_is_measured_along_the_brainstem() -> None:
    line = FOUND[Measurement.HV]
    assert line is not None
    _, forward, up = np.subtract(line.start, line.end) / line.length
    assert np.arctan2(forward, up) == pytest.approx(TILT, abs=0.03)


def test_a_biparietal_line_is_at_a_right_angle_to_the_midline() -> None:
    for measurement in (Measurement.BBIP, Measurement.SBIP):
        line = FOUND[measurement]
        assert line is not None
        assert line.start[1] == pytest.approx(line.end[1], abs=1e-6)


def test_lines_run_from_front_top_and_left() -> None:
    assert FOUND[Measurement.LCC].start[1] > FOUND[Measurement.LCC].end[1]  # type: ignore[union-attr]
    assert FOUND[Measurement.HV].start[2] > FOUND[Measurement.HV].end[2]  # type: ignore[union-attr]
    for measurement in (Measurement.BBIP, Measurement.SBIP, Measurement.TCD):
        assert FOUND[measurement].start[0] < 0 < FOUND[measurement].end[0]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("missing", "unknown"),
    [
        (Tissue.CBM, {Measurement.HV, Measurement.TCD}),
        (Tissue.BSM, {Measurement.HV}),
        (Tissue.ECSF, set()),
        (Tissue.SGM, set()),
        (Tissue.VM, set()),
    ],
)
def test_what_is_absent_has_no_landmarks(missing: Tissue, unknown: set[Measurement]) -> None:
    labels = np.where(BASE[0] == missing, np.uint8(0), BASE[0])
    found = landmark_lines(labels, BASE[1], 0.9, BASE[2])
    assert {m for m in MEASUREMENTS if found[m] is None} == unknown


def test_a_brain_without_callosum_has_no_length_of_it() -> None:
    found = landmark_lines(BASE[0], BASE[1], 0.9, np.zeros_like(BASE[2]))
    assert [m for m in MEASUREMENTS if found[m] is None] == [Measurement.LCC]


def test_an_empty_map_has_no_landmarks() -> None:
    empty = np.zeros((20, 20, 20), np.uint8)
    assert landmark_lines(empty, np.zeros(3), 1.0, empty > 0) == dict.fromkeys(MEASUREMENTS)


def test_without_external_csf_the_skull_is_the_brain() -> None:
    labels = np.where(BASE[0] == Tissue.ECSF, np.uint8(0), BASE[0])
    found = lengths(landmark_lines(labels, BASE[1], 0.9, BASE[2]))
    assert found[Measurement.SBIP] == pytest.approx(found[Measurement.BBIP], abs=1e-6)


def test_hemispheres_of_the_cerebellum_that_hang_apart_are_measured_across() -> None:
    """In a coronal plane before the vermis the fourth ventricle parts them."""
    labels, origin, callosum = BASE
    x = origin[0] + 0.9 * np.arange(labels.shape[2])
    y = origin[1] + 0.9 * np.arange(labels.shape[1])
    parting = (labels == Tissue.CBM) & (np.abs(x) < 3) & (y > -24)[:, None]
    parted = landmark_lines(np.where(parting, np.uint8(Tissue.VM), labels), origin, 0.9, callosum)
    assert lengths(parted)[Measurement.TCD] == pytest.approx(lengths(FOUND)[Measurement.TCD], abs=0.1)


def test_a_known_callosum_wins_over_the_white_matter_around_it() -> None:
    labels, origin, callosum = BASE
    y = origin[1] + 0.9 * np.arange(labels.shape[1])
    shorter = callosum & (y > -5)[:, None]
    found = lengths(landmark_lines(labels, origin, 0.9, shorter))[Measurement.LCC]
    # From the lower end of the arch in front to the upper edge of the cut: both on the outer ellipse.
    front, top = 18 * np.sqrt(1 - (4 / 14) ** 2), 14 * np.sqrt(1 - (5 / 18) ** 2)
    assert found == pytest.approx(np.hypot(front + 5, top + 4), abs=0.6)

"""The seven further lengths, on a head whose lengths are known, turned, mirrored, and with parts missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from feta.labels import LABEL_COUNT, Tissue
from feta.volumes import Volume
from inference.biometry.midline_alignment import AlignedLabels, align_to_midline
from inference.morphometry.further_lengths import ACROSS, FURTHER_LENGTHS, further_lengths
from inference.morphometry.length_errors import LengthErrors
from inference.morphometry.measured import Kind, Measured
from tests.support.measured_head import BELLY, BRAIN, SKULL, STEM, VERMIS, MeasuredHead, width_at

KEYS = [each.key for each in FURTHER_LENGTHS]
ATRIA = {"atrium_left", "atrium_right"}
HEAD = MeasuredHead().upright()


def found(aligned: AlignedLabels | None) -> dict[str, Measured]:
    return {each.key: each for each in further_lengths(aligned)}


def values(aligned: AlignedLabels | None) -> dict[str, float]:
    return {key: each.value for key, each in found(aligned).items() if each.value is not None}


def relabelled(aligned: AlignedLabels, changed: np.ndarray, label: Tissue) -> AlignedLabels:
    return replace(aligned, labels=np.where(changed, np.uint8(label), aligned.labels))


UNEVEN = MeasuredHead(left=3.5, right=5.0, fastigium=3.0)
STRAIGHT = values(UNEVEN.upright())


@pytest.mark.parametrize(("left", "right"), [(2.0, 3.0), (4.0, 4.0), (8.0, 5.0)])
def test_an_atrium_is_as_wide_as_the_ellipsoid_that_it_is_cut_from(left: float, right: float) -> None:
    lengths = found(MeasuredHead(left, right).upright())
    for key, half in (("atrium_left", left), ("atrium_right", right)):
        line = lengths[key].line
        assert line is not None
        assert line.length == pytest.approx(width_at(half, line.start[1]), abs=0.25), key


def test_poles_of_brain_and_skull_are_those_of_the_ellipsoids() -> None:
    lengths = values(HEAD)
    for key in ("brain_OFD_left", "brain_OFD_right"):
        assert lengths[key] == pytest.approx(2 * BRAIN[1], abs=1.0)
    assert lengths["skull_OFD"] == pytest.approx(2 * SKULL[1], abs=0.6)


def test_without_a_fastigium_a_vermis_is_as_wide_as_its_ellipse() -> None:
    assert values(HEAD)["vermis_width"] == pytest.approx(2 * VERMIS[1], abs=0.5)


def test_a_vermis_is_measured_from_the_fastigium() -> None:
    depth = 3.0
    # The hindmost point as seen from there lies on the ellipse, by the slope allowed to one side.
    t = np.linspace(0, VERMIS[0], 1000)
    behind = VERMIS[1] - depth + VERMIS[1] * np.sqrt(1 - (t / VERMIS[0]) ** 2)
    expected = np.hypot(t, behind)[t <= 0.5 * behind].max()
    assert values(MeasuredHead(fastigium=depth).upright())["vermis_width"] == pytest.approx(expected, abs=0.6)


def test_a_pons_reaches_from_its_belly_to_the_floor_of_the_fourth_ventricle() -> None:
    assert values(HEAD)["pons_width"] == pytest.approx(2 * STEM + BELLY, abs=0.5)


def test_the_sinus_s_notch_in_the_midline_does_not_shorten_the_skull() -> None:
    x, y = (HEAD.origin[i] + HEAD.spacing * np.arange(HEAD.labels.shape[2 - i]) for i in (0, 1))
    notch = (np.abs(x) < 3) & (np.abs(y)[:, None] > 42)
    notched = values(relabelled(HEAD, np.broadcast_to(notch, HEAD.labels.shape), Tissue.BACKGROUND))
    # What is left beside the notch is as long as the ellipsoid there.
    assert notched["skull_OFD"] == pytest.approx(2 * SKULL[1] * np.sqrt(1 - (3 / SKULL[0]) ** 2), abs=0.6)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_turning_the_stored_volume_changes_a_length_by_little(seed: int) -> None:
    """Its voxels are 1 mm, and nearest neighbours are taken twice."""
    aligned = align_to_midline(*UNEVEN.turned(Rotation.random(random_state=seed).as_matrix()))
    assert values(aligned) == pytest.approx(STRAIGHT, rel=0.06, abs=0.7)


def test_lines_lie_in_the_image_s_physical_space() -> None:
    labels, to_frame = MeasuredHead(left=3.0, right=6.0).turned(
        Rotation.from_euler("xyz", (40, 15, 70), True).as_matrix()
    )
    for key, each in found(align_to_midline(labels, to_frame)).items():
        assert each.line is not None
        assert each.line.length == pytest.approx(each.value)
        start = np.array(each.line.moved(to_frame).start)
        if key in ATRIA:
            assert (start[0] < 0) == (key == "atrium_left")
            assert start[1] < -10


def test_a_mirrored_label_map_swaps_left_and_right() -> None:
    labels, to_frame = MeasuredHead(left=3.0, right=6.0).turned(np.eye(3))
    plain = values(align_to_midline(labels, to_frame))
    mirrored = values(align_to_midline(Volume(np.ascontiguousarray(labels.array[..., ::-1]), labels.grid), to_frame))
    for one, other in (("atrium_left", "atrium_right"), ("brain_OFD_left", "brain_OFD_right")):
        assert mirrored[one] == pytest.approx(plain[other], abs=0.3)
        assert mirrored[other] == pytest.approx(plain[one], abs=0.3)
    assert plain["atrium_right"] > 1.5 * plain["atrium_left"]


def test_flipping_array_and_axis_together_changes_no_side() -> None:
    labels, to_frame = MeasuredHead(left=3.0, right=6.0).turned(np.eye(3))
    grid = labels.grid
    direction = np.reshape(grid.direction, (3, 3)) * [-1, 1, 1]
    origin = (grid.affine() @ [grid.size[0] - 1, 0, 0, 1])[:3]
    flipped = replace(grid, origin=tuple(origin.tolist()), direction=tuple(direction.ravel().tolist()))
    stored = Volume(np.ascontiguousarray(labels.array[..., ::-1]), flipped)
    assert values(align_to_midline(stored, to_frame)) == pytest.approx(values(align_to_midline(labels, to_frame)))


def test_each_line_lies_in_the_plane_in_which_it_is_to_be_drawn() -> None:
    lengths = found(HEAD)
    for each in FURTHER_LENGTHS:
        line = lengths[each.key].line
        assert line is not None
        assert line.start[ACROSS[each.plane]] == pytest.approx(line.end[ACROSS[each.plane]])


@pytest.mark.parametrize(
    ("missing", "unknown"),
    [
        (Tissue.VM, ATRIA),
        (Tissue.SGM, ATRIA),
        (Tissue.CBM, {"vermis_width"}),
        (Tissue.BSM, {"vermis_width", "pons_width"}),
        (Tissue.ECSF, {"skull_OFD"}),
    ],
)
def test_what_a_missing_label_takes_away_is_left_empty_and_said(missing: Tissue, unknown: set[str]) -> None:
    lengths = found(relabelled(HEAD, HEAD.labels == missing, Tissue.BACKGROUND))
    assert {key for key, each in lengths.items() if each.value is None} == unknown
    assert all(lengths[key].flag and lengths[key].line is None for key in unknown)


def test_the_side_without_a_ventricle_has_no_atrial_width() -> None:
    lengths = found(MeasuredHead(left=0.0).upright())
    assert [key for key, each in lengths.items() if each.value is None] == ["atrium_left"]


def test_half_a_brain_has_no_lengths() -> None:
    labels, to_frame = MeasuredHead().turned(np.eye(3))
    half = labels.array.copy()
    half[..., half.shape[2] // 2 :] = 0
    lengths = found(align_to_midline(Volume(half, labels.grid), to_frame))
    assert all(each.value is None and "half a brain" in each.flag for each in lengths.values())


def test_a_brain_without_its_front_has_no_occipitofrontal_diameter() -> None:
    y = HEAD.origin[1] + HEAD.spacing * np.arange(HEAD.labels.shape[1])
    cut = relabelled(HEAD, np.broadcast_to((y > 0)[:, None], HEAD.labels.shape), Tissue.BACKGROUND)
    assert not {"brain_OFD_left", "brain_OFD_right", "skull_OFD"} & set(values(cut))


def test_an_interval_holds_its_value_and_is_as_wide_as_the_brain_is_large() -> None:
    errors = LengthErrors({key.removesuffix("_left"): (-0.03, 0.02) for key in KEYS})
    small, large = (
        {each.key: each for each in further_lengths(MeasuredHead(half, half).upright(), errors)} for half in (3.0, 6.0)
    )
    for key, each in small.items():
        other = large[key]
        assert each.low is not None and each.value is not None and each.high is not None
        assert 0 <= each.low < each.value < each.high
        assert other.low is not None and other.high is not None
        assert other.high - other.low == pytest.approx(each.high - each.low, rel=1e-6)


def test_without_errors_there_is_no_interval() -> None:
    lengths = further_lengths(HEAD, LengthErrors({"atrium": (-0.03, 0.02)}))
    assert {each.key for each in lengths if each.low is not None} == ATRIA
    assert all(each.low is each.high is None for each in found(HEAD).values())


def test_an_empty_map_has_no_lengths() -> None:
    nothing = AlignedLabels(np.zeros((9, 9, 9), np.uint8), np.zeros(3), np.eye(4))
    for aligned in (None, nothing):
        assert [(each.key, each.value, each.flag) for each in further_lengths(aligned)] == [
            (key, None, "no brain") for key in KEYS
        ]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(*[st.integers(1, 40)] * 3),
    blobs=st.integers(0, 12),
)
def test_any_label_map_gives_each_length_once_in_sensible_bounds(
    seed: int, shape: tuple[int, int, int], blobs: int
) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, LABEL_COUNT, shape, dtype=np.uint8) if not blobs else np.zeros(shape, np.uint8)
    for _ in range(blobs):
        low = [int(rng.integers(0, n)) for n in shape]
        box = tuple(slice(a, a + int(rng.integers(1, n + 1))) for a, n in zip(low, shape, strict=True))
        labels[box] = rng.integers(0, LABEL_COUNT)
    aligned = AlignedLabels(labels, -0.3 * np.array(shape[::-1]), np.eye(4), 1.5)
    lengths = further_lengths(aligned)
    assert [each.key for each in lengths] == KEYS
    for each in lengths:
        assert each.kind is Kind.LENGTH
        assert (each.value is None) == bool(each.flag) == (each.line is None)
        assert each.value is None or 0 < each.value < 1.5 * np.linalg.norm(shape) + 2

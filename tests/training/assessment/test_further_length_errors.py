"""Intervals of the further lengths: the spread of their errors, and the pose that ten landmarks tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from feta.errors import FetaError
from feta.grid import transformed
from feta.measurements import Measurement
from feta.volumes import Volume
from inference.biometry.line import Line, landmark_image
from inference.biometry.midline_alignment import AlignedLabels
from tests.support.measured_head import MeasuredHead
from training.assessment.further_length_errors import case_errors, fit_errors, frame_of

#: Ends in the brain frame, mm.
LINES = {
    Measurement.LCC: Line((0.0, 20.0, 5.0), (0.0, -18.0, 5.0)),
    Measurement.HV: Line((0.0, -22.0, -12.0), (0.0, -25.0, -28.0)),
    Measurement.BBIP: Line((-33.0, -8.0, 0.0), (33.0, -8.0, 0.0)),
    Measurement.SBIP: Line((-38.0, -8.0, 0.0), (38.0, -8.0, 0.0)),
    Measurement.TCD: Line((-17.0, -22.0, -20.0), (17.0, -22.0, -20.0)),
}


def test_an_interval_holds_the_next_error_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    held = []
    for _ in range(2000):
        drawn = rng.normal(0.02, 0.01, 9)
        low, high = fit_errors([{"pons_width": [error]} for error in drawn[:8]]).shares["pons_width"]
        held.append(low <= drawn[8] <= high)
    assert np.mean(held) == pytest.approx(0.9, abs=0.025)


def test_two_sides_that_are_off_alike_are_no_surer_than_one() -> None:
    errors = np.random.default_rng(6).normal(0, 0.01, 12)
    one = fit_errors([{"atrium": [e]} for e in errors]).shares["atrium"]
    both = fit_errors([{"atrium": [e, e]} for e in errors]).shares["atrium"]
    assert both == pytest.approx(one, rel=0.03)


def test_too_few_cases_are_refused() -> None:
    with pytest.raises(FetaError, match="too few"):
        fit_errors([{"atrium": [0.1]}] * 4)


def test_true_less_measured_is_told_as_a_share_of_the_brain_s_width() -> None:
    true, said = (MeasuredHead(left=half, right=half).upright() for half in (4.0, 5.0))
    errors = case_errors(true, said)
    # Both are cut where (1 − share²) of the half widths is left; the brain is 66 mm wide.
    assert len(errors["atrium"]) == 2
    assert np.array(errors["atrium"]) * 66 == pytest.approx([-2.0, -2.0], abs=0.4)
    assert errors["pons_width"] == pytest.approx([0.0], abs=1e-3)


def test_what_only_one_map_shows_has_no_error() -> None:
    true = MeasuredHead().upright()
    said = replace(true, labels=np.where(true.labels == 7, np.uint8(0), true.labels))
    assert set(case_errors(true, said)) == {"atrium", "brain_OFD", "skull_OFD"}
    nothing = AlignedLabels(np.zeros((9, 9, 9), np.uint8), np.zeros(3), np.eye(4))
    assert case_errors(true, nothing) == {}


@pytest.mark.parametrize("seed", range(4))
def test_landmarks_tell_which_way_is_up(seed: int) -> None:
    labels, to_frame = MeasuredHead().turned(Rotation.random(random_state=seed).as_matrix())
    lines = {m: line.moved(np.linalg.inv(to_frame)) for m, line in LINES.items()}
    frame = frame_of(Volume(landmark_image(lines, labels.grid), labels.grid))
    assert frame is not None
    for axis in np.eye(3):
        tip, root = transformed(to_frame @ np.linalg.inv(frame), np.array([axis, [0, 0, 0]]))
        assert (tip - root) @ axis > np.cos(np.deg2rad(6))


def test_a_length_without_two_ends_tells_no_pose() -> None:
    labels, to_frame = MeasuredHead().turned(np.eye(3))
    lines = {m: line.moved(np.linalg.inv(to_frame)) for m, line in LINES.items() if m is not Measurement.HV}
    assert frame_of(Volume(landmark_image(lines, labels.grid), labels.grid)) is None

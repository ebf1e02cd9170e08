"""Accept, check and reject, each for one reason at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feta.errors import FetaError
from inference.confidence.quality_model import Expectation
from inference.confidence.signals import Signals
from inference.confidence.thresholds import DEFAULT, thresholds
from inference.confidence.verdict import Judgement, Verdict, judge

VOLUMES = np.array([60.0, 50, 80, 8, 6, 10, 4])
SOUND = {"pose_found": 1.0, "symmetry": 0.95, "flat_end": 0.1, "cut_end": 0.1, "blank_slices": 0.0,
         "contrast_fluid": 1.0, "anisotropy": 0.0}  # fmt: skip


def signals(**case: float) -> Signals:
    return Signals({**SOUND, **case}, {}, {}, VOLUMES)


def expected(dice: float = 0.92, worst: float | None = None) -> Expectation:
    values = np.full(7, dice)
    values[4] = dice if worst is None else worst
    tissues = np.stack([values, values - 0.1, values + 0.05], axis=1)
    lengths = np.outer([36.0, 17, 72, 80, 34], [1.0, 0.95, 1.06])
    return Expectation(tissues, tissues * 0 + 1, np.outer(VOLUMES, [1, 0.9, 1.1]), lengths)


def verdict(found: Signals | None = None, quality: Expectation | None = None, distance: float = 1.0) -> Judgement:
    return judge(found or signals(), quality or expected(), distance, thresholds())


def test_a_sound_result_is_accepted_without_a_reason() -> None:
    assert verdict() == Judgement(Verdict.ACCEPT, ())


@pytest.mark.parametrize(
    ("case", "word"),
    [
        ({"symmetry": 0.5}, "halves of the brain are unlike"),
        ({"symmetry": 0.999}, "halves of the brain are the same"),
        ({"flat_end": 0.7}, "cut off"),
        ({"cut_end": 0.7}, "cut off"),
        ({"blank_slices": 0.5}, "50 % of the brain's slices"),
        ({"contrast_fluid": -0.5}, "no T2-weighted volume"),
        ({"high": -0.9}, "0.41 times as high as wide"),
        ({"long": 0.8}, "2.23 times as long as wide"),
        ({"outside": 0.3}, "30 % of what was segmented"),
        ({"anisotropy": float(np.log(4))}, "4.0 times as long"),
    ],
)
def test_an_image_of_no_whole_brain_is_to_be_checked_however_sure_the_networks_are(
    case: dict[str, float], word: str
) -> None:
    found = verdict(signals(**case))
    assert found.verdict is Verdict.CHECK
    assert word in found.line


def test_no_brain_that_was_recognised_is_rejected() -> None:
    assert verdict(signals(pose_found=0.0)).verdict is Verdict.REJECT


def test_an_adults_brain_is_rejected() -> None:
    found = verdict(replace(signals(), volumes=VOLUMES * 6))
    assert found.verdict is Verdict.REJECT
    assert "more than any fetus's" in found.line


def test_an_empty_label_map_is_rejected_and_says_nothing_else_of_no_brain() -> None:
    assert verdict(replace(signals(), volumes=np.zeros(7))).verdict is Verdict.REJECT


def test_a_tissue_that_was_not_found_is_named() -> None:
    found = verdict(replace(signals(), volumes=np.where(np.arange(7) == 4, 0, VOLUMES)))
    assert [r.about for r in found.reasons] == ["CBM"]


def test_a_tissue_of_which_little_is_expected_is_named_with_what_is_expected() -> None:
    found = verdict(quality=expected(0.95, worst=0.4))
    assert found.verdict is Verdict.CHECK
    assert [r.about for r in found.reasons] == ["CBM"]
    assert "0.40" in found.line


def test_a_bad_mean_is_rejected() -> None:
    assert verdict(quality=expected(0.3)).verdict is Verdict.REJECT


def test_a_length_of_which_little_is_known_is_named() -> None:
    wide = expected()
    wide.length[1] = 17, 8, 30
    assert [r.about for r in verdict(quality=wide).reasons] == ["HV"]


def test_a_volume_unlike_all_others_is_to_be_checked() -> None:
    assert verdict(distance=50.0).verdict is Verdict.CHECK


@pytest.mark.parametrize(("weeks", "found"), [(1.9, Verdict.ACCEPT), (2.0, Verdict.CHECK)])
def test_a_brain_far_beyond_the_ages_of_the_fit_is_to_be_checked(weeks: float, found: Verdict) -> None:
    assert verdict(quality=replace(expected(), outside=weeks)).verdict is found


def test_what_earlier_steps_doubted_is_to_be_checked_in_their_words() -> None:
    found = judge(signals(), expected(), 1.0, thresholds(), ["has voxels of 1 × 1 × 4 mm"])
    assert found.line == "check: has voxels of 1 × 1 × 4 mm"


def test_nothing_is_accepted_of_weights_whose_errors_nobody_measured() -> None:
    found = judge(signals(), None, None, thresholds())
    assert (found.verdict, found.reasons) == (Verdict.UNJUDGED, ())


def test_rules_speak_of_weights_whose_errors_nobody_measured() -> None:
    assert judge(signals(), None, None, thresholds(), ["is odd"]).line == "check: is odd"


@settings(deadline=None)  # the first example reads the thresholds
@given(st.floats(0, 1), st.floats(0, 1))
def test_less_expected_quality_never_gives_a_milder_verdict(one: float, other: float) -> None:
    order = [Verdict.ACCEPT, Verdict.CHECK, Verdict.REJECT]
    low, high = sorted((one, other))
    assert order.index(verdict(quality=expected(low)).verdict) >= order.index(verdict(quality=expected(high)).verdict)


def test_an_unknown_threshold_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "verdict.yaml"
    path.write_text(DEFAULT.read_text() + "\nharsh: true\n")
    with pytest.raises(FetaError, match="harsh"):
        thresholds(path)

"""The model of quality: read, written, refused, and what it expects; fitted on made-up rows in `tests/training`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feta.errors import FetaError
from feta.measurements import MEASUREMENTS
from inference.biometry.lengths import Length
from inference.confidence.age_estimate import Age, AgeEstimator
from inference.confidence.confidence import Judging, assess, doubts_of_age
from inference.confidence.margins import Groups, Margins
from inference.confidence.quality_file import NAME, read_quality_model, write_quality_model
from inference.confidence.quality_model import (
    Figure,
    QualityModel,
    around,
)
from inference.confidence.signals import CASE, Signals
from inference.confidence.thresholds import thresholds
from inference.confidence.trees import Trees
from inference.morphometry.measured import Kind, Measured

VOLUMES, LENGTHS = np.array([60.0, 50, 80, 8, 6, 10, 4]), np.array([36.0, 17, 72, 80, 34])
INTERVALS = np.stack([LENGTHS * 0.95, LENGTHS * 1.05], axis=1)


def constant(value: float, signals: int) -> Trees:
    """Trees that say the same of all."""
    one = np.zeros((1, 1), np.int64)
    return Trees(value, one, np.zeros((1, 1)), one - 1, one - 1, np.zeros((1, 1)), np.zeros(signals))


def model(weights: str = "") -> QualityModel:
    """Dice 0.9 ± 0.06, sizes ± 5 %; thirds of age at 25 and 30 weeks."""
    said = {Figure.DICE: 0.9, Figure.HD95: 0.0, Figure.VOLUME: np.log(0.05), Figure.LENGTH: np.log(0.05)}
    ones = {
        f: np.concatenate([np.full(f.elements, 0.5 if f is Figure.DICE else 1.0), [0.0, 0.1, 0.0, 0.2]]) for f in Figure
    }
    week = np.array([1.0, 0.0, 0.0, 0.0, 0.0])
    age = AgeEstimator(
        np.zeros(13), np.ones(13), np.array([28.0] + [0.0] * 38), Groups((25.0, 30.0), 0.0, 0.5),
        Margins(week, 1.5 * week), (21.0, 35.0),
    )  # fmt: skip
    size = len(CASE)
    return QualityModel(
        {f: constant(float(said[f]), f.signals) for f in Figure}, {f: Margins(ones[f], ones[f]) for f in Figure},
        Groups((25.0, 30.0), 0.85, 0.5), (21.0, 35.0), age, np.zeros(size), np.ones(size), np.eye(size), 10, 5, weights,
    )  # fmt: skip


def signals() -> Signals:
    return Signals(dict.fromkeys(CASE, 0.0), {}, {}, VOLUMES)


def test_dice_lies_within_its_margins_in_units_of_what_is_missing_from_one() -> None:
    dice = model().expect(signals(), LENGTHS, INTERVALS, 22.0).dice
    np.testing.assert_allclose(dice[0], [0.9, 0.9 - 0.5 * 0.12, 0.9 + 0.5 * 0.12])


def test_sizes_are_as_far_off_as_is_expected_of_them() -> None:
    found = model().expect(signals(), LENGTHS, INTERVALS, 22.0)
    np.testing.assert_allclose(found.volume[:, 2] / VOLUMES, np.exp(0.05))
    np.testing.assert_allclose(np.log(found.length[:, 2] / found.length[:, 1]), 2 * 0.05, rtol=1e-6)


def test_the_oldest_third_has_its_own_margin() -> None:
    young, old = (model().expect(signals(), LENGTHS, INTERVALS, weeks) for weeks in (28.0, 34.0))
    assert old.volume[0, 2] / old.volume[0, 0] == pytest.approx(np.exp(0.05 * 1.1))
    assert young.volume[0, 2] / young.volume[0, 0] == pytest.approx(np.exp(0.05))


def test_wide_ventricles_have_their_own_margin() -> None:
    wide = dataclasses.replace(signals(), case={**signals().case, "ventricles": 0.6})
    found = model().expect(wide, LENGTHS, INTERVALS, 28.0)
    assert found.volume[0, 2] / found.volume[0, 0] == pytest.approx(np.exp(0.05 * 1.2))


@pytest.mark.parametrize("weeks", [17.0, 40.0])
def test_beyond_the_ages_of_the_fit_intervals_are_wider_and_it_is_said(weeks: float) -> None:
    inside, outside = (model().expect(signals(), LENGTHS, INTERVALS, each) for each in (weeks, np.clip(weeks, 21, 35)))
    assert (inside.volume[:, 2] > outside.volume[:, 2]).all()
    found = assess(signals(), {}, {}, weeks, Judging(model(), thresholds()))
    assert any("21 to 35 weeks" in line for line in found.notes)


def test_an_interval_that_leaned_to_one_side_still_does() -> None:
    value = np.array([10.0])
    found = around(value, np.array([[9.9, 10.4]]), np.array([0.1]))[0]
    assert found[2] / value[0] > value[0] / found[1]
    assert np.log(found[2] / found[1]) == pytest.approx(0.2)


def test_an_unknown_length_has_no_interval() -> None:
    values = np.where(np.arange(5) == 2, np.nan, LENGTHS)
    found = model().expect(signals(), values, INTERVALS, 28.0).length
    assert np.isnan(found[2]).all()
    assert np.isfinite(np.delete(found, 2, axis=0)).all()


def test_of_a_tissue_that_was_not_found_no_size_is_promised_and_no_dice_expected() -> None:
    """Its volume was promised to be 0 ml with a chance of 90 %, and its Dice as good as that of other tissues."""
    absent = dataclasses.replace(signals(), volumes=np.where(np.arange(7) == 4, 0, VOLUMES))
    found = assess(absent, {}, {}, 28.0, Judging(model(), thresholds()))
    about = {(measure, name): row for measure, name, *row in found.rows()}
    assert about["dice", "CBM"] == [0.0, 0.0, 0.0]
    assert not {("hd95", "CBM"), ("volume", "CBM")} & set(about)
    assert ("volume", "GM") in about
    (size,) = found.with_volumes([Measured("CBM", "", Kind.VOLUME, 0.0)])
    assert (size.low, size.high) == (None, None)
    assert [reason.text for reason in found.judgement.reasons if reason.about == "CBM"] == ["cerebellum: not found"]


@pytest.mark.parametrize(
    ("age", "said", "checked"), [(27.5, 0, False), (25.5, 1, False), (23.5, 1, True), (32.9, 1, True), (None, 0, False)]
)
def test_an_age_that_the_image_contradicts_is_said_and_one_that_it_cannot_be_is_to_be_checked(
    age: float | None, said: int, checked: bool
) -> None:
    """The image shows 28 weeks, 27 to 29.5."""
    lengths = {m: Length(v, "image") for m, v in zip(MEASUREMENTS, LENGTHS, strict=True)}
    found = assess(signals(), {}, lengths, age, Judging(model(), thresholds()))
    assert sum("check the age" in line for line in found.notes) == said
    assert any("voxels' size is wrong" in reason.text for reason in found.judgement.reasons) is checked


@pytest.mark.parametrize(
    ("by_size", "said"),
    [(28.0, ()), (23.6, ()), (32.4, ()), (23.4, ("of this size is of about 23 weeks, not of 28",)),
     (32.6, ("of this size is of about 33 weeks, not of 28",))],
)  # fmt: skip
def test_folds_that_suit_the_age_do_not_hide_a_size_that_it_cannot_have(by_size: float, said: tuple[str, ...]) -> None:
    """As of voxels that are of another size than their header says: folds stay as they are."""
    doubts = doubts_of_age(28.0, Age(27.8, 26.2, 29.3, by_size), thresholds())
    assert len(doubts) == len(said)
    assert all(words in line for words, line in zip(said, doubts, strict=True))


def test_an_age_that_neither_size_nor_folds_suit_is_one_reason() -> None:
    (line,) = doubts_of_age(38.0, Age(27.8, 26.2, 29.3, 27.0), thresholds())
    assert "size and folding is of 27.8 weeks (26.2 to 29.3), not of 38" in line


def test_of_an_unknown_age_the_widest_interval_is_told() -> None:
    unknown, old = (model().expect(signals(), LENGTHS, INTERVALS, weeks) for weeks in (float("nan"), 34.0))
    np.testing.assert_array_equal(unknown.volume, old.volume)
    np.testing.assert_array_equal(unknown.dice, old.dice)


def test_the_middle_of_the_fit_is_no_distance_away_and_one_spread_of_all_is_one() -> None:
    assert model().distance(signals()) == 0
    assert model().distance(Signals(dict.fromkeys(CASE, 1.0), {}, {}, VOLUMES)) == pytest.approx(1.0)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write_quality_model(tmp_path / NAME, model())
    found = read_quality_model(tmp_path)
    assert found is not None
    expected = model().expect(signals(), LENGTHS, INTERVALS, 31.0)
    np.testing.assert_allclose(found.expect(signals(), LENGTHS, INTERVALS, 31.0).length, expected.length, rtol=1e-5)


def test_a_folder_without_one_has_none(tmp_path: Path) -> None:
    assert read_quality_model(tmp_path) is None


def test_one_that_was_fitted_to_other_networks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text("locator: {sha256: aa}\nsegmentation: [{sha256: bb}]\n")
    write_quality_model(tmp_path / NAME, model(weights="cc"))
    with pytest.raises(FetaError, match="other networks"):
        read_quality_model(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: c.pop("margins"),
        lambda c: c["trees"]["dice"].update(start="much"),
        lambda c: c["signals"]["case"].reverse(),
        lambda c: c["distance"].update(centre=[1.0]),
        lambda c: c.update(version=1),
        lambda c: c["margins"]["length"].update(high=[float("inf")] * 8),
        lambda c: c["age"].update(spread=[0.0] * 13),
        lambda c: c["age"]["margins"].update(low=[float("nan")] * 5),
        lambda c: c["age"].update(ages=[21.0]),
        lambda c: c["trees"]["dice"].update(start=float("nan")),
        lambda c: c["groups"].update(dice=float("nan")),
        lambda c: c.update(ages=[float("nan"), 38.0]),
        lambda c: c.update(cases=float("inf")),
        lambda c: c["trees"]["dice"].update(left=[[10**400]]),
    ],
)
def test_a_damaged_one_is_one_line(tmp_path: Path, damage: Callable[[dict[str, Any]], Any]) -> None:
    write_quality_model(tmp_path / NAME, model())
    content = json.loads((tmp_path / NAME).read_text())
    damage(content)
    (tmp_path / NAME).write_text(json.dumps(content))
    with pytest.raises(FetaError, match="no model of a result's quality") as error:
        read_quality_model(tmp_path)
    assert len(str(error.value).splitlines()) == 1

"""Places on published curves, against figures worked out apart from the code."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm as gaussian

from feta.age_model import PUBLISHED_CURVES
from feta.measurements import MEASUREMENTS
from inference.derivatives.size_table import NORMS
from inference.morphometry import norms
from inference.morphometry.growth_curve import TRANSCRIBED
from inference.morphometry.measured import Kind, Measured
from inference.morphometry.norms import WITHOUT_NORM, curves_of, place, said_of

SHARED = Path(os.environ.get("FETA_SHARED", "no-such-folder"))
WEEKS = st.floats(20.5, 39.5)


def volume(key: str, value: float | None, **more: str) -> Measured:
    return Measured(key, key, Kind.VOLUME, value, **{"source": "label map", **more})


def keys() -> list[str]:
    return list(norms._curves())


@pytest.mark.parametrize(("value", "z"), [(7.18, 0.0), (8.86, 2.0)])
def test_a_place_is_that_of_the_normal_distribution(value: float, z: float) -> None:
    """BOUNTI's cerebellum at 30 weeks: 7.179 ± 0.8405 ml."""
    placed = place(volume("CBM", value), 30.0)
    assert placed.z == pytest.approx(z, abs=0.02)
    assert placed.z is not None
    assert placed.centile == pytest.approx(100 * gaussian.cdf(placed.z))
    assert placed.norms[0].mean == pytest.approx(7.179)
    assert placed.norms[0].sd == pytest.approx(0.8405, abs=1e-4)


def test_where_two_sources_differ_no_centile_is_given_and_both_are_shown() -> None:
    """White matter at 24 weeks: 43.9 ± 4.3 ml by one source, 39.2 ± 3.7 by the other."""
    placed = place(volume("WM", 42.0), 24.0)
    assert (placed.z, placed.centile, placed.flag) == (None, None, "norms differ")
    assert [round(n.mean, 1) for n in placed.norms] == [43.9, 39.2]
    assert [round(n.z, 1) for n in placed.norms] == [-0.4, 0.8]


def test_a_value_beyond_both_of_two_sources_that_differ_is_flagged_all_the_same() -> None:
    assert place(volume("WM", 80.0), 24.0).flag == "norms differ; above the 97th centile of both"


@pytest.mark.parametrize("age", [14.0, 19.9, 40.1, 45.0])
def test_beyond_a_curves_weeks_there_is_no_centile_and_it_is_said(age: float) -> None:
    placed = place(volume("WM", 50.0), age)
    assert (placed.norms, placed.z, placed.centile) == ((), None, None)
    assert placed.flag == "age beyond the norms"


def test_a_curve_that_ends_leaves_the_other() -> None:
    """Kyriakopoulou's begin at 21.29 weeks, those of King's College London at 20."""
    length = Measured("TCD", "", Kind.LENGTH, 19.0, source="image")
    assert [len(place(length, age).norms) for age in (20.5, 21.5)] == [1, 2]


def test_without_an_age_or_a_curve_nothing_is_said() -> None:
    assert place(volume("WM", 50.0), None) == volume("WM", 50.0)
    assert place(volume("GM_left", 20.0), 30.0) == volume("GM_left", 20.0)


def test_a_length_from_the_age_alone_has_no_centile() -> None:
    placed = place(Measured("TCD", "", Kind.LENGTH, 35.5, source="age"), 30.0)
    assert (placed.norms, placed.centile, placed.flag) == ((), None, "from the age alone")


def test_what_was_not_measured_says_so_or_why() -> None:
    assert place(volume("WM", None), 30.0).flag == "not measured"
    assert place(volume("WM", None, flag="not in the label map"), 30.0).flag == "not in the label map"


@given(st.sampled_from(keys()), WEEKS)
def test_a_mean_lies_at_the_middle_and_larger_values_higher(key: str, age: float) -> None:
    curve = curves_of(key)[0]
    if not curve.covers(age):
        return
    mean, sd = curve.mean(age), curve.sd(age)
    assert mean > 0 < sd < mean
    first = [place(volume(key, value), age).norms[0] for value in (mean, mean + sd)]
    assert [n.centile for n in first] == [pytest.approx(50), pytest.approx(84.134, abs=0.01)]


@pytest.mark.parametrize("measurement", MEASUREMENTS)
def test_the_curve_that_counts_for_a_length_is_that_of_the_age_model(measurement: str) -> None:
    curve, theirs = curves_of(measurement)[0], PUBLISHED_CURVES[measurement]  # type: ignore[index]
    assert (curve.source, curve.weeks) == (theirs.source, theirs.weeks)
    for age in (22.0, 30.0, 38.0):
        assert (curve.mean(age), curve.sd(age)) == (pytest.approx(theirs.mean(age)), pytest.approx(theirs.sd(age)))


@given(WEEKS)
def test_all_tissues_together_make_the_published_total(age: float) -> None:
    """That curve was fitted to the total itself: so it tells whether the tissues' definitions leave nothing out."""
    total, by_parts = curves_of("intracranial")
    assert "10 curves added" in by_parts.source
    assert abs(by_parts.mean(age) - total.mean(age)) < 1.6 * total.sd(age)
    if age > 27:
        assert by_parts.mean(age) == pytest.approx(total.mean(age), rel=0.013)


def test_a_sum_has_the_largest_spread_that_it_can_have() -> None:
    """By Minkowski's inequality, whatever the correlation of its parts."""
    ventricles = curves_of("VM")[0]
    assert "4 curves added" in ventricles.source
    assert ventricles.sd(30.0) == pytest.approx(1.2908 + 0.2182 + 0.0271 + 0.0185, abs=1e-3)
    assert ventricles.mean(30.0) == pytest.approx(4.7321 + 0.704 + 0.1907 + 0.1037, abs=1e-3)


def test_no_size_has_more_curves_than_tables_have_room_for() -> None:
    assert max(len(curves_of(key)) for key in keys()) <= len(NORMS)


@pytest.mark.parametrize("key", ["GM", "SGM", "BSM"])
def test_tissues_that_feta_draws_otherwise_have_no_norm_and_it_is_told_why(key: str) -> None:
    assert place(volume(key, 12.0), 30.0).norms == ()
    assert key in WITHOUT_NORM


@pytest.mark.parametrize("key", ["total_brain", "intracranial", "supratentorial"])
def test_sums_have_norms_from_24_weeks_on(key: str) -> None:
    assert [place(volume(key, 120.0), age).flag == "age beyond the norms" for age in (23.9, 24.0)] == [True, False]


def test_every_source_says_that_it_was_transcribed() -> None:
    assert said_of(place(volume("CBM", 7.0), 30.0).norms[0]).endswith(TRANSCRIBED)


@pytest.mark.shared
@pytest.mark.skipif(not (SHARED / "data" / "norms").is_dir(), reason="FETA_SHARED names no folder with data/norms")
def test_coefficients_are_those_of_the_published_table() -> None:
    terms = ("q2", "q1", "q0", "sd2", "sd1", "sd0")
    with (SHARED / "data" / "norms" / "norm_formulas.csv").open() as file:
        published = {(r["measure"], *(float(r[t]) for t in terms)) for r in csv.DictReader(file)}
    with (Path(norms.__file__).with_name("norm_curves.csv")).open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 50
    assert [r["key"] for r in rows if (r["measure"], *(float(r[t]) for t in terms)) not in published] == []

"""Which lengths come from the image, which from the age, which from both, and which are unknown."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from feta.age_model import published_model
from feta.measurements import MEASUREMENTS, Measurement
from inference.biometry.calibration import Calibration, usual
from inference.biometry.lengths import AGE, BOTH, IMAGE, UNKNOWN, Length, Method, complete
from inference.biometry.line import Line
from inference.biometry.measure import Evidence

MODEL = published_model()
WEEKS = 30.0
VOLUMES = np.array([80.0, 60.0, 90.0, 5.0, 6.0, 8.0, 3.0])


def lines(**lengths: float | None) -> dict[Measurement, Line | None]:
    """Lines of given lengths; the means at 30 weeks where none is given."""
    means = {str(m): MODEL.mean(m, WEEKS) for m in MEASUREMENTS}
    return {m: None if (v := (means | lengths)[m]) is None else Line((0, 0, 0), (0, v, 0)) for m in MEASUREMENTS}


def seen(blur: float | None = None, **lengths: float | None) -> Evidence:
    """What geometry and, with a blur, heatmaps say alike."""
    found = lines(**lengths)
    if blur is None:
        return Evidence(found, VOLUMES)
    known = {m: line for m, line in found.items() if line is not None}
    return Evidence(found, VOLUMES, known, dict.fromkeys(known, blur))


def with_blur(exponent: float = 1.0) -> Calibration:
    return dataclasses.replace(usual(), exponent=np.full(3, exponent))


def found(evidence: Evidence, age: float | None = WEEKS, **how: object) -> dict[Measurement, Length]:
    return complete(evidence, age, MODEL, how.pop("calibration", usual()), **how)[0]  # type: ignore[arg-type]


def test_image_and_age_that_agree_are_both_said() -> None:
    length = found(seen())[Measurement.LCC]
    assert length.source == BOTH
    assert length.value == pytest.approx(MODEL.mean(Measurement.LCC, WEEKS), rel=1e-6)
    assert 0 < length.age_share < 1


def test_what_is_not_seen_comes_from_the_age_with_a_warning() -> None:
    lengths, warnings = complete(seen(TCD=None, HV=None), WEEKS, MODEL, usual())
    assert lengths[Measurement.TCD].source == lengths[Measurement.HV].source == AGE
    assert lengths[Measurement.TCD].value == pytest.approx(MODEL.mean(Measurement.TCD, WEEKS))
    assert lengths[Measurement.TCD].line is None
    assert len(warnings) == 1
    assert "TCD" in warnings[0]
    assert "HV" in warnings[0]


def test_without_an_age_only_the_image_counts() -> None:
    lengths, warnings = complete(seen(TCD=None, LCC=41.0), None, MODEL, usual())
    assert lengths[Measurement.TCD].value is None
    assert lengths[Measurement.TCD].source == UNKNOWN
    assert lengths[Measurement.LCC].source == IMAGE
    assert lengths[Measurement.LCC].value == pytest.approx(41.0)
    assert len(warnings) == 1


@pytest.mark.parametrize("length", [3.0, 90.0])
def test_an_impossible_length_gives_way_to_the_age(length: float) -> None:
    lengths, warnings = complete(seen(LCC=length), WEEKS, MODEL, usual())
    assert lengths[Measurement.LCC].source == AGE
    assert f"{length:.1f} mm" in warnings[0]


def test_where_much_is_impossible_nothing_is_believed() -> None:
    """The network saw a brain where there is none: a cerebellum that fits is so by chance."""
    lengths, warnings = complete(seen(bBIP=140.0, sBIP=150.0), WEEKS, MODEL, usual())
    assert {n.source for n in lengths.values()} == {AGE}
    assert len(warnings) == 1


def test_a_cerebellum_and_its_vermis_may_both_be_tiny() -> None:
    tiny = {m: 0.4 * MODEL.mean(m, WEEKS) for m in (Measurement.TCD, Measurement.HV)}
    lengths = found(seen(0.02, **{str(m): v for m, v in tiny.items()}))
    assert {m for m, n in lengths.items() if n.source == AGE} == set(tiny)


def test_one_source_gone_wrong_leaves_what_the_other_saw() -> None:
    heatmap = {m: line for m, line in lines().items() if line is not None}
    wrong = {str(m): 0.4 * MODEL.mean(m, WEEKS) for m in (Measurement.BBIP, Measurement.SBIP)}
    lengths = found(Evidence(lines(**wrong), VOLUMES, heatmap, dict.fromkeys(heatmap, 0.02)))
    assert {n.source for n in lengths.values()} == {BOTH}


@pytest.mark.parametrize("age", [18.0, 20.0, 24.0, 26.0, 34.0, 36.0, 39.5])
def test_an_age_that_the_whole_image_contradicts_is_not_used(age: float) -> None:
    """The age is the likelier error: the report's real head of 28 weeks was given lengths of 39.5."""
    lengths, warnings = complete(seen(0.02), age, MODEL, usual())
    assert lengths == found(seen(0.02), None)
    assert {n.source for n in lengths.values()} == {IMAGE}
    assert len(warnings) == 1
    assert f"contradict the gestational age of {age:g} weeks and suit about 30" in warnings[0]


@pytest.mark.parametrize(("age", "nearest"), [(14.0, 18.0), (45.0, 40.0)])
def test_ages_beyond_the_curves_are_read_at_their_ends(age: float, nearest: float) -> None:
    nothing = Evidence({}, VOLUMES)
    lengths, warnings = complete(nothing, age, MODEL, usual())
    assert found(nothing, nearest)[Measurement.LCC].value == lengths[Measurement.LCC].value
    assert any(f"{nearest:g} weeks" in line for line in warnings)
    assert MODEL.centile(Measurement.LCC, 30.0, age) == MODEL.centile(Measurement.LCC, 30.0, nearest)


def test_without_an_age_nothing_can_be_called_impossible() -> None:
    lengths, warnings = complete(seen(LCC=90.0), None, MODEL, usual())
    assert lengths[Measurement.LCC].value == pytest.approx(90.0)
    assert warnings == ()


PATIENTS = {
    "small cerebellum": (Measurement.TCD, 0.65),
    "tiny cerebellum": (Measurement.TCD, 0.5),
    "dilated ventricles": (Measurement.BBIP, 1.25),
    "short callosum": (Measurement.LCC, 0.6),
    "low vermis": (Measurement.HV, 0.6),
}


@pytest.mark.parametrize("name", PATIENTS)
def test_a_clear_image_of_a_patient_is_not_drawn_to_the_normal(name: str) -> None:
    measurement, factor = PATIENTS[name]
    true = factor * MODEL.mean(measurement, WEEKS)
    length = found(seen(0.02, **{str(measurement): true}), calibration=with_blur())[measurement]
    assert length.value == pytest.approx(true, rel=0.02)
    assert length.age_share < 0.05
    assert length.interval is not None
    assert length.interval[0] < true < length.interval[1]


@pytest.mark.parametrize("measurement", MEASUREMENTS)
def test_a_blurred_image_falls_back_to_the_age(measurement: Measurement) -> None:
    mean = MODEL.mean(measurement, WEEKS)
    wrong = {str(measurement): 1.15 * mean}
    blurred, clear = (found(seen(blur, **wrong), calibration=with_blur())[measurement] for blur in (0.3, 0.01))
    assert blurred.value == pytest.approx(mean, rel=0.04)
    assert blurred.age_share > 0.65
    assert clear.value == pytest.approx(1.15 * mean, rel=0.04)


def test_an_unclear_image_is_told() -> None:
    _, warnings = complete(seen(0.3), WEEKS, MODEL, with_blur())
    assert any("unclear" in line and "TCD" in line for line in warnings)


def test_a_heatmap_on_the_wrong_structure_is_outvoted() -> None:
    good = lines()
    wrong = lines(HV=0.6 * MODEL.mean(Measurement.HV, WEEKS))
    heatmap = {m: line for m, line in wrong.items() if line is not None}
    length = found(Evidence(good, VOLUMES, heatmap, dict.fromkeys(heatmap, 0.03)))[Measurement.HV]
    assert length.value == pytest.approx(MODEL.mean(Measurement.HV, WEEKS), rel=0.04)


@pytest.mark.parametrize("method", [Method.GEOMETRY, Method.HEATMAP])
def test_a_single_source_is_taken_at_its_word(method: Method) -> None:
    length = found(seen(0.03, TCD=25.0), method=method)[Measurement.TCD]
    assert length.value == pytest.approx(25.0)
    assert length.source == IMAGE
    assert set(length.estimates) == {"geometry", "heatmap"}


def test_a_source_that_is_not_there_gives_way_to_the_age() -> None:
    assert {n.source for n in found(seen(), method=Method.HEATMAP).values()} == {AGE}


def test_age_alone_looks_at_no_image() -> None:
    lengths, warnings = complete(seen(TCD=20.0), WEEKS, MODEL, usual(), Method.AGE)
    assert {n.source for n in lengths.values()} == {AGE}
    assert lengths[Measurement.TCD].value == pytest.approx(MODEL.mean(Measurement.TCD, WEEKS))
    assert warnings == ()


def test_the_usual_error_is_taken_off() -> None:
    off = dataclasses.replace(usual(), bias=np.full((5, 3), np.log(1.1)))
    length = found(seen(LCC=33.0), None, calibration=off)[Measurement.LCC]
    assert length.value == pytest.approx(30.0)


def test_lines_are_as_long_as_the_lengths() -> None:
    for length in found(seen(0.03, TCD=25.0, LCC=39.0)).values():
        assert length.line is not None
        assert length.line.length == pytest.approx(length.value)


def test_agreement_with_the_age_narrows_the_interval() -> None:
    with_age, without = (found(seen(), age)[Measurement.TCD].interval for age in (WEEKS, None))
    assert with_age is not None
    assert without is not None
    assert with_age[1] - with_age[0] < without[1] - without[0]

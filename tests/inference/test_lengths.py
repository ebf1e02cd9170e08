"""Which lengths come from the image, which from the age, and which are unknown."""

from __future__ import annotations

import pytest

from feta.age_model import published_model
from feta.measurements import MEASUREMENTS, Measurement
from inference.landmarks import Line
from inference.lengths import complete

MODEL = published_model()


def lines(age: float = 30.0, **changed: float | None) -> dict[Measurement, Line | None]:
    found: dict[Measurement, Line | None] = {}
    for m in MEASUREMENTS:
        length = changed.get(m.value, MODEL.length(m, age))
        found[m] = None if length is None else Line((0, 0, 0), (length, 0, 0))
    return found


def test_measured_lengths_are_taken_without_a_warning() -> None:
    lengths, warnings = complete(lines(LCC=36.0), 30.0, MODEL)
    assert warnings == ()
    assert lengths[Measurement.LCC].value == pytest.approx(36.0)
    assert {n.source for n in lengths.values()} == {"image"}


def test_what_cant_be_measured_comes_from_the_age_with_one_warning() -> None:
    lengths, warnings = complete(lines(TCD=None, HV=None), 30.0, MODEL)
    assert lengths[Measurement.TCD].value == pytest.approx(MODEL.length(Measurement.TCD, 30.0))
    assert lengths[Measurement.TCD].source == "age"
    assert lengths[Measurement.TCD].line is None
    assert len(warnings) == 1
    assert "TCD" in warnings[0]
    assert "HV" in warnings[0]


def test_without_an_age_it_stays_unknown() -> None:
    lengths, warnings = complete(lines(TCD=None), None, MODEL)
    assert lengths[Measurement.TCD].value is None
    assert lengths[Measurement.LCC].source == "image"
    assert len(warnings) == 1


@pytest.mark.parametrize("length", [3.0, 90.0])
def test_an_impossible_length_gives_way_to_the_age(length: float) -> None:
    lengths, warnings = complete(lines(LCC=length), 30.0, MODEL)
    assert lengths[Measurement.LCC].source == "age"
    assert f"{length:.1f} mm" in warnings[0]


def test_without_an_age_nothing_can_be_called_impossible() -> None:
    lengths, warnings = complete(lines(LCC=90.0), None, MODEL)
    assert lengths[Measurement.LCC].value == pytest.approx(90.0)
    assert warnings == ()

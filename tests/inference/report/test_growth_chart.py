"""Curves and dots where they belong."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.morphometry.growth_curve import GrowthCurve
from inference.report.growth_chart import HEIGHT, WIDTH, Chart, Dot, growth_chart
from tests.support.case_pages import ATTACK

CURVE = GrowthCurve("A", "length", (20.0, 38.0), (0.02, 0.5, -3.0), (0.0, 0.05, 0.4))
OTHER = GrowthCurve("B", "length", (22.0, 40.0), (0.0, 1.6, -15.0), (0.0, 0.0, 2.0))


def parts(chart: Chart) -> dict[str, list[tuple[float, float]]]:
    """Points of each path, by its class, in weeks and mm."""
    x0, across, y0, down = chart.scale
    found = {}
    for path in ET.fromstring(chart.svg).iter("path"):
        pairs = re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.get("d", ""))
        found[path.get("class", "")] = [((float(x) - x0) / across, (float(y) - y0) / down) for x, y in pairs]
    return found


def drawn(*dots: Dot) -> Chart:
    chart = growth_chart([CURVE, OTHER], dots, "words")
    assert chart is not None
    return chart


def test_the_curves_are_the_published_ones() -> None:
    found = parts(drawn(Dot(30, 25, 24, 26)))
    for name, curve in (("mean", CURVE), ("other", OTHER)):
        assert found[name][0][0] == pytest.approx(curve.weeks[0], abs=0.05)
        assert found[name][-1][0] == pytest.approx(curve.weeks[1], abs=0.05)
        for week, value in found[name]:
            assert value == pytest.approx(curve.mean(week), abs=0.3)
    week, value = found["band"][0]
    # The 97th centile of a normal distribution, by any table: 1.881 standard deviations.
    assert value == pytest.approx(CURVE.mean(week) + 1.881 * CURVE.sd(week), abs=0.3)


@given(st.floats(15, 43), st.floats(0, 90))
def test_a_dot_lies_on_the_paper_at_its_age_and_value(age: float, value: float) -> None:
    chart = drawn(Dot(age, value))
    ((week, read),) = parts(chart)["dots one"]
    assert (week, read) == (pytest.approx(age, abs=0.1), pytest.approx(value, abs=0.6))
    x0, across, y0, down = chart.scale
    assert 0 <= x0 + across * age <= WIDTH
    assert 0 <= y0 + down * value <= HEIGHT


def test_without_a_curve_there_is_no_chart() -> None:
    assert growth_chart([], [Dot(30, 25)], "words") is None


def test_words_are_text() -> None:
    chart = growth_chart([CURVE], [], ATTACK)
    assert chart is not None
    assert ET.fromstring(chart.svg).get("aria-label") == ATTACK


def test_many_dots_are_one_path() -> None:
    found = parts(drawn(*(Dot(20 + n / 100, 20.0) for n in range(1000))))
    assert len(found["dots many"]) == 1000

"""The age model against numbers worked out apart from it."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from feta.age_model import FIT_WEEKS, PUBLISHED_CURVES, published_model, read_age_model
from feta.errors import FetaError
from feta.measurements import MEASUREMENTS, Measurement

SHARED = Path(os.environ.get("FETA_SHARED", "no-such-folder"))
#: Where each curve stands in the published table.
ROWS = {
    Measurement.LCC: ("KCL; Luis 2025", "Corpus Callosum Length"),
    Measurement.HV: ("Kyriakopoulou", "Vermian height"),
    Measurement.BBIP: ("Kyriakopoulou", "Brain biparietal diameter"),
    Measurement.SBIP: ("Kyriakopoulou", "Skull biparietal diameter"),
    Measurement.TCD: ("Kyriakopoulou", "Transverse cerebellar diameter"),
}


@pytest.mark.parametrize("measurement", MEASUREMENTS)
def test_line_is_the_least_squares_fit(measurement):
    model, curve = published_model(), PUBLISHED_CURVES[measurement]
    # Over an interval [m − h, m + h] the best line through q2·a² has slope 2·q2·m and intercept q2·(h²/3 − m²).
    middle, half = sum(FIT_WEEKS) / 2, (FIT_WEEKS[1] - FIT_WEEKS[0]) / 2
    assert model.slope[measurement] == pytest.approx(curve.q1 + 2 * curve.q2 * middle, abs=1e-6)
    expected = curve.q0 + curve.q2 * (half**2 / 3 - middle**2)
    assert model.intercept[measurement] == pytest.approx(expected, abs=0.05)
    assert model.length(measurement, 28.0) == pytest.approx(
        model.intercept[measurement] + 28 * model.slope[measurement]
    )


@pytest.mark.parametrize(
    ("measurement", "at_28"), [("LCC", 32.52), ("HV", 15.45), ("bBIP", 62.17), ("sBIP", 72.51), ("TCD", 31.84)]
)
def test_published_means_at_28_weeks(measurement, at_28):
    curve = PUBLISHED_CURVES[Measurement(measurement)]
    assert curve.mean(28) == pytest.approx(at_28, abs=0.01)
    model = published_model()
    assert model.centile(Measurement(measurement), curve.mean(28), 28) == pytest.approx(50)
    sd = model.sd(Measurement(measurement), 28)
    assert model.centile(Measurement(measurement), curve.mean(28) + sd, 28) == pytest.approx(84.134, abs=0.01)
    assert model.centile(Measurement(measurement), curve.mean(28) - 2 * sd, 28) == pytest.approx(2.275, abs=0.01)


@pytest.mark.parametrize("measurement", MEASUREMENTS)
def test_every_allowed_age_gives_sensible_numbers(measurement):
    model = published_model()
    for age in np.linspace(14, 45, 63):
        assert 0 < model.length(measurement, age) < 130
        assert 0 < model.sd(measurement, age) < 10
        assert 0 <= model.centile(measurement, 1e3, age) <= 100


@pytest.mark.shared
@pytest.mark.skipif(not (SHARED / "data" / "norms").is_dir(), reason="FETA_SHARED names no folder with data/norms")
def test_coefficients_are_those_of_the_published_table():
    with (SHARED / "data" / "norms" / "norm_formulas.csv").open() as file:
        table = list(csv.DictReader(file))
    for measurement, (source, measure) in ROWS.items():
        (row,) = [r for r in table if source in r["source"] and r["measure"] == measure]
        curve = PUBLISHED_CURVES[measurement]
        given = [float(row[name]) for name in ("q2", "q1", "q0", "sd1", "sd0")]
        assert [curve.q2, curve.q1, curve.q0, curve.sd1, curve.sd0] == pytest.approx(given, rel=1e-12)
        assert float(row["sd2"]) == 0


def test_lines_from_json(tmp_path):
    (tmp_path / "age.json").write_text(json.dumps({"TCD": [-20, 1.9], "LCC": [1.5, 1]}))
    model = read_age_model(tmp_path / "age.json")
    assert model.length(Measurement.TCD, 30) == pytest.approx(37)
    assert model.length(Measurement.LCC, 30) == pytest.approx(31.5)
    assert model.length(Measurement.HV, 30) == published_model().length(Measurement.HV, 30)
    assert model.sd(Measurement.TCD, 30) == published_model().sd(Measurement.TCD, 30)


BAD_JSON = ["", "{", "[]", "{}", "3", '{"XYZ": [1, 2]}', "[" * 100000]
BAD_LINES = ["[1]", "3", '["1", 2]', "[NaN, 1]", "[1e999, 1]", "[true, 1]", "[1, 1" + "0" * 400 + "]"]


@pytest.mark.parametrize("text", BAD_JSON + [f'{{"TCD": {line}}}' for line in BAD_LINES])
def test_bad_json_is_one_clear_line(tmp_path, text):
    (tmp_path / "age.json").write_text(text)
    with pytest.raises(FetaError) as caught:
        read_age_model(tmp_path / "age.json")
    assert str(caught.value).startswith(str(tmp_path / "age.json"))
    assert "\n" not in str(caught.value)

"""The JSON beside the table of lengths."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from feta.age_model import published_model
from feta.measurements import MEASUREMENTS, Measurement
from inference.biometry.calibration import usual
from inference.biometry.lengths import Method, complete
from inference.biometry.line import Line
from inference.biometry.measure import Evidence
from inference.runs.sidecar import write_sidecar

MODEL = published_model()


def written(path: Path, age: float | None, **lengths: float) -> dict:
    lines = {Measurement(m): Line((1, 2, 3), (1 + v, 2, 3)) for m, v in lengths.items()}
    found, _ = complete(Evidence(lines, np.full(7, 10.0)), age, MODEL, usual())
    write_sidecar(path / "a_biom.json", found, age, Method.FUSION)
    return json.loads((path / "a_biom.json").read_text())


def test_each_length_has_its_interval_centile_and_landmarks(tmp_path: Path) -> None:
    content = written(tmp_path, 30.0, TCD=33.0)
    assert content["GestationalAgeWeeks"] == 30.0
    assert content["Method"] == "fusion"
    tcd = content["Lengths"]["TCD"]
    assert tcd["Source"] == "image and age"
    assert tcd["Interval90"][0] < tcd["Value"] < tcd["Interval90"][1]
    assert tcd["Centile"] == pytest.approx(MODEL.centile(Measurement.TCD, tcd["Value"], 30.0), abs=0.1)
    assert [norm["Z"] > -3 for norm in tcd["Norms"]] == [True, True]
    assert np.linalg.norm(np.subtract(*tcd["LandmarksLPS"])) == pytest.approx(tcd["Value"], abs=0.01)
    assert tcd["Estimates"] == {"geometry": 33.0, "age": pytest.approx(MODEL.mean(Measurement.TCD, 30.0), abs=0.01)}


def test_what_comes_from_the_age_has_an_interval_but_no_centile_or_landmarks(tmp_path: Path) -> None:
    for name in set(MEASUREMENTS) - {Measurement.TCD}:
        length = written(tmp_path, 30.0, TCD=33.0)["Lengths"][name]
        assert (length["Source"], length["ShareOfAge"]) == ("age", 1.0)
        assert length["Interval90"][0] < length["Value"] < length["Interval90"][1]
        assert length["Centile"] is None
        assert length["LandmarksLPS"] is None


def test_without_an_age_there_is_no_centile_and_what_is_not_seen_is_unknown(tmp_path: Path) -> None:
    lengths = written(tmp_path, None, TCD=33.0)["Lengths"]
    assert lengths["TCD"]["Source"] == "image"
    assert lengths["TCD"]["Centile"] is None
    assert lengths["LCC"] == {
        "Name": "corpus callosum length", "Value": None, "Interval90": None, "Centile": None, "Norms": [],
        "Source": None, "ShareOfAge": 0.0, "Estimates": {}, "LandmarksLPS": None,
    }  # fmt: skip

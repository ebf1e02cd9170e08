"""All that is said of a case: intervals, the table of expectations, notes on the age."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from feta.measurements import MEASUREMENTS
from inference.biometry.lengths import Length
from inference.confidence.confidence import Confidence, Judging, assess, refused
from inference.confidence.quality_model import Expectation
from inference.confidence.signals import CASE, LENGTH, TISSUE, Signals, collect_signals
from inference.confidence.table import write_confidence
from inference.confidence.verdict import Judgement, Verdict
from inference.geometry.segmentation_result import Segmentation
from inference.morphometry.measured import Kind, Measured
from tests.support.small_brains import brain, volume

VALUES = (36.0, 17.0, 72.0, 80.0, 34.0)
LENGTHS = {m: Length(v, "image", interval=(0.9 * v, 1.1 * v)) for m, v in zip(MEASUREMENTS, VALUES, strict=True)}
TISSUES_3 = np.tile([0.9, 0.8, 0.95], (7, 1))
EXPECTED = Expectation(TISSUES_3, TISSUES_3, np.tile([80.0, 70, 91], (7, 1)), np.outer(VALUES, [1, 0.95, 1.06]))
SURE = Confidence(Judgement(Verdict.ACCEPT), EXPECTED)


def test_lengths_get_the_intervals_that_hold_and_keep_their_values() -> None:
    for measurement, length in SURE.with_intervals(LENGTHS).items():
        value = LENGTHS[measurement].value
        assert value is not None
        assert length.value == value
        assert length.interval == pytest.approx((0.95 * value, 1.06 * value))


def test_volumes_get_intervals_and_what_is_no_tissue_keeps_its_own() -> None:
    tissue, total = Measured("GM", "", Kind.VOLUME, 80.0), Measured("total_brain", "", Kind.VOLUME, 300.0)
    found = SURE.with_volumes([tissue, total])
    assert found == (replace(tissue, low=70.0, high=91.0), total)


def test_without_a_model_all_stays_as_it_is() -> None:
    nothing = Confidence(Judgement(Verdict.CHECK))
    assert nothing.with_intervals(LENGTHS) == LENGTHS
    assert nothing.rows() == []


def test_the_table_has_a_row_a_figure_whatever_the_case_is_called(tmp_path: Path) -> None:
    write_confidence(tmp_path / "a.csv", 'a "b", c', SURE)
    rows = list(csv.DictReader((tmp_path / "a.csv").open(encoding="utf-8")))
    assert len(rows) == 3 * 7 + 5
    assert {row["case"] for row in rows} == {'a "b", c'}
    assert [row["target"] for row in rows if row["measure"] == "length"] == [str(m) for m in MEASUREMENTS]
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in rows)


def test_what_was_refused_is_rejected_for_the_reason_that_was_given() -> None:
    entry = refused("holds only 2 distinct values").entry()
    assert entry["verdict"] == "reject"
    assert entry["verdict_reasons"][0]["text"] == "holds only 2 distinct values"


def test_signals_of_a_label_map_alone_have_every_name_and_place() -> None:
    labels = brain((40, 42, 36))
    found = collect_signals(volume(labels.astype(np.float32)), Segmentation(volume(labels), np.eye(4)), None, {})
    assert found.of_tissues().shape == (7, len(CASE) + len(TISSUE) + 7)
    assert found.of_lengths().shape == (5, len(CASE) + len(LENGTH) + 5)
    assert found.volumes.sum() == pytest.approx(np.count_nonzero(labels) * 0.8**3 / 1000)


def test_nothing_at_all_is_known_of_an_empty_signal_and_it_is_no_error() -> None:
    found = assess(Signals({}, {}, {}, np.zeros(7)), {}, {}, None, Judging())
    assert found.judgement.verdict is Verdict.REJECT

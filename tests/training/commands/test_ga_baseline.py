"""``feta-train assess ga-baseline``: lengths drawn on known lines give these lines back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from feta.age_model import published_model, read_age_model
from feta.measurements import MEASUREMENTS, Measurement
from training.cli import app

#: Lines that no fetus has: nothing published may come out by accident.
LINES = {m: (3.0 + k, 0.5 + 0.25 * k) for k, m in enumerate(MEASUREMENTS)}
AGES = (21.0, 24.5, 28.0, 31.0, 36.5)


def write_data(root: Path, missing: tuple[Measurement, ...] = ()) -> Path:
    """A data set in FeTA's layout: columns in another order, one cell empty, one subject without an age."""
    order = MEASUREMENTS[::-1]
    rows = ["\t" + "\t".join(order)]
    for k, age in enumerate(AGES):
        cells = {m: f"{a + b * age:.5f}" for m, (a, b) in LINES.items() if m not in missing}
        if k == 2:
            cells[Measurement.TCD] = ""
        rows.append(f"sub-{k:03d}\t" + "\t".join(cells.get(m, "") for m in order))
    rows.append("sub-099\t" + "\t".join(["500"] * 5))
    table = root / "derivatives" / "biometry" / "biometry.tsv"
    table.parent.mkdir(parents=True)
    table.write_text("\n".join(rows) + "\n")
    people = [
        "participant_id\tPathology\tGestational age",
        *(f"sub-{k:03d}\tNeurotypical\t{a}" for k, a in enumerate(AGES)),
    ]
    (root / "participants.tsv").write_text("\n".join([*people, "sub-099\tNeurotypical\tn/a"]) + "\n")
    return table


def run(table: Path, out: Path, *more: str) -> str:
    outcome = CliRunner().invoke(app, ["assess", "ga-baseline", str(table), str(out), *more])
    assert outcome.exception is None, outcome.exception
    return outcome.output


def test_the_lines_come_back(tmp_path: Path) -> None:
    run(write_data(tmp_path), tmp_path / "line.json")
    model = read_age_model(tmp_path / "line.json")
    for measurement, (intercept, slope) in LINES.items():
        assert model.intercept[measurement] == pytest.approx(intercept, abs=1e-3)
        assert model.slope[measurement] == pytest.approx(slope, abs=1e-4)


def test_a_length_that_nobody_measured_keeps_its_published_line(tmp_path: Path) -> None:
    said = run(write_data(tmp_path, (Measurement.HV,)), tmp_path / "line.json")
    model, published = read_age_model(tmp_path / "line.json"), published_model()
    assert model.slope[Measurement.HV] == pytest.approx(published.slope[Measurement.HV], abs=1e-5)
    assert [line.split(":")[0].strip() for line in said.splitlines() if "published" in line] == ["HV"]


def test_ages_in_a_table_elsewhere(tmp_path: Path) -> None:
    table = write_data(tmp_path / "data")
    (tmp_path / "data" / "participants.tsv").rename(tmp_path / "ages.tsv")
    assert "5 of 6 rows" in run(table, tmp_path / "line.json", "--participants", str(tmp_path / "ages.tsv"))


def test_no_ages_at_all_is_one_line(tmp_path: Path) -> None:
    table = write_data(tmp_path)
    (tmp_path / "participants.tsv").unlink()
    outcome = CliRunner().invoke(app, ["assess", "ga-baseline", str(table), str(tmp_path / "line.json")])
    assert "no participants.tsv" in str(outcome.exception)


def test_several_reconstructions_of_a_subject_share_its_age(tmp_path: Path) -> None:
    table = write_data(tmp_path)
    table.write_text(table.read_text().replace("sub-001\t", "sub-001_rec-mial\t"))
    assert "5 of 6 rows" in run(table, tmp_path / "line.json")


def test_the_line_is_the_least_squares_one() -> None:
    from feta.age_model import fit_age_model

    rng = np.random.default_rng(3)
    ages, lengths = rng.uniform(20, 36, 40), rng.uniform(10, 90, (40, 5))
    model, fitted = fit_age_model(ages, lengths)
    assert fitted == MEASUREMENTS
    for k, measurement in enumerate(MEASUREMENTS):
        slope, intercept = np.polyfit(ages, lengths[:, k], 1)
        assert (model.slope[measurement], model.intercept[measurement]) == pytest.approx((slope, intercept))

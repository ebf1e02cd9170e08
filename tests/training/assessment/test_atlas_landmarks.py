"""``feta-train assess landmarks``: a head whose lengths are known, as a labelled BIDS folder."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from feta.grid import Grid
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import Volume, write_label_map, write_volume
from tests.support.heads import LENGTHS, callosum_at, tissue_at
from training.assessment.atlas_landmarks import find_landmarks
from training.cli import app

#: The head sits askew by so much in its own atlas, as real ones do: rolled, turned, and off the middle.
ROLL, YAW, OFF = 0.06, -0.05, (2.0, -30.0, 12.0)


def write_head(root: Path, name: str = "sub-a", spacing: tuple[float, float, float] = (1.0, 1.1, 0.9)) -> Volume:
    size = tuple(int(np.ceil(96 / s)) for s in spacing)
    direction = (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)
    origin = tuple(float(o - s * n / 2) for o, s, n in zip(OFF, spacing, size, strict=True))
    grid = Grid(size, spacing, origin, direction)  # type: ignore[arg-type]
    index = np.stack(np.meshgrid(*[np.arange(n) for n in size[::-1]], indexing="ij")[::-1], axis=-1)
    centred = (index - np.array(size) / 2) * spacing * [-1, -1, 1]
    (cr, sr), (cy, sy) = ((np.cos(a), np.sin(a)) for a in (ROLL, YAW))
    turned = (
        centred @ np.array([[cr, 0, -sr], [0, 1, 0], [sr, 0, cr]]) @ np.array([[cy, sy, 0], [-sy, cy, 0], [0, 0, 1]])
    )
    labels = Volume(tissue_at(turned), grid)
    anat = root / name / "anat"
    anat.mkdir(parents=True)
    write_volume(anat / f"{name}_rec-x_T2w.nii.gz", Volume(labels.array.astype(np.float32) * 100, grid))
    write_label_map(anat / f"{name}_rec-x_T2w_dseg.nii.gz", labels)
    mask = Volume(callosum_at(turned).astype(np.uint8), grid)
    write_label_map(anat / f"{name}_rec-x_label-corpuscallosum_mask.nii.gz", mask)
    return labels


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("atlases")
    write_head(folder / "in")
    (folder / "in" / "participants.tsv").write_text("participant_id\tGestational age\nsub-a\t30\n")
    outcome = CliRunner().invoke(app, ["assess", "landmarks", str(folder / "in"), str(folder / "out")])
    assert outcome.exit_code == 0, outcome.output
    return folder / "out"


def test_lengths_of_a_head_that_sits_askew(measured: Path) -> None:
    (row,) = csv.DictReader((measured / "biometry.tsv").read_text().splitlines(), delimiter="\t")
    assert row["participant_id"] == "sub-a"
    assert {m: float(row[m]) for m in MEASUREMENTS} == pytest.approx(LENGTHS, abs=1.1)


def test_lengths_stand_against_the_curve_of_their_age(measured: Path) -> None:
    rows = {row["measurement"]: row for row in csv.DictReader((measured / "landmarks.csv").read_text().splitlines())}
    row = rows[Measurement.TCD]
    # Kyriakopoulou's curve at 30 weeks, worked out apart: 0.0097581·900 + 1.2735811·30 − 11.4734.
    assert float(row["curve_mm"]) == pytest.approx(35.516, abs=0.01)
    assert float(row["ratio"]) == pytest.approx(float(row["length_mm"]) / 35.516, abs=0.001)
    assert (rows[Measurement.LCC]["callosum"], row["callosum"]) == ("mask", "")


def test_each_volume_has_a_picture(measured: Path) -> None:
    assert (measured / "sub-a_rec-x_T2w.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_mask_the_callosum_is_sought(tmp_path: Path) -> None:
    found = find_landmarks(write_head(tmp_path), None)
    assert found is not None
    assert not found.callosum_known
    line = found.lines[Measurement.LCC]
    assert line is not None
    assert line.length == pytest.approx(LENGTHS[Measurement.LCC], abs=2)


def test_an_empty_map_has_none() -> None:
    grid = Grid((8, 8, 8), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    assert find_landmarks(Volume(np.zeros((8, 8, 8), np.uint8), grid), None) is None


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, ["assess", "landmarks", str(tmp_path / "none"), str(tmp_path / "out")])
    assert "is not a folder" in str(outcome.exception)

"""Image quality without a rater: features by their definitions, and the model in five numbers."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from evaluation import cli
from evaluation.analysis.quality_features import (
    FEATURES,
    MERGED,
    features_of,
    quality_features,
    tissue_statistics,
)
from evaluation.analysis.quality_model import calibrate, fit, leaving_out, read_model, read_rated, write_model
from evaluation.analysis.quality_table import COLUMNS, estimate_folder, read_estimates, write_estimates
from evaluation.commands.common import FINE, SOME_FAILED
from feta.errors import FetaError
from feta.volumes import Volume, write_label_map, write_volume
from tests.support.small_brains import brain, grid_of

SHARED = os.environ.get("FETA_SHARED", "")
RATINGS = Path(SHARED) / "data" / "quality" / "QC_IQMs.csv"
needs_ratings = pytest.mark.skipif(not (SHARED and RATINGS.exists()), reason="FETA_SHARED names no rated volumes")
#: Intensity of each label, 0–7: CSF bright, white matter brighter than grey.
INTENSITIES = np.array([0.0, 900, 400, 600, 950, 500, 430, 520], dtype=np.float32)


def volumes(noise: float = 20.0, seed: int = 0, spacing: float = 0.8) -> tuple[Volume, Volume]:
    labels = brain((40, 44, 48))
    noisy = INTENSITIES[labels] + np.random.default_rng(seed).normal(0, noise, labels.shape)
    grid = grid_of(labels.shape, (spacing,) * 3)
    return Volume(noisy.astype(np.float32), grid), Volume(labels, grid)


def test_statistics_are_those_of_the_scaled_intensities() -> None:
    """On a grid of 0.8 mm nothing is resampled, and numpy alone can say what comes out."""
    image, labels = volumes()
    inside = np.where(labels.array > 0, image.array, 0)
    low, high = np.percentile(inside, [0.5, 99.5])
    scaled = np.clip((inside - low) / (high - low), 0, 1)
    white = scaled[labels.array == 3]
    grey = scaled[(labels.array == 2) | (labels.array == 6)]
    stats = tissue_statistics(image, labels)
    assert stats["WM"]["median"] == pytest.approx(np.median(white), abs=1e-4)
    assert stats["WM"]["stdv"] == pytest.approx(white.std(), rel=1e-3)
    assert stats["GM"]["mad"] == pytest.approx(np.median(abs(grey - np.median(grey))) / 0.67449, rel=1e-3)
    features = dict(zip(FEATURES, quality_features(image, labels), strict=True))
    contrast = (np.median(white) - np.median(grey)) / np.sqrt(white.var() + grey.var())
    assert features["cnr"] == pytest.approx(contrast, rel=1e-3)


def test_features_do_not_depend_on_the_scale_of_intensities() -> None:
    image, labels = volumes()
    louder = Volume(image.array * np.float32(37.0), image.grid)
    np.testing.assert_allclose(quality_features(louder, labels), quality_features(image, labels), rtol=1e-4)


def test_features_do_not_depend_on_what_is_not_brain() -> None:
    image, labels = volumes()
    mother = np.where(labels.array == 0, np.float32(5000), image.array)
    np.testing.assert_array_equal(quality_features(Volume(mother, image.grid), labels), quality_features(image, labels))


def test_fine_grids_are_brought_to_the_spacing_of_the_calibration() -> None:
    """Noise that is white on 0.4 mm is less on 0.8 mm only where voxels are left out or blurred: it stays in kind."""
    fine = quality_features(*volumes(spacing=0.4))
    same = quality_features(*volumes(spacing=0.8))
    assert fine.shape == same.shape
    assert not np.allclose(fine, same)


def test_more_noise_is_worse() -> None:
    model = read_model()
    estimates = [float(model.estimate(quality_features(*volumes(noise)))) for noise in (90.0, 160.0, 300.0)]
    assert estimates[0] > estimates[1] > estimates[2]
    assert all(0 <= estimate <= 4 for estimate in estimates)


@pytest.mark.parametrize("label", [3, 5, 7])
def test_a_missing_tissue_is_said(label: int) -> None:
    image, labels = volumes()
    without = np.where(labels.array == label, 0, labels.array).astype(np.uint8)
    with pytest.raises(FetaError, match="0 voxels of"):
        quality_features(image, Volume(without, labels.grid))


def test_a_volume_of_one_value_is_said() -> None:
    _, labels = volumes()
    with pytest.raises(FetaError, match="of one value"):
        quality_features(Volume(np.zeros(labels.array.shape, np.float32), labels.grid), labels)


def made_up_ratings(path: Path, volumes: int = 200, seed: int = 0) -> Path:
    """Columns as published; the rating is 4 · (contrast between 0 and 0.4)."""
    generator = np.random.default_rng(seed)
    columns = [f"seg_sstats_{t}_{s}" for t in MERGED for s in ("median", "stdv", "mad", "n")]
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["qcglobal", "site", "rec", *columns])
        for i in range(volumes):
            contrast = generator.uniform(0, 0.4)
            medians = {"CSF": generator.uniform(0.8, 1), "GM": 0.3, "WM": 0.3 + contrast}
            row: list[object] = [round(10 * contrast, 3), "ab"[i % 2], "xyz"[i % 3]]
            for tissue in MERGED:
                spread = generator.uniform(0.08, 0.12, 2).tolist()
                row += [medians.get(tissue, generator.uniform(0.4, 0.6)), *spread, 0 if i == 0 else 5000]
            table.writerow(row)
    return path


def test_a_calibration_finds_what_the_ratings_were_made_of(tmp_path: Path) -> None:
    rated = read_rated(made_up_ratings(tmp_path / "ratings.csv"))
    assert (len(rated.ratings), rated.left_out) == (199, 1)
    model = fit(rated.features, rated.ratings)
    assert int(np.argmax(np.abs(model.weight))) == FEATURES.index("cnr")
    agreement = leaving_out(rated, rated.sites)
    assert set(agreement) == {"all", "a", "b"}
    assert agreement["all"]["pearson"] > 0.9


def test_a_group_is_rated_by_the_others_alone(tmp_path: Path) -> None:
    """With the ratings of one site turned over, what the other site teaches is wrong for it."""
    rated = read_rated(made_up_ratings(tmp_path / "ratings.csv"))
    turned = np.array([site == "a" for site in rated.sites])
    rated.ratings[turned] = 4 - rated.ratings[turned]
    agreement = leaving_out(rated, rated.sites)
    assert agreement["a"]["pearson"] < -0.8
    assert agreement["b"]["pearson"] < -0.8


def test_a_written_model_rates_as_before(tmp_path: Path) -> None:
    rated = read_rated(made_up_ratings(tmp_path / "ratings.csv"))
    write_model(tmp_path / "model.json", calibrate(rated))
    read = read_model(tmp_path / "model.json")
    expected = fit(rated.features, rated.ratings).estimate(rated.features)
    np.testing.assert_allclose(read.estimate(rated.features), expected, atol=1e-3)


@pytest.mark.parametrize("change", [{"features": ["cnr"]}, {"mean": [1.0]}, {"weight": None}])
def test_another_file_is_no_model(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "model.json"
    content = calibrate(read_rated(made_up_ratings(tmp_path / "ratings.csv")))
    path.write_text(json.dumps({**content, **change}))
    with pytest.raises(FetaError, match=r"model\.json"):
        read_model(path)


def test_a_table_without_the_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("qcglobal,site\n1,a\n")
    with pytest.raises(FetaError, match="no column"):
        read_rated(path)


def test_beyond_the_calibration_a_feature_counts_no_further() -> None:
    model = read_model()
    high = np.array(model.high)
    assert model.estimate(high + 100) == model.estimate(high)
    assert model.estimate(np.full((7, len(FEATURES)), 0.5)).shape == (7,)


def test_a_folder_is_estimated_and_read_back(tmp_path: Path) -> None:
    image, labels = volumes()
    for i, name in enumerate(("sub-001", "sub-002", "sub-003")):
        write_volume(tmp_path / "in" / name / "anat" / f"{name}_T2w.nii.gz", image)
        if i < 2:
            emptied = labels.array * np.uint8(i == 0)
            place = tmp_path / "maps" / name / "anat" / f"{name}_T2w_dseg.nii.gz"
            write_label_map(place, Volume(emptied, labels.grid))
    (tmp_path / "in" / "participants.tsv").write_text("participant_id\tGestational age\n")
    rows = estimate_folder(tmp_path / "in", tmp_path / "maps", read_model())
    write_estimates(tmp_path / "quality.csv", rows)
    assert [row["case"] for row in rows] == ["sub-001", "sub-002", "sub-003"]
    assert [bool(row.get("problem")) for row in rows] == [False, True, True]
    assert set(rows[0]) <= set(COLUMNS)
    assert read_estimates(tmp_path / "quality.csv") == {"sub-001": pytest.approx(rows[0]["quality"])}


@needs_ratings
def test_our_formulas_give_the_published_numbers() -> None:
    """The published table has medians and spreads, and the contrast to noise that its authors computed from them."""
    rows = list(csv.DictReader(RATINGS.read_text().splitlines()))
    checked = 0
    for row in rows:
        stats = {t: {s: float(row[f"seg_sstats_{t}_{s}"]) for s in ("median", "stdv", "mad")} for t in MERGED}
        if stats["WM"]["stdv"] > 0:
            cnr = dict(zip(FEATURES, features_of(stats), strict=True))["cnr"]
            assert abs(cnr) == pytest.approx(float(row["seg_cnr"]), abs=1e-6)
            checked += 1
    assert checked > 700


@needs_ratings
def test_the_model_that_ships_is_the_calibration_on_the_published_ratings() -> None:
    calibrated = calibrate(read_rated(RATINGS))
    shipped = read_model()
    assert calibrated["weight"] == pytest.approx(list(shipped.weight))
    assert calibrated["leaving_one_site_out"]["all"]["pearson"] > 0.65


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["feta-evaluate", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def test_calibrate_then_estimate_as_they_are_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    model = tmp_path / "model.json"
    assert run(monkeypatch, "quality", "calibrate", made_up_ratings(tmp_path / "ratings.csv"), model) == FINE
    assert "199 volumes, 1 left out" in capsys.readouterr().out
    image, labels = volumes()
    write_volume(tmp_path / "in" / "sub-001_T2w.nii.gz", image)
    write_label_map(tmp_path / "maps" / "sub-001_dseg.nii.gz", labels)
    call = ("quality", "estimate", tmp_path / "in", tmp_path / "maps", tmp_path / "quality.csv", "--model", model)
    assert run(monkeypatch, *call) == FINE
    expected = float(read_model(model).estimate(quality_features(image, labels)))
    assert read_estimates(tmp_path / "quality.csv") == {"sub-001": pytest.approx(expected, abs=1e-3)}
    (tmp_path / "maps" / "sub-001_dseg.nii.gz").unlink()
    (tmp_path / "maps" / "sub-002_dseg.nii.gz").touch()
    assert run(monkeypatch, *call) == SOME_FAILED

"""Statistics by tissue against volumes whose statistics are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from feta.errors import FetaError
from feta.grid import Grid
from feta.labels import TISSUES, Tissue
from feta.volumes import Volume, write_label_map, write_volume
from training.assessment.appearance_check import comparable, read_real
from training.assessment.image_quality import CLASSES, image_quality
from training.cli import app

MEANS = {
    Tissue.ECSF: 0.9,
    Tissue.GM: 0.4,
    Tissue.WM: 0.6,
    Tissue.VM: 1.0,
    Tissue.CBM: 0.5,
    Tissue.SGM: 0.4,
    Tissue.BSM: 0.3,
}


def slabs(noise: float, voxel: float = 0.8, gain: float = 1.0) -> tuple[Volume, Volume]:
    """Tissues in slabs of 6 voxels, with black around."""
    n = 6 * len(TISSUES) + 12
    grid = Grid((n, n, n), (voxel,) * 3, (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    labels = np.zeros(grid.shape, np.uint8)
    for i, tissue in enumerate(TISSUES):
        labels[6 + 6 * i : 12 + 6 * i, 6:-6, 6:-6] = tissue
    table = np.zeros(8, np.float32)
    table[list(MEANS)] = list(MEANS.values())
    rng = np.random.default_rng(0)
    image = table[labels] + noise * rng.standard_normal(labels.shape).astype(np.float32) * (labels > 0)
    return Volume((gain * image).astype(np.float32), grid), Volume(labels, grid)


def test_means_and_spreads_are_those_of_the_tissues() -> None:
    found = image_quality(*slabs(0.02))
    scale = found["seg_sstats_WM_median"] / 0.6
    for name, mean in (("GM", 0.4), ("BS", 0.3), ("CBM", 0.5), ("WM", 0.6)):
        assert found[f"seg_sstats_{name}_median"] / scale == pytest.approx(mean, rel=0.03)
        assert found[f"seg_sstats_{name}_mad"] / scale == pytest.approx(0.02, rel=0.15)
        assert found[f"seg_snr_{name}"] == pytest.approx(mean / 0.02, rel=0.15)
    assert found["seg_cnr"] == pytest.approx(0.2 / (0.02 * np.sqrt(2)), rel=0.15)
    assert found["seg_cjv"] == pytest.approx(0.04 / 0.2, rel=0.15)


def test_brightness_and_units_do_not_matter() -> None:
    one, other = image_quality(*slabs(0.05)), image_quality(*slabs(0.05, gain=700.0))
    assert one.keys() == other.keys()
    assert all(other[name] == pytest.approx(one[name], rel=1e-3) for name in one)


def test_noise_lowers_the_contrast_to_noise_ratio() -> None:
    assert image_quality(*slabs(0.05))["seg_cnr"] > 1.5 * image_quality(*slabs(0.1))["seg_cnr"]


def table(folder: Path, **columns: str) -> Path:
    """A table of real volumes with columns that do not change from row to row."""
    row = {"rec": "mialsrtk", "field_strength": "1.5", "seg_cnr": "1.0"} | columns
    path = folder / "real.csv"
    path.write_text(",".join(row) + "\n" + (",".join(row.values()) + "\n") * 3)
    return path


def cohort(folder: Path) -> Path:
    image, labels = slabs(0.05)
    write_volume(folder / "input/sub-001/anat/sub-001_rec-mial_T2w.nii.gz", image)
    write_label_map(folder / "truth/sub-001/anat/sub-001_rec-mial_T2w_dseg.nii.gz", labels)
    head = "participant_id\tPathology\tGestational age\tSite\tReconstruction\tField strength\n"
    (folder / "input/participants.tsv").write_text(head + "sub-001\tNeurotypical\t28\tHere\tmial\t1.5T\n")
    return folder


def test_the_command_names_what_is_out_of_range(tmp_path: Path) -> None:
    real = table(tmp_path, seg_snr_WM="0.001", seg_sstats_WM_mean="0.6")
    done = CliRunner().invoke(app, ["assess", "appearance", str(cohort(tmp_path)), str(real)], catch_exceptions=False)
    assert done.exit_code == 0
    assert "! seg_snr_WM" in done.output
    assert "Here: 1 simulated, 3 real (mialsrtk)" in done.output


def test_another_table_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FetaError, match=r"other\.csv"):
        read_real(tmp_path / "other.csv")


def test_few_volumes_of_a_field_strength_are_joined_by_those_of_others() -> None:
    rows = [{"rec": "svrtk", "field_strength": f} for f in ["1.5"] * 12 + ["3"] * 2] + [
        {"rec": "nesvor", "field_strength": "3"}
    ]
    assert len(comparable(rows, "svrtk", "1.5T")) == 12
    assert len(comparable(rows, "svrtk", "0.55T")) == 14
    assert len(comparable(rows, "unheard-of", "3T")) == 15


def test_every_tissue_has_a_class() -> None:
    assert sorted(t for tissues in CLASSES.values() for t in tissues) == sorted(TISSUES)

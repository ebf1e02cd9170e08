"""``--surfaces`` in every form that has it."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from feta.labels import Tissue
from feta.volumes import write_label_map, write_volume
from inference.derivatives.size_table import read_sizes
from inference.derivatives.validation import errors_of
from inference.morphometry.measured import Kind
from tests.support.folders import SMALL
from tests.support.heads import make_head
from tests.support.infer_calls import Calls, bids_dataset

KINDS = ("hemi-L_white", "hemi-R_white", "hemi-L_pial", "hemi-R_pial")


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(tmp_path, monkeypatch)


def scan(folder: Path) -> Path:
    folder.mkdir(parents=True)
    write_volume(folder / "scan.nii.gz", SMALL)
    return folder / "scan.nii.gz"


def test_a_finished_case_gets_its_surfaces_when_they_are_asked_for(tmp_path: Path, call: Calls) -> None:
    image = scan(tmp_path / "a")
    assert call(image, "--fast") == 0
    assert not list(image.parent.glob("*surf*"))
    assert len(read_sizes(image.parent / "scan_volumes.tsv").sizes) == 28
    assert call(image, "--fast", "--surfaces") == 0
    told = json.loads((image.parent / "scan_surf.json").read_text())["Surfaces"]
    assert set(told) == {f"scan_{kind}.surf.gii" for kind in KINDS}
    sizes = {size.key: size for size in read_sizes(image.parent / "scan_volumes.tsv").sizes}
    for name, one in told.items():
        assert one["EulerCharacteristic"] == 2
        points, triangles = nib.load(image.parent / name).agg_data()
        assert (len(points), len(triangles)) == (one["Vertices"], one["Triangles"])
    area, curvature = sizes["pial_area_left"], sizes["pial_curvature_left"]
    assert (area.kind, curvature.kind) == (Kind.AREA, Kind.CURVATURE)
    assert area.value == told["scan_hemi-L_pial.surf.gii"]["AreaMm2"]
    assert call(image, "--fast", "--surfaces") == 0
    assert call.model.calls == 2


def test_a_surface_that_was_lost_is_made_anew_and_none_outlives_its_label_map(tmp_path: Path, call: Calls) -> None:
    image = scan(tmp_path / "a")
    lost = image.parent / "scan_hemi-R_pial.surf.gii"
    assert call(image, "--fast", "--surfaces") == 0
    lost.unlink()
    assert call(image, "--fast", "--surfaces") == 0
    assert lost.is_file()
    assert call.model.calls == 2
    assert call(image, "--fast") == 0
    assert not list(image.parent.glob("*surf*"))


def test_bids_derivatives_with_surfaces_are_valid(tmp_path: Path, call: Calls) -> None:
    data = tmp_path / "data"
    bids_dataset(data, "sub-01/anat/sub-01_rec-mial_T2w.nii.gz")
    assert call(data, tmp_path / "out", "participant", "--no-qc", "--surfaces") == 0
    made = {path.name for path in (tmp_path / "out/sub-01/anat").glob("*.surf.gii")}
    assert made == {f"sub-01_rec-mial_{kind}.surf.gii" for kind in KINDS}
    assert errors_of(tmp_path / "out") == []


def test_of_a_label_map_without_white_matter_there_are_none_and_old_ones_go(
    tmp_path: Path, call: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x_dseg.nii.gz"
    write_label_map(path, make_head((2.0, 2.0, 2.0)).labels)
    assert call("measure", path, "--surfaces") == 0
    assert len(list(tmp_path.glob("x_hemi-*.surf.gii"))) == 4
    write_label_map(path, make_head((2.0, 2.0, 2.0), missing=(Tissue.WM,)).labels)
    assert call("measure", path, "--surfaces") == 0
    assert not list(tmp_path.glob("x_hemi-*.surf.gii"))
    assert "no white matter in the label map" in capsys.readouterr().err
    told = json.loads((tmp_path / "x_surf.json").read_text())["Surfaces"]
    assert told["x_hemi-L_white.surf.gii"] == {"NotMade": "no white matter in the label map"}


def test_what_breaks_while_surfaces_are_made_is_a_warning(
    tmp_path: Path, call: Calls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no more\nroom")

    monkeypatch.setattr("inference.surfaces.surfaces.make_surfaces", broken)
    image = scan(tmp_path / "a")
    assert call(image, "--fast", "--surfaces") == 0
    assert "could not be made (ValueError: no more room)" in capsys.readouterr().err
    sizes = {size.key: size for size in read_sizes(image.parent / "scan_volumes.tsv").sizes}
    assert sizes["white_area_left"].value is None
    assert np.isfinite(sizes["GM"].value or np.nan)

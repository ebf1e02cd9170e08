"""``feta-train data simulate``: a complete cohort, the same bytes from one seed, never two cohorts in one folder."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from evaluation.scoring.truth import read_truth
from feta.cases import find_cases
from feta.errors import FetaError
from feta.labels import TISSUES
from feta.measurements import LANDMARK_LABELS, MEASUREMENTS
from feta.participants import read_participants
from feta.volumes import read_label_map, read_volume
from inference.derivatives.validation import errors_of
from training.anatomy import kernels
from training.cli import app, main
from training.scanner import slice_kernels
from training.scanner.case_plan import plan_cases
from training.scanner.cohort_settings import read_cohort_settings
from training.scanner.cohort_writer import landmark_map
from training.scanner.sites import draw_grid, draw_sites
from training.scanner.warm_up import warm_up

#: All that numba compiles for a simulated case, but for the topology's (tests/inference/runs/test_warm_up.py).
LOOPS: tuple[Any, ...] = (
    *(slice_kernels.cut, slice_kernels.spread, slice_kernels.diffuse, slice_kernels.resampled),
    *(kernels.flow, kernels.interpolate, kernels.label_points),
)

SITES = read_cohort_settings().sites

TINY = ["--phantom", "--sites", "2", "--cases", "1", "--size", "small", "--seed", "4", "--jobs", "1"]


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def simulated(out: Path, *options: str) -> str:
    result = CliRunner().invoke(app, ["data", "simulate", str(out), *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cohort") / "out"
    simulated(out, *TINY)
    return out


def test_the_submission_finds_its_cases_and_their_ages(cohort: Path) -> None:
    found = find_cases(cohort / "input")
    assert not found.warnings
    assert not found.problems
    assert len(found.cases) == 2
    assert all(case.age is not None and 20 < case.age < 37 for case in found.cases)


def test_the_input_is_a_valid_bids_data_set(cohort: Path) -> None:
    assert errors_of(cohort / "input") == []


def test_the_evaluator_finds_the_truth_complete(cohort: Path) -> None:
    truth = read_truth(cohort / "truth")
    assert not truth.warnings
    assert [case.site for case in truth.cases] == ["Sim-KISPI", "Sim-Vienna"]
    assert all(case.quality is not None and case.in_domain for case in truth.cases)
    assert truth.lengths.shape == (2, len(MEASUREMENTS))
    assert (truth.lengths > 5).all()


def test_every_case_is_on_one_grid_with_every_tissue(cohort: Path) -> None:
    for case in find_cases(cohort / "input").cases:
        image = read_volume(case.image)
        labels = read_label_map(cohort / "truth" / case.folder / f"{case.name}_dseg.nii.gz", image.grid)
        assert set(np.unique(labels.array)) == {0, *map(int, TISSUES)}
        assert image.array.std() > 0


def test_landmarks_are_two_voxels_a_length_as_far_apart_as_the_table_says(cohort: Path) -> None:
    truth = read_truth(cohort / "truth")
    for case, lengths in zip(truth.cases, truth.lengths, strict=True):
        (path,) = (cohort / "truth" / "derivatives" / "biometry" / case.subject).rglob("*_meas.nii.gz")
        image = sitk.ReadImage(str(path))
        marks = sitk.GetArrayFromImage(image)
        for measurement, length in zip(MEASUREMENTS, lengths, strict=True):
            ends = np.argwhere(marks == LANDMARK_LABELS[measurement])
            assert len(ends) == 2
            first, second = (image.TransformIndexToPhysicalPoint([int(i) for i in end[::-1]]) for end in ends)
            # Each end is rounded to a voxel of 2 mm.
            assert np.linalg.norm(np.subtract(first, second)) == pytest.approx(length, abs=3.5)


def test_participants_say_that_a_third_is_pathological() -> None:
    plans = plan_cases(SITES[:3], 3, 1)
    assert [plan.pathological for plan in plans] == [False, False, True] * 3
    assert len({plan.subject for plan in plans}) == 9


def test_the_same_seed_gives_the_same_bytes_in_any_number_of_processes(cohort: Path, tmp_path: Path) -> None:
    simulated(tmp_path / "again", *TINY[:-1], "2")
    assert digests(tmp_path / "again") == digests(cohort)


def test_another_seed_gives_another_cohort(cohort: Path, tmp_path: Path) -> None:
    simulated(tmp_path / "other", *[option if option != "4" else "5" for option in TINY])
    mine, other = digests(cohort), digests(tmp_path / "other")
    assert mine.keys() == other.keys()
    assert not {k for k in mine if k.endswith(".gz") and mine[k] == other[k]}


def test_a_second_call_keeps_what_is_there_and_draws_what_is_missing(cohort: Path, tmp_path: Path) -> None:
    out = shutil.copytree(cohort, tmp_path / "out")
    whole = digests(out)
    victim = next((out / "truth").glob("sub-002/anat/*_dseg.nii.gz"))
    victim.unlink()
    kept = next((out / "input").glob("sub-001/anat/*_T2w.nii.gz"))
    before = kept.stat().st_mtime_ns
    said = simulated(out, *TINY)
    assert said.count("was there") == 1
    assert kept.stat().st_mtime_ns == before
    assert digests(out) == whole


def test_two_cohorts_do_not_mix(cohort: Path) -> None:
    before = digests(cohort)
    with pytest.raises(FetaError, match="other settings"):
        simulated(cohort, *[option if option != "4" else "5" for option in TINY])
    assert digests(cohort) == before


def test_a_folder_of_real_data_is_never_written_into(tmp_path: Path) -> None:
    (tmp_path / "out" / "truth").mkdir(parents=True)
    with pytest.raises(FetaError, match="no simulation made"):
        simulated(tmp_path / "out", *TINY)


def test_an_unwritable_folder_is_one_line_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(sys, "argv", ["feta-train", "data", "simulate", str(tmp_path / "file" / "out"), *TINY])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_settings_are_kept_beside_the_cohort(cohort: Path) -> None:
    assert json.loads((cohort / "cohort.json").read_text())["seed"] == 4


def test_sites_differ_in_header_and_axes() -> None:
    codes = set()
    for site in SITES:
        direction = draw_grid(site, np.random.default_rng(0)).direction
        codes.add(sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(direction))
        if not site.oblique:
            assert sorted(np.abs(direction)) == [0] * 6 + [1] * 3
    assert len(codes) == len(SITES)


def test_more_sites_than_presets_have_names_of_their_own() -> None:
    assert len({site.name for site in draw_sites(SITES, 12)}) == 12


def test_a_landmark_marks_the_nearest_voxel() -> None:
    grid = draw_grid(draw_sites(SITES, 2, 2.0)[1], np.random.default_rng(2))
    affine = grid.affine()
    ends = np.array([affine[:3, :3] @ index + affine[:3, 3] for index in ((10, 20, 30), (40, 41, 42))])
    marks = landmark_map({MEASUREMENTS[0]: ends}, grid).array
    assert np.argwhere(marks).tolist() == [[30, 20, 10], [42, 41, 40]]


def test_blurring_keeps_grids_and_names_and_drops_the_ages(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "blurred"
    done = CliRunner().invoke(
        app, ["data", "degrade", str(cohort / "input"), str(out), "--blur", "3"], catch_exceptions=False
    )
    assert done.exit_code == 0
    sharp, blurred = find_cases(cohort / "input").cases, find_cases(out).cases
    assert [case.name for case in sharp] == [case.name for case in blurred]
    assert all(case.age is None for case in blurred)
    for before, after in zip(sharp, blurred, strict=True):
        a, b = read_volume(before.image), read_volume(after.image)
        assert a.grid.difference(b.grid) is None
        assert np.abs(np.diff(b.array)).mean() < 0.7 * np.abs(np.diff(a.array)).mean()


def test_participants_of_input_and_truth_agree(cohort: Path) -> None:
    assert read_participants(cohort / "input" / "participants.tsv") == read_participants(
        cohort / "truth" / "participants.tsv"
    )


def test_the_picture_shows_one_case_a_site_with_its_labels(cohort: Path, tmp_path: Path) -> None:
    path = tmp_path / "cohort.png"
    result = CliRunner().invoke(app, ["data", "picture", str(cohort), str(path)], catch_exceptions=False)
    assert result.exit_code == 0
    pixels = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[..., :3].astype(int)
    # Two rows, one a site; in each, colour only where labels lie over the grey image.
    coloured = np.ptp(pixels, axis=-1) > 40
    half = len(pixels) // 2
    assert coloured[:half].mean() > 0.02
    assert coloured[half:].mean() > 0.02


def test_a_folder_without_a_cohort_has_no_picture(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["data", "picture", str(tmp_path), str(tmp_path / "x.png")])
    assert isinstance(result.exception, FetaError)


def test_without_a_word_the_anatomy_is_the_learned_one_and_nothing_is_left_to_compile(tmp_path: Path) -> None:
    warm_up()
    before = [list(loop.signatures) for loop in LOOPS]
    assert all(before)
    simulated(tmp_path / "out", "--sites", "1", "--cases", "1", "--size", "small", "--jobs", "1")
    assert json.loads((tmp_path / "out/cohort.json").read_text())["anatomy"] != "phantom"
    (path,) = (tmp_path / "out/truth").rglob("*_dseg.nii.gz")
    labels = read_label_map(path)
    assert labels.array.shape == (64, 64, 64)
    assert set(np.unique(labels.array)) == {0, *map(int, TISSUES)}
    assert [list(loop.signatures) for loop in LOOPS] == before


def test_a_missing_anatomy_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match="no learned anatomy"):
        simulated(tmp_path / "out", "--anatomy", str(tmp_path / "none.safetensors"))


def test_a_damaged_list_of_lengths_is_one_clear_line(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "copy"
    shutil.copytree(cohort, out)
    next(out.rglob("*_meas.json")).write_text("{")
    result = CliRunner().invoke(app, ["data", "simulate", str(out), *TINY])
    assert isinstance(result.exception, FetaError)
    assert "five lengths" in str(result.exception)

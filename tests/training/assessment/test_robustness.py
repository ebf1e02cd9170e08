"""Each condition of the robustness suite does what it says, in the amount that it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from feta.errors import FetaError
from feta.grid import Grid
from feta.volumes import Volume
from training.assessment import robustness
from training.assessment.validation import measure_robustness

GRID = Grid((30, 26, 28), (1.0,) * 3, (5.0, -3.0, 2.0), (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))


def _ball() -> np.ndarray:
    """(z, y, x) bool, radius 9 mm about the middle."""
    z, y, x = np.ogrid[:28, :26, :30]
    return (z - 13.5) ** 2 + (y - 12.5) ** 2 + (x - 14.5) ** 2 < 81


def _pair() -> robustness.Pair:
    labels = _ball().astype(np.uint8) * 3
    labels[(labels > 0) & (np.arange(30) < 14)] = 2
    return Volume(np.where(labels > 0, np.float32(100), np.float32(0)), GRID), Volume(labels, GRID)


def _drawn(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", robustness.CONDITIONS)
def test_a_seed_fixes_all_and_image_and_labels_share_a_grid(name: str) -> None:
    pair = _pair()
    image, labels = robustness.CONDITIONS[name](pair, _drawn())
    again = robustness.CONDITIONS[name](_pair(), _drawn())
    assert np.array_equal(image.array, again[0].array)
    assert np.array_equal(labels.array, again[1].array)
    assert image.grid == labels.grid
    assert image.array.shape == labels.array.shape == image.grid.shape
    assert image.array.dtype == np.float32
    assert labels.array.dtype == np.uint8
    assert np.array_equal(pair[0].array, _pair()[0].array)


def test_rotations_are_uniform() -> None:
    ways = np.array([robustness.random_rotation(_drawn(seed)) for seed in range(300)])
    assert np.allclose(ways @ ways.transpose(0, 2, 1), np.eye(3), atol=1e-9)
    assert np.allclose(np.linalg.det(ways), 1)
    # under the uniform law every entry has mean 0 and variance 1/3
    assert np.abs(ways.mean(0)).max() < 0.13
    assert np.abs((ways**2).mean(0) - 1 / 3).max() < 0.07


def test_noise_is_rician_with_an_eighth_of_the_brains_mean() -> None:
    image = robustness.noisy(_pair(), _drawn())[0].array
    outside, inside = image[~_ball()], image[_ball()]
    sigma = 100 / 8
    assert outside.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.02)
    assert outside.std() == pytest.approx(sigma * np.sqrt(2 - np.pi / 2), rel=0.03)
    assert inside.std() == pytest.approx(sigma, rel=0.04)


def test_bias_runs_from_one_end_to_the_other() -> None:
    full = Volume(np.ones(GRID.shape, np.float32), GRID)
    gain = robustness.biased((full, _pair()[1]), _drawn())[0].array
    assert gain.max() == pytest.approx(np.exp(0.5), rel=1e-4)
    assert gain.min() == pytest.approx(np.exp(-0.5), rel=1e-4)


@pytest.mark.parametrize("spacing", [0.5, 0.8, 1.0, 1.3])
def test_another_spacing_keeps_places_and_volumes(spacing: float) -> None:
    pair = _pair()
    image, labels = robustness.respaced(pair, _drawn(), spacing)
    assert image.grid.spacing == (spacing,) * 3
    for label in (2, 3):
        was, now = pair[1].array == label, labels.array == label
        assert now.sum() * spacing**3 == pytest.approx(was.sum(), rel=0.08)
        assert np.allclose(_middle(was, GRID), _middle(now, labels.grid), atol=0.3)
    assert _middle(image.array > 50, image.grid) == pytest.approx(_middle(_ball(), GRID), abs=0.2)


def _middle(mask: np.ndarray, grid: Grid) -> np.ndarray:
    """Physical centre of gravity, (x, y, z) in mm."""
    return (grid.affine() @ [*np.argwhere(mask).mean(0)[::-1], 1])[:3]


def test_the_same_spacing_changes_nothing() -> None:
    image, labels = robustness.respaced(_pair(), _drawn(), 1.0)
    assert np.allclose(image.array, _pair()[0].array, atol=1e-3)
    assert np.array_equal(labels.array, _pair()[1].array)


def test_a_coarser_grid_blurs() -> None:
    point = np.zeros(GRID.shape, np.float32)
    point[14, 13, 15] = 1
    coarse = robustness.respaced((Volume(point, GRID), _pair()[1]), _drawn(), 2.0)[0].array
    assert 0 < coarse.max() < 0.25
    assert (coarse > 0.01 * coarse.max()).sum() > 8


def test_motion_leaves_ghosts_and_keeps_the_brain_in_place() -> None:
    still, ghosted = _pair()[0].array, robustness.moved(_pair(), _drawn())[0].array
    assert ghosted[~ndimage.binary_dilation(_ball(), iterations=3)].max() > 2
    assert np.corrcoef(still.ravel(), ghosted.ravel())[0, 1] > 0.8
    assert np.allclose(ndimage.center_of_mass(ghosted**2), ndimage.center_of_mass(still), atol=1)


def test_motion_leaves_the_brain_where_the_label_map_has_it() -> None:
    away = []
    for seed in range(12):
        seen = robustness.moved(_pair(), _drawn(seed))[0].array > 50
        away.append(np.array(ndimage.center_of_mass(seen)) - ndimage.center_of_mass(_ball()))
    # A jump in the very centre of k-space would leave it halfway, some 1.5 mm off.
    assert np.linalg.norm(away, axis=1).mean() < 0.3


def test_no_motion_is_the_same_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robustness, "SHIFT_MM", 0.0)
    monkeypatch.setattr(robustness, "TURN_DEGREES", 0.0)
    assert np.allclose(robustness.moved(_pair(), _drawn())[0].array, _pair()[0].array, atol=1e-2)


def test_motion_is_as_large_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    poses = []
    whole = robustness.move_rigidly

    def noted(image: Volume, shift: np.ndarray, turn: np.ndarray) -> np.ndarray:
        poses.append((shift, turn))
        return whole(image, shift, turn)

    monkeypatch.setattr(robustness, "move_rigidly", noted)
    for seed in range(20):
        robustness.moved(_pair(), _drawn(seed))
    assert len(poses) == 60  # three of four segments
    shifts, turns = (np.abs(np.array(p)) for p in zip(*poses, strict=True))
    assert 2.5 < shifts.max() <= 3
    assert 4.5 < turns.max() <= 5


def test_a_shift_and_a_turn_go_where_they_should() -> None:
    image = _pair()[0]
    there = robustness.move_rigidly(image, np.array([0.0, 0.0, 3.0]), np.zeros(3))
    assert np.array_equal(there[:-3], image.array[3:])
    assert np.allclose(
        robustness.move_rigidly(image, np.zeros(3), np.array([0, 0, 180.0])), image.array[:, ::-1, ::-1], atol=1e-3
    )


def test_a_head_surrounds_the_brain_and_leaves_it_alone() -> None:
    pair = _pair()
    image, labels = robustness.unmasked(pair, _drawn())
    offset = [round(v) for v in np.linalg.inv(image.grid.affine()) @ [*GRID.origin, 1]][2::-1]
    where = tuple(slice(o, o + n) for o, n in zip(offset, GRID.shape, strict=True))
    assert np.array_equal(labels.array[where], pair[1].array)
    assert (labels.array > 0).sum() == (pair[1].array > 0).sum()
    brain = labels.array > 0
    assert np.array_equal(image.array[brain], pair[0].array[_ball()])
    distance = ndimage.distance_transform_edt(~brain)
    skull = image.array[(distance > 0.9) & (distance < 1.5)]
    assert skull.mean() < 70
    assert image.array[distance > 2].std() > 10
    assert (image.array[~brain] > 5).mean() > 0.9


def test_a_tight_mask_cuts_two_millimetres_of_the_image_alone() -> None:
    image, labels = robustness.tightly_masked(_pair(), _drawn())
    assert np.array_equal(labels.array, _pair()[1].array)
    depth = ndimage.distance_transform_edt(_ball())
    assert np.array_equal(image.array > 0, depth > 2)


def test_a_folder_without_the_subjects_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    anat = tmp_path / "sub-x" / "anat"
    anat.mkdir(parents=True)
    for ending in ("T2w", "T2w_dseg"):
        (anat / f"sub-x_{ending}.nii.gz").touch()
    monkeypatch.setattr("training.assessment.validation.load_segmenter", lambda *_, **__: None)
    with pytest.raises(FetaError, match="holds no labelled volume of sub-y"):
        next(measure_robustness(tmp_path, tmp_path, ("sub-y",), tmp_path / "out.csv"))


def test_an_unknown_condition_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match="'fog' is no condition"):
        next(measure_robustness(tmp_path, tmp_path, ("sub-x",), tmp_path / "out.csv", ["fog"]))


def test_mirror_images_are_asked_for_where_they_are_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def loaded(*_: object, mirror_tta: bool) -> None:
        asked.append(mirror_tta)
        raise InterruptedError

    for name, stand_in in (("load_segmenter", loaded), ("read_model", lambda _: None), ("labelled", lambda *_: {})):
        monkeypatch.setattr(f"training.assessment.validation.{name}", stand_in)
    for tta in (False, True):
        with pytest.raises(InterruptedError):
            next(measure_robustness(tmp_path, tmp_path, "*", tmp_path / "out.csv", ["noise"], tta=tta))
    assert asked == [False, True]

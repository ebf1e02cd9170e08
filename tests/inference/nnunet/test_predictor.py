"""Our prediction with an nnU-Net against nnU-Net v2's own predictor, in float32 on a CPU.

nnU-Net adds up logits in float16, which decides between labels that are nearly even, and random networks have many
such voxels; so its ``torch.half`` is float32 here. As it comes, with trained networks: ``benchmarks/nnunet.py``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from feta.grid import Grid
from feta.volumes import Volume
from inference.networks.device import Compute
from inference.nnunet.folder import find_results
from inference.nnunet.predictor import NnunetPredictor
from tests.support.nnunet_folders import make_folder, make_plans, old_style

CPU = Compute(torch.device("cpu"), torch.float32, "CPU")
#: Share of voxels that must have the same label.
SAME = 0.9995


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Volumes of these tests are so small that threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def blob(shape: tuple[int, int, int], spacing: tuple[float, float, float], seed: int = 0) -> Volume:
    """A smooth bright blob in a field of zeros; spacing along (z, y, x)."""
    rng = np.random.default_rng(seed)
    texture = ndimage.gaussian_filter(rng.normal(size=shape), 2)
    centred = [np.linspace(-1.15, 1.1, n) for n in shape]
    inside = sum(c**2 for c in np.meshgrid(*centred, indexing="ij")) < 1
    array = np.where(inside, 300 + 900 * texture, 0).astype(np.float32)
    grid = Grid(shape[::-1], spacing[::-1], (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1, 0, 0, 0, 1))
    return Volume(array, grid)


def theirs(folder: Path, volume: Volume) -> np.ndarray:
    """Labels (z, y, x) by nnU-Net itself."""
    os.environ.update(dict.fromkeys(("nnUNet_def_n_proc", "nnUNet_n_proc_DA"), "1"))
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(folder), None)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch, "half", torch.float32)
        return predictor.predict_single_npy_array(volume.array[None], {"spacing": list(volume.grid.spacing[::-1])})


def ours(folder: Path, volume: Volume, **options: Any) -> np.ndarray:
    results = find_results(folder)
    assert results is not None
    return NnunetPredictor(results, CPU, **options).predict_native(volume).labels


def agreement(folder: Path, volume: Volume) -> float:
    """Share of equal labels among the voxels that are not 0, where all eight occur."""
    expected, found = theirs(folder, volume), ours(folder, volume)
    assert np.unique(expected).size == 8
    assert (found[volume.array == 0] == expected[volume.array == 0]).mean() >= SAME
    return float((found == expected)[volume.array != 0].mean())


CUBES = ((22, 20, 26), (1.0, 1.0, 1.0))
SLICES = ((9, 26, 30), (4.0, 0.8, 0.9))


@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
@pytest.mark.parametrize("case", [CUBES, SLICES], ids=["cubes", "slices"])
def test_labels_are_those_of_nnunets_own_predictor(tmp_path: Path, residual: bool, case: tuple) -> None:
    plans = make_plans(residual, spacing=[3.6, 1.0, 1.0] if case is SLICES else [1.1, 0.9, 1.0])
    folder = make_folder(tmp_path, plans, residual=residual)
    assert agreement(folder, blob(*case)) >= SAME


def test_axes_are_permuted_as_planned(tmp_path: Path) -> None:
    plans = make_plans(transpose_forward=[2, 0, 1], transpose_backward=[1, 2, 0], spacing=[3.5, 0.9, 1.0])
    volume = blob((24, 30, 9), (0.8, 0.9, 4.0))
    assert agreement(make_folder(tmp_path, plans), volume) >= SAME


def test_folds_are_averaged_before_the_likeliest_label_is_taken(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, folds=("0", "3", "4"))
    assert agreement(folder, blob(*CUBES)) >= SAME


def test_test_time_augmentation_mirrors_the_axes_that_training_allows(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, mirroring=(0, 2))
    volume = blob(*CUBES)
    assert agreement(folder, volume) >= SAME
    assert (ours(folder, volume, mirror_tta=False) != ours(folder, volume)).any()


def test_plans_of_the_old_style_mean_the_same(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="old nnU-Net plans"):
        assert agreement(make_folder(tmp_path, old_style(make_plans(), "PlainConvUNet")), blob(*CUBES)) >= SAME


@pytest.mark.parametrize(
    ("scheme", "masked"),
    [("ZScoreNormalization", False), ("CTNormalization", False), ("RescaleTo01Normalization", False)],
)
def test_intensities_are_normalised_as_planned(tmp_path: Path, scheme: str, masked: bool) -> None:
    plans = make_plans(normalization_schemes=[scheme], use_mask_for_norm=[masked])
    assert agreement(make_folder(tmp_path, plans), blob(*CUBES)) >= SAME


def test_a_volume_smaller_than_a_patch_is_padded(tmp_path: Path) -> None:
    plans = make_plans(patch_size=[16, 32, 28])
    assert agreement(make_folder(tmp_path, plans), blob(*CUBES)) >= SAME


def test_scores_are_probabilities_whose_likeliest_is_the_label(tmp_path: Path) -> None:
    results = find_results(make_folder(tmp_path))
    assert results is not None
    found = NnunetPredictor(results, CPU).predict_native(blob(*CUBES), scores=True)
    assert found.scores is not None
    labels = found.labels[found.part]
    best = found.scores.max(0)
    assert (np.take_along_axis(found.scores, labels[None].astype(int), 0)[0] == best).all()
    assert np.abs(found.scores.astype(int).sum(0) - 255).max() <= 4

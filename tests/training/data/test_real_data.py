"""Data in the challenge's own layout: folds, an ensemble of them, and images that keep their own intensities."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from feta.volumes import read_label_map, read_volume
from inference.geometry.frames import coordinates, sample
from tests.support.tiny_subjects import write_balls
from training.cli import app
from training.data.subject import pairs, read_subject
from training.engine.log import read_rows
from training.imaging.random_source import RandomSource
from training.synthesis.intensity import brain
from training.synthesis.settings import IntensitySettings

TINY = {
    "network": {"widths": [2, 2, 2], "blocks": [1, 1, 1], "heads": 1},
    "synthesis": {"size": 16, "spacing": 6.0, "intensity": {"real": 0.5}},
    "loop": {"steps": 2, "validate_every": 2},
}


def _run(*arguments: object) -> str:
    outcome = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert outcome.exit_code == 0, outcome.output + str(outcome.exception)
    return outcome.output


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two phantoms at two sites, their label maps beside them under the names that the challenge uses."""
    root = tmp_path_factory.mktemp("challenge")
    _run("data", "simulate", root / "made", "--phantom", "--size", "small", "--sites", 2, "--cases", 1, "--jobs", 1)
    shutil.copytree(root / "made" / "input", root / "data")
    for labels in (root / "made" / "truth").glob("sub-*/anat/*_dseg.nii.gz"):
        name = labels.name.replace("_T2w_dseg", "_dseg")
        shutil.copy(labels, root / "data" / labels.parent.relative_to(root / "made" / "truth") / name)
    return root


@pytest.mark.slow
def test_folds_are_trained_exported_and_run_as_an_ensemble(cohort: Path) -> None:
    for kind, outputs in (("locator", 12), ("segmentation", 8)):
        (cohort / f"{kind}.yaml").write_text(yaml.safe_dump(TINY | {"network": TINY["network"] | {"outputs": outputs}}))
    common = ["--threads", 1]
    _run(
        "fit",
        "locator",
        cohort / "data",
        cohort / "locator",
        "--config",
        cohort / "locator.yaml",
        "--everything",
        *common,
    )
    for fold in (0, 1):
        call = [
            "fit",
            "segmentation",
            cohort / "data",
            cohort / f"fold{fold}",
            "--config",
            cohort / "segmentation.yaml",
        ]
        _run(*call, "--fold", fold, "--folds", 2, "--device", "cpu", *common)
        assert (cohort / f"fold{fold}" / "curves.png").exists()
        assert {"dice", "hd95", "ed"} < set(read_rows(cohort / f"fold{fold}" / "log.csv")[-1])
    call = ["export", cohort / "weights", "--locator-run", cohort / "locator"]
    call += ["--segmentation-run", cohort / "fold0", "--segmentation-run", cohort / "fold1"]
    _run(*call)
    from inference.networks.device import choose
    from inference.networks.weights import read_model
    from inference.segmentation.predictor import UprightPredictor
    from inference.segmentation.segmenter import load_segmenter

    (image, _), *_ = pairs(cohort / "data").values()
    segmenter = load_segmenter(read_model(cohort / "weights"), choose("cpu"))
    assert isinstance(segmenter.predict, UprightPredictor)
    assert len(segmenter.predict.networks) == 2
    volume = read_volume(image)
    assert segmenter(volume).labels.array.shape == volume.array.shape


def test_a_cohort_as_it_was_simulated_has_the_same_subjects(cohort: Path) -> None:
    assert pairs(cohort / "made").keys() == pairs(cohort / "data").keys()


def test_a_real_contrast_is_the_image_itself(tmp_path: Path) -> None:
    """On the subject's own voxels: the image, standardised over the brain, and 0 outside it."""
    (name, (image_path, label_path)), *_ = pairs(write_balls(tmp_path, ("sub-a",))).items()
    volume, labels = read_volume(image_path).array, read_label_map(label_path).array
    noisy = volume + np.random.default_rng(0).normal(0, 50, volume.shape).astype(np.float32)
    subject = read_subject(name, _rewritten(image_path, noisy), label_path)
    z, y, x = subject.tissues.shape[1:]
    maps = sample(subject.tissues.float(), coordinates(np.eye(4), (x, y, z), slice(None)))
    fractions = torch.cat((1 - maps[:7].sum(0, keepdim=True), maps[:7]))
    made = brain(RandomSource(0), IntensitySettings(real=1.0), subject, fractions, maps[:7].argmax(0), maps[7])
    inside = labels > 0
    expected = np.where(inside, (noisy - noisy[inside].mean()) / noisy[inside].std(), 0)
    at = tuple(slice(n.min() - 1, n.max() + 2) for n in inside.nonzero())
    assert np.abs(made.numpy() - expected[at]).max() < 0.01


def _rewritten(path: Path, array: np.ndarray) -> Path:
    from feta.volumes import Volume, write_volume

    write_volume(path, Volume(array, read_volume(path).grid))
    return path

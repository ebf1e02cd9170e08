"""Which files of a folder of weights are a trained nnU-Net, what they may hold, and what a user is told."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from feta.errors import FetaError
from inference.networks.device import Compute
from inference.nnunet.architecture import read_architecture
from inference.nnunet.checkpoint import read_checkpoint
from inference.nnunet.folder import find_results
from inference.nnunet.predictor import NnunetPredictor
from inference.runs.models import load_models
from inference.runs.run import run
from inference.runs.settings import Settings
from inference.segmentation.segmenter import Segmenter
from tests.support.folders import make_weights
from tests.support.nnunet_folders import DATASET, make_checkpoint, make_folder, make_network, make_plans, old_style

CPU = Compute(torch.device("cpu"), torch.float32, "CPU")
NESTED = "Dataset001_Made/nnUNetTrainer__nnUNetPlans__3d_fullres"


def load(folder: Path) -> NnunetPredictor:
    results = find_results(folder)
    assert results is not None
    return NnunetPredictor(results, CPU)


def line(folder: Path) -> str:
    """What the user is told of an unusable folder."""
    with pytest.raises(FetaError) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_without_an_nnunet_is_none(tmp_path: Path) -> None:
    assert find_results(make_weights(tmp_path)) is None


def test_mirror_images_are_by_default_for_an_nnunet_alone(tmp_path: Path) -> None:
    """Its makers measure it with them, we ours without."""
    ours, theirs = make_weights(tmp_path / "ours"), tmp_path / "theirs"
    make_folder(theirs)
    assert not Settings(ours).mirrors()
    assert Settings(theirs).mirrors()
    assert Settings(ours, mirror_tta=True).mirrors()
    assert not Settings(theirs, mirror_tta=False).mirrors()


@pytest.mark.parametrize("below", [".", NESTED, "nnUNetTrainer__nnUNetPlans__3d_fullres"])
def test_a_results_folder_is_found_as_nnunet_leaves_it(tmp_path: Path, below: str) -> None:
    folder = make_folder(tmp_path / below, folds=("1", "0"))
    results = find_results(tmp_path)
    assert results is not None
    assert results.checkpoints == tuple(folder / f"fold_{n}" / "checkpoint_final.pth" for n in (0, 1))


def test_of_several_models_none_is_chosen(tmp_path: Path) -> None:
    make_folder(tmp_path / NESTED)
    shutil.copytree(tmp_path / NESTED, tmp_path / f"{NESTED}_lowres")
    assert "holds 2 trained nnU-Nets" in line(tmp_path)


@pytest.mark.parametrize(
    ("folds", "name", "expected"),
    [
        (("all", "2"), "final", ["fold_2"]),
        (("all",), "final", ["fold_all"]),
        (("0", "1"), "best", ["fold_0", "fold_1"]),
    ],
)
def test_folds_are_chosen_as_nnunet_does(tmp_path: Path, folds: tuple, name: str, expected: list[str]) -> None:
    results = find_results(make_folder(tmp_path, folds=folds, checkpoint=f"checkpoint_{name}.pth"))
    assert results is not None
    assert [path.parent.name for path in results.checkpoints] == expected


def test_a_fold_without_a_final_checkpoint_is_left_out_with_a_warning(tmp_path: Path) -> None:
    make_folder(tmp_path, folds=("0", "1"))
    (tmp_path / "fold_1" / "checkpoint_final.pth").rename(tmp_path / "fold_1" / "checkpoint_latest.pth")
    results = find_results(tmp_path)
    assert results is not None
    assert results.warnings == ("fold_1 holds no checkpoint_final.pth and is left out",)


@pytest.mark.parametrize("copy", ["fold_1_backup", "fold_", "fold_00", "fold_01x", "fold_all_old"])
def test_what_is_no_fold_is_left_out_with_a_warning(tmp_path: Path, copy: str) -> None:
    make_folder(tmp_path, folds=("0", "1"))
    shutil.copytree(tmp_path / "fold_1", tmp_path / copy)
    results = find_results(tmp_path)
    assert results is not None
    assert [path.parent.name for path in results.checkpoints] == ["fold_0", "fold_1"]
    assert results.warnings == (f"{copy} is no fold of nnU-Net's and is left out",)


def test_only_what_is_no_fold_is_one_line(tmp_path: Path) -> None:
    make_folder(tmp_path, folds=("0",))
    (tmp_path / "fold_0").rename(tmp_path / "fold_0_old")
    assert "holds no fold_0/checkpoint_final.pth (or another number, or fold_all)" in line(tmp_path)


def test_the_autoencoder_is_refused_before_any_case(tmp_path: Path) -> None:
    settings = Settings(make_folder(tmp_path), autoencoder=True)
    with pytest.raises(FetaError, match="--autoencoder: cannot correct what the nnU-Net"):
        run([], settings, root=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("extraction", [True, False])
def test_extraction_reaches_the_networks_that_find_the_pose(tmp_path: Path, extraction: bool) -> None:
    segment = load_models(Settings(make_folder(tmp_path), device="cpu", brain_extraction=extraction)).segment
    assert isinstance(segment, Segmenter)
    assert isinstance(segment.predict, NnunetPredictor)
    assert (segment.find_pose.extractor is not None) == extraction


@pytest.mark.parametrize("name", ["plans.json", "dataset.json", "fold_0/checkpoint_final.pth"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (make_folder(tmp_path) / name).unlink()
    assert Path(name).name in line(tmp_path)


class Attack:
    """Runs a command where a pickle is believed."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable, tuple]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("place", ["logging", "network_weights"])
def test_a_pickle_that_runs_a_command_is_not_run(tmp_path: Path, place: str) -> None:
    folder, marker = make_folder(tmp_path / "net"), tmp_path / "run"
    content = make_checkpoint(make_network(False, 0), make_plans(), None)
    content[place] = {"x": Attack(marker)}
    torch.save(content, folder / "fold_0" / "checkpoint_final.pth")
    assert "was not read" in line(folder)
    assert not marker.exists()


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
def test_a_truncated_checkpoint_is_one_line(tmp_path: Path, share: float) -> None:
    path = make_folder(tmp_path) / "fold_0" / "checkpoint_final.pth"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "checkpoint_final.pth" in line(tmp_path)


@pytest.mark.parametrize("content", [[], {"network_weights": {}}, {"network_weights": {"x": 3}, "init_args": {}}])
def test_what_is_no_checkpoint_is_one_line(tmp_path: Path, content: Any) -> None:
    torch.save(content, make_folder(tmp_path) / "fold_0" / "checkpoint_final.pth")
    assert "no checkpoint of nnU-Net" in line(tmp_path)


def test_numpys_scalars_of_the_log_are_read(tmp_path: Path) -> None:
    path = make_folder(tmp_path, mirroring=(0, 1, 2)) / "fold_0" / "checkpoint_final.pth"
    found = read_checkpoint(path)
    assert (found.configuration, found.mirroring) == ("3d_fullres", (0, 1, 2))


def test_scalars_that_older_numpys_wrote_are_read(tmp_path: Path) -> None:
    """Before version 2 the function that makes them lay in ``numpy.core``."""
    path = tmp_path / "old.pth"
    content = make_checkpoint(make_network(False, 0), make_plans(), None)
    torch.save(content, path)
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    name = next(name for name in members if name.endswith("data.pkl"))
    assert b"numpy._core.multiarray" in members[name]
    members[name] = members[name].replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for member, data in members.items():
            new.writestr(member, data)
    assert read_checkpoint(path).configuration == "3d_fullres"


LABELS = DATASET["labels"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": {k: v for k, v in LABELS.items() if v < 7}}, "has the labels [0, 1, 2, 3, 4, 5, 6]"),
        ({"labels": LABELS | {"more": 8}}, "has the labels"),
        ({"labels": LABELS | {"bs": [6, 7]}}, "regions"),
        ({"labels": {"background": "none"}}, "no numbers"),
        ({"labels": None}, "names no channels or no labels"),
        ({"channel_names": {"0": "T2w", "1": "T1w"}}, "asks for 2 channels"),
    ],
)
def test_labels_and_channels_must_be_fetas(tmp_path: Path, changes: dict, words: str) -> None:
    (make_folder(tmp_path) / "dataset.json").write_text(json.dumps(DATASET | changes))
    assert words in line(tmp_path)


def test_an_ignore_label_and_other_names_do_not_matter(tmp_path: Path) -> None:
    labels = {("background" if n == 0 else f"tissue {n}"): n for n in range(8)} | {"ignore": 8}
    (make_folder(tmp_path) / "dataset.json").write_text(json.dumps(DATASET | {"labels": labels}))
    assert load(tmp_path).plans.patch == (8, 16, 16)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"patch_size": [64, 64]}, "is 2-D"),
        ({"previous_stage": "3d_lowres"}, "cascade"),
        ({"preprocessor_name": "Mine"}, "Mine is not known"),
        ({"image_reader_writer": "Tiff3DIO"}, "Tiff3DIO is not known"),
        ({"normalization_schemes": ["Mine"]}, "Mine is not known"),
        ({"resampling_fn_data": "mine"}, "mine is not known"),
        ({"resampling_fn_data_kwargs": {"odd": 1}}, "odd"),
        ({"spacing": [1, 1]}, "not what nnU-Net v2 writes"),
        ({"transpose_forward": [0, 0, 1]}, "no permutation"),
        ({"configurations": {}}, "not what nnU-Net v2 writes"),
        ({"inherits_from": "3d_fullres"}, "inherits from itself"),
        ({"architecture": {"network_class_name": "a.b.PrimusM", "arch_kwargs": {}}}, "PrimusM is not known"),
    ],
)
def test_plans_that_cannot_be_followed_are_one_line(tmp_path: Path, changes: dict, words: str) -> None:
    folder = make_folder(tmp_path)
    (folder / "plans.json").write_text(json.dumps(make_plans(**changes)))
    assert words in line(folder)


def test_weights_of_another_network_are_one_line(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    (folder / "plans.json").write_text(json.dumps(make_plans(residual=True)))
    assert "does not fit" in line(folder)


@pytest.mark.parametrize("kind", ["PlainConvUNet", "ResidualEncoderUNet"])
def test_plans_of_both_styles_describe_one_network(kind: str) -> None:
    new = make_plans(kind == "ResidualEncoderUNet")["configurations"]["3d_fullres"]
    old = old_style(make_plans(), kind)["configurations"]["3d_fullres"]
    assert read_architecture(new) == read_architecture(old)


@pytest.mark.parametrize("name", ["plans.json", "dataset.json", "fold_0/checkpoint_final.pth", "model.yaml"])
def test_results_are_others_once_a_file_changes(tmp_path: Path, name: str) -> None:
    make_weights(make_folder(tmp_path))
    before = Settings(tmp_path).result_key()
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + b" ")
    assert Settings(tmp_path).result_key() != before


def test_numbers_of_a_checkpoint_reach_the_network(tmp_path: Path) -> None:
    """Our network computes what the library's does."""
    predictor = load(make_folder(tmp_path, residual=True))
    patch = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 1, 8, 16, 16)).astype(np.float32))
    with torch.inference_mode():
        expected = make_network(True, 0)(patch)
        torch.testing.assert_close(predictor.networks[0](patch), expected, atol=1e-4, rtol=1e-4)

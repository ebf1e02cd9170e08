"""Training of the autoencoder, its export, and the report on topology, on balls that take seconds."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from evaluation.metrics.measurements import analyse, compare
from feta.errors import FetaError
from feta.grid import Grid
from feta.volumes import Volume
from inference.networks.residual_unet import NetworkSettings, ResidualUNet
from inference.networks.weights import read_model, ship
from tests.support.networks import write_network
from tests.support.tiny_subjects import write_balls
from training.cli import app
from training.commands.common import VALIDATION
from training.commands.fit.autoencoder import network_errors
from training.data.leakage import lineage_of
from training.data.split import read_subjects
from training.engine.architectures import ArchitectureSettings, Kind, make_network
from training.engine.checkpoint import read_checkpoint
from training.synthesis.sample import generate_sample
from training.synthesis.settings import SynthesisSettings
from training.tasks.autoencoder import AutoencoderSettings, AutoencoderTask, fresh
from training.tasks.label_corruption import CorruptionSettings
from training.tasks.landmark_network import Heads, LandmarkSettings, LandmarkTask
from training.tasks.locator import LocatorSettings, LocatorTask
from training.tasks.network_errors import answer
from training.tasks.segmentation import SegmentationSettings

SHAPE = NetworkSettings(inputs=8, outputs=64, widths=(2, 2), blocks=(1, 1), heads=1, stem=2)
SYNTHESIS = {"size": 16, "spacing": 2.0}
TINY = {
    "network": {"inputs": 8, "outputs": 64, "widths": [2, 2], "blocks": [1, 1], "heads": 1, "stem": 2},
    "synthesis": SYNTHESIS,
    "loop": {"steps": 2, "validate_every": 2},
    "pool": 2,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Atlases, a folder of weights, and a run of the autoencoder."""
    folder = tmp_path_factory.mktemp("autoencoder")
    write_balls(folder / "atlases", ("sub-a", VALIDATION[0]), side=24, spacing=4.0)
    write_balls(folder / "one", ("sub-b",), side=24, spacing=4.0)
    torch.manual_seed(0)
    (folder / "weights").mkdir()
    entries = {}
    for name, outputs, spacing in (("locator", 12, 6.0), ("segmentation", 8, 2.0)):
        network = ResidualUNet(NetworkSettings(outputs=outputs, widths=(2, 2), blocks=(1, 1), heads=1))
        if name == "locator":
            with torch.no_grad():
                network.heads[0].bias[0] += 100  # no brain: the header's pose
        entries[name] = write_network(network, folder / "weights" / f"{name}.safetensors", spacing, network.settings)
    ship(folder / "weights", {}, entries | {"segmentation": [entries["segmentation"]]})
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    call = ["fit", "autoencoder", str(folder / "atlases"), str(folder / "run"), "--network", str(folder / "weights")]
    _invoke([*call, "--config", str(folder / "tiny.yaml"), "--threads", "1"])
    return folder


def _invoke(call: list[str]) -> str:
    result = CliRunner().invoke(app, call, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def _task(root: Path, network: float) -> AutoencoderTask:
    settings = AutoencoderSettings(
        network=SHAPE,
        synthesis=SynthesisSettings(size=16, spacing=2.0),
        corruption=CorruptionSettings(network=network, also=0.0),
        pool=3,
    )
    subjects = read_subjects(root / "atlases", VALIDATION)
    return AutoencoderTask(subjects, network_errors(root / "weights"), settings)


def test_a_fresh_network_changes_nothing() -> None:
    assert (fresh(SHAPE)(torch.rand(1, 8, 8, 8, 8)) == 0).all()


def test_samples_are_a_function_of_their_seed_whatever_was_asked_before(root: Path) -> None:
    first, second = _task(root, 0.5), _task(root, 0.5)
    first.sample(7)
    for a, b in zip(first.sample(3), second.sample(3), strict=True):
        assert torch.equal(a, b)


def test_the_networks_errors_are_shown_with_the_truth_of_the_same_volume(root: Path) -> None:
    task = _task(root, 1.0)
    maps, truth = task.sample(5)
    answers = [task._answer(i) for i in range(3)]
    fits = [
        (a, mirrored)
        for a in answers
        for mirrored in (0, 1)
        if torch.equal(maps, _turned(a.part((0, 0, 0), 16)[0], mirrored))
    ]
    assert len(fits) == 1
    said, mirrored = fits[0]
    assert torch.equal(truth, _turned(said.labels.long(), mirrored))


def test_the_truth_has_the_right_topology_and_is_the_volumes_but_for_that(root: Path) -> None:
    task = _task(root, 1.0)
    synthesis = SynthesisSettings(size=32, spacing=2.0)
    torn = mended = changed = 0
    for seed in range(8):
        subject = task.subjects.training[0]
        said = answer(task.errors, subject, synthesis, seed).labels.numpy()
        sampled = generate_sample(subject, synthesis, seed).labels.numpy().astype(np.uint8)
        changed += int((said != sampled).sum())
        torn, mended = torn + _loops_and_cavities(sampled), mended + _loops_and_cavities(said)
    assert torn > 0
    assert mended == 0
    assert changed < 0.02 * 8 * said.size


def _loops_and_cavities(labels: np.ndarray) -> int:
    grid = Grid(labels.shape[::-1], (2.0,) * 3, (0.0,) * 3, (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    found = analyse(Volume(labels, grid))
    return int(compare(found, found).betti_truth[:, 1:].sum())


@pytest.mark.parametrize("patch", [8, 12, 16, 40])
def test_a_part_is_a_cube_of_the_volume_at_most_as_large(root: Path, patch: int) -> None:
    task = _task(root, 1.0)
    task.settings = replace(task.settings, patch=patch)
    for seed in range(6):
        maps, truth = task.sample(seed)
        assert maps.shape == (8, *(min(patch, 16),) * 3)
        assert truth.shape == maps.shape[1:]
        assert torch.allclose(maps.sum(0), torch.ones(()), atol=0.05)


def _turned(array: torch.Tensor, mirrored: int) -> torch.Tensor:
    return array.flip(array.ndim - 1) if mirrored else array


def test_validation_tells_before_from_after(root: Path) -> None:
    row = list(csv.DictReader((root / "run" / "log.csv").open()))[-1]
    assert {"dice_before", "dice_after", "ed_before", "ed_after", "b1_after"} <= set(row)
    assert 0 <= float(row["dice_after"]) <= 1


def test_validation_of_a_network_that_changes_nothing_finds_no_difference(root: Path) -> None:
    figures = _task(root, 1.0).validate(fresh(SHAPE))
    for name in ("dice", "ed", "b0", "b1", "b2"):
        assert figures[f"{name}_before"] == pytest.approx(
            figures[f"{name}_after"], abs=0.02 * figures[f"{name}_before"] + 1e-3
        )


def test_without_validation_subjects_there_are_no_figures(root: Path) -> None:
    task = _task(root, 1.0)
    subjects = replace(task.subjects, validation=[])
    assert AutoencoderTask(subjects, task.errors, task.settings).validate(fresh(SHAPE)) == {}
    assert LandmarkTask(Heads([], [], []), LandmarkSettings()).validate(fresh(SHAPE)) == {}
    assert LocatorTask(subjects, LocatorSettings()).validate(fresh(SHAPE)) == {}


def test_a_run_of_another_network_does_not_answer(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "run" / "checkpoint.pt", tmp_path)
    with pytest.raises(FetaError, match=r"unknown setting|another network"):
        network_errors(tmp_path)


def test_another_spacing_than_the_networks_is_one_clear_line(root: Path) -> None:
    (root / "other.yaml").write_text(yaml.safe_dump(TINY | {"synthesis": SYNTHESIS | {"spacing": 5.0}}))
    call = ["fit", "autoencoder", str(root / "atlases"), str(root / "no"), "--network", str(root / "weights")]
    result = CliRunner().invoke(app, [*call, "--config", str(root / "other.yaml")])
    assert "make them equal" in str(result.exception)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"patch": 9}, "patch must be a multiple of 4, not 9"),
        ({"patch": 80, "synthesis": SYNTHESIS | {"size": 18}}, "synthesis.size must be a multiple of 4, not 18"),
        ({"synthesis": SYNTHESIS | {"size": 20}}, "deeper takes multiples of 8; choose one"),
    ],
)
def test_sides_that_a_network_cannot_take_are_one_clear_line(
    root: Path, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    deeper = tmp_path / "deeper"
    shutil.copytree(root / "weights", deeper)
    network = ResidualUNet(NetworkSettings(outputs=8, widths=(2,) * 4, blocks=(1,) * 4, heads=1))
    ship(deeper, {}, {"segmentation": [write_network(network, deeper / "s.safetensors", 2.0, network.settings)]})
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(TINY | changes))
    call = ["fit", "autoencoder", str(root / "atlases"), str(tmp_path / "no"), "--network", str(deeper)]
    result = CliRunner().invoke(app, [*call, "--config", str(tmp_path / "other.yaml"), "--threads", "1"])
    assert isinstance(result.exception, FetaError)
    assert said in str(result.exception)


def test_a_folder_without_networks_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match=r"neither model\.yaml nor checkpoint\.pt"):
        network_errors(tmp_path)


@pytest.mark.parametrize("kind", [Kind.UNET, Kind.UNET2D])
def test_a_run_answers_by_its_averaged_weights(tmp_path: Path, kind: Kind) -> None:
    shape = ArchitectureSettings(widths=(2, 2), blocks=(1, 1), heads=1, kind=kind)
    settings = SegmentationSettings(network=shape, synthesis=SynthesisSettings(spacing=1.5))
    network = make_network(shape)
    state = {"average": network.state_dict(), "made_of": lineage_of(settings), "before": []}
    torch.save(state | {"network": {}, "optimiser": {}, "step": 1, "seconds": 1.0}, tmp_path / "checkpoint.pt")
    found = network_errors(tmp_path)
    (loaded,) = found.networks
    patch = torch.rand(1, 1, 8, 8, 8)
    assert found.spacing == 1.5
    assert torch.equal(loaded(patch), network.eval()(patch))


def test_a_run_answers_though_it_was_exported_into_its_own_folder(root: Path, tmp_path: Path) -> None:
    shape = ArchitectureSettings(widths=(2, 2), blocks=(1, 1), heads=1)
    settings = SegmentationSettings(network=shape)
    state = {"average": ResidualUNet(shape).state_dict(), "made_of": lineage_of(settings, training=["sub-a"])}
    shutil.copytree(root / "weights", tmp_path / "run")
    state |= {"before": ["sub-b"], "network": {}, "optimiser": {}, "step": 1, "seconds": 1.0}
    for untold in (False, True):
        torch.save(state | ({"untold": True} if untold else {}), tmp_path / "run" / "checkpoint.pt")
        found = network_errors(tmp_path / "run")
        assert found.subjects_seen == ["sub-a", "sub-b"]
        assert found.told is not untold


def test_a_network_that_knows_a_held_out_subject_does_not_answer(root: Path, tmp_path: Path) -> None:
    shape = ArchitectureSettings(widths=(2, 2), blocks=(1, 1), heads=1)
    settings = SegmentationSettings(network=shape, synthesis=SynthesisSettings(size=16, spacing=2.0))
    state = {"average": ResidualUNet(shape).state_dict(), "before": ["sub-c"], "network": {}, "optimiser": {}}
    call = ["fit", "autoencoder", str(root / "atlases"), str(tmp_path / "run"), "--config", str(root / "tiny.yaml")]
    call += ["--network", str(tmp_path), "--threads", "1"]
    for training, refused in (([VALIDATION[0]], True), (["sub-a"], False)):
        what = lineage_of(settings, training=training, validation=[])
        torch.save(state | {"made_of": what, "step": 1, "seconds": 1.0}, tmp_path / "checkpoint.pt")
        said = str(CliRunner().invoke(app, call).exception)
        assert (f"learned from {VALIDATION[0]}, which this run holds out" in said) is refused
    assert read_checkpoint(tmp_path / "run" / "checkpoint.pt")["made_of"]["network"] == ["sub-a", "sub-c"]


def test_a_run_does_not_go_on_with_another_network(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "weights", tmp_path / "other")
    torch.manual_seed(1)
    network = ResidualUNet(NetworkSettings(outputs=8, widths=(2, 2), blocks=(1, 1), heads=1))
    entry = write_network(network, tmp_path / "other" / "segmentation.safetensors", 2.0, network.settings)
    ship(tmp_path / "other", {}, {"segmentation": [entry]})
    shutil.copytree(root / "run", tmp_path / "run")
    call = ["fit", "autoencoder", str(root / "atlases"), str(tmp_path / "run"), "--config", str(root / "tiny.yaml")]
    result = CliRunner().invoke(app, [*call, "--network", str(tmp_path / "other"), "--threads", "1"])
    assert "was begun with another --network" in str(result.exception)
    assert "finished" in CliRunner().invoke(app, [*call, "--network", str(root / "weights"), "--threads", "1"]).stderr


def test_weights_that_do_not_tell_whom_they_know_are_said_to(root: Path) -> None:
    call = ["fit", "autoencoder", str(root / "atlases"), str(root / "run"), "--config", str(root / "tiny.yaml")]
    result = CliRunner().invoke(app, [*call, "--network", str(root / "weights"), "--threads", "1"])
    assert "doesn't say whom all its networks learned from" in result.stderr


def test_the_report_has_every_step_with_and_without_the_autoencoder(root: Path) -> None:
    _invoke(["export", "autoencoder", str(root / "weights"), str(root / "run")])
    assert read_model(root / "weights").autoencoder is not None
    call = ["assess", "topology", str(root / "one"), str(root / "t.csv"), "--weights", str(root / "weights")]
    call += ["--subjects", "*"]
    output = _invoke([*call, "--threads", "1"])
    rows = list(csv.DictReader((root / "t.csv").open()))
    steps = list(dict.fromkeys(row["step"] for row in rows))
    ends = ["", " + largest component", " + largest component + construction"]
    assert steps == [start + end for start in ("network", "network + autoencoder") for end in ends]
    assert all(f"| {step} |" in output for step in steps)
    assert len(rows) == len(steps) * (7 * 7 + 1)


def test_a_missing_validation_subject_is_one_clear_line(root: Path) -> None:
    call = ["assess", "topology", str(root / "one"), str(root / "no.csv"), "--weights", str(root / "weights")]
    assert "no labelled volume of sub-crl24" in str(CliRunner().invoke(app, call).exception)

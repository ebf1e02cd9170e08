"""What a run leaves behind, and what it refuses to go on with."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from typer.testing import CliRunner

from feta.errors import FetaError
from feta.lock import locked
from feta.settings import read_settings, settings_from
from tests.support.tiny_subjects import write_balls
from training.cli import app
from training.commands.common import CONFIGS, VALIDATION
from training.data.leakage import FREE, check_same, learned_from, lineage_of, subjects_seen
from training.engine.checkpoint import read_checkpoint
from training.engine.log import append_row, drop_after, read_rows
from training.engine.loop import train
from training.engine.optimisers import LoopSettings
from training.synthesis.settings import SynthesisSettings
from training.tasks.brain_extraction import BrainExtractionSettings
from training.tasks.locator import LocatorSettings
from training.tasks.segmentation import SegmentationSettings

TINY = {
    "network": {"widths": [2, 2], "blocks": [1, 1], "heads": 1},
    "synthesis": {"size": 16, "spacing": 6.0},
    "loop": {"steps": 2, "validate_every": 1},
}


class Still:
    """A task that has nothing to learn."""

    def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
        return network(torch.ones(1)).square().sum()

    def validate(self, network: nn.Module) -> dict[str, float]:
        return {"dice": 0.5}


def _train(folder: Path, steps: int = 2, lines: list[str] | None = None, **subjects: list[str]) -> None:
    settings = LoopSettings(steps=steps, validate_every=1, checkpoint_minutes=0.0)
    say = [] if lines is None else lines
    what = lineage_of(SegmentationSettings(loop=settings), **subjects)
    train(nn.Linear(1, 1), Still(), settings, folder, say.append, what)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with labelled volumes, settings, and a run of the command."""
    root = tmp_path_factory.mktemp("run")
    write_balls(root / "data", ("sub-a", "sub-b", VALIDATION[0]), side=24, spacing=4.0)
    (root / "s.yaml").write_text(yaml.safe_dump(TINY))
    assert _call(root) == ""
    return root


def _call(root: Path, *more: str) -> str:
    """What the command complains of."""
    call = [
        "fit",
        "segmentation",
        str(root / "data"),
        str(root / "run"),
        "--config",
        str(root / "s.yaml"),
        "--device",
        "cpu",
    ]
    result = CliRunner().invoke(app, [*call, "--threads", "1", *more])
    return "" if result.exception is None else str(result.exception)


def test_settings_come_back_from_a_checkpoint(run: Path) -> None:
    state = read_checkpoint(run / "run" / "checkpoint.pt")
    settings = settings_from(SegmentationSettings, state["made_of"]["settings"], run)
    assert settings == read_settings(SegmentationSettings, run / "s.yaml")
    assert state["made_of"]["training"] == ["sub-a", "sub-b"]
    assert state["made_of"]["validation"] == [VALIDATION[0]]


@pytest.mark.parametrize(
    ("kind", "name"),
    [(SegmentationSettings, "segmentation"), (LocatorSettings, "locator"), (BrainExtractionSettings, "extraction")],
)
def test_all_shipped_settings_can_be_written_down(kind: type, name: str) -> None:
    settings = read_settings(kind, CONFIGS / f"{name}.yaml")
    assert settings_from(kind, lineage_of(settings)["settings"], Path("x")) == settings


@pytest.mark.parametrize("more", [("--everything",), ("--only", "sub-a"), ("--fold", "0", "--folds", "2")])
def test_other_subjects_are_refused(run: Path, more: tuple[str, ...]) -> None:
    assert "was begun with other" in _call(run, *more)


def test_another_folder_beside_is_refused(run: Path) -> None:
    write_balls(run / "beside", ("sub-c",), side=24, spacing=4.0)
    assert "was begun with other more subjects (such as sub-c)" in _call(run, "--also", str(run / "beside"))


def test_another_setting_is_refused(run: Path) -> None:
    (run / "over.yaml").write_text("loop: {learning_rate: 0.5}")
    assert "was begun with loop.learning_rate 0.001 instead of 0.5" in _call(run, "--over", str(run / "over.yaml"))


def test_another_network_is_refused(run: Path) -> None:
    (run / "wide.yaml").write_text("network: {widths: [4, 4]}")
    assert "was begun with network.widths [2, 2] instead of [4, 4]" in _call(run, "--over", str(run / "wide.yaml"))


@given(
    st.sampled_from(["size", "spacing", "spatial.rotation", "scan.noise", "intensity.real"]),
    st.sampled_from([False, True]),
)
def test_any_difference_of_the_synthesis_is_named(name: str, swapped: bool) -> None:
    one = lineage_of(SegmentationSettings())
    changed = SynthesisSettings()
    section, _, inner = name.rpartition(".")
    value = replace(getattr(changed, section), **{inner: 7}) if section else 7
    changed = replace(changed, **{section or name: value})
    other = lineage_of(SegmentationSettings(synthesis=changed))
    begun, now = (other, one) if swapped else (one, other)
    with pytest.raises(FetaError, match=f"synthesis.{name} "):
        check_same(Path("x"), {"made_of": begun}, now)


@given(st.sampled_from(FREE))
def test_how_long_a_run_lasts_may_change(name: str) -> None:
    loop = replace(LoopSettings(), **{name.removeprefix("loop."): 7})
    check_same(Path("x"), {"made_of": lineage_of(SegmentationSettings())}, lineage_of(SegmentationSettings(loop=loop)))


def test_a_run_that_goes_on_says_where(tmp_path: Path) -> None:
    _train(tmp_path)
    lines: list[str] = []
    _train(tmp_path, 4, lines)
    assert lines[0].startswith("resumed at step 2")


def test_a_run_that_diverges_stops_and_keeps_its_last_checkpoint(tmp_path: Path) -> None:
    class Diverging(Still):
        def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
            return super().loss(network, seeds, done) * (math.nan if seeds[0] == 2 else 1)

    settings = LoopSettings(steps=4, validate_every=1, checkpoint_minutes=0.0)
    with pytest.raises(FetaError, match="no number any more at step 2; lower"):
        train(nn.Linear(1, 1), Diverging(), settings, tmp_path, lambda line: None, {"settings": {}})
    state = read_checkpoint(tmp_path / "checkpoint.pt")
    assert state["step"] == 2
    assert all(weights.isfinite().all() for weights in state["network"].values())


def test_weights_stay_numbers_where_a_gradient_is_none(tmp_path: Path) -> None:
    class Steep(Still):
        def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
            weight = next(network.parameters()).sum()
            return torch.sqrt(weight - weight) if seeds[0] == 2 else super().loss(network, seeds, done)

    settings = LoopSettings(steps=4, validate_every=1, checkpoint_minutes=0.0)
    with pytest.raises(FetaError, match="no number any more at step 2"):
        train(nn.Linear(1, 1), Steep(), settings, tmp_path, lambda line: None, {"settings": {}})
    state = read_checkpoint(tmp_path / "checkpoint.pt")
    assert all(weights.isfinite().all() for weights in (*state["network"].values(), *state["average"].values()))


def test_a_checkpoint_keeps_the_names_that_old_runs_have(run: Path) -> None:
    """Whatever the code calls them: runs of the first release are resumed and exported by these keys."""
    state = torch.load(run / "run" / "checkpoint.pt", weights_only=True)
    assert state.keys() == {"network", "average", "optimiser", "step", "seconds", "made_of", "before"}
    assert state["made_of"].keys() == {"settings", "training", "more", "origins", "validation", "held_out"}


def test_a_run_begun_anew_in_its_folder_logs_no_step_twice(tmp_path: Path) -> None:
    _train(tmp_path, 3)
    (tmp_path / "checkpoint.pt").unlink()
    _train(tmp_path, 2)
    assert [row["step"] for row in read_rows(tmp_path / "log.csv")] == ["1", "2"]


def test_weights_that_know_a_held_out_subject_are_no_start(run: Path, tmp_path: Path) -> None:
    call = [
        "fit",
        "segmentation",
        str(run / "data"),
        "--config",
        str(run / "s.yaml"),
        "--threads",
        "1",
        "--device",
        "cpu",
    ]
    for name, more in (("all", ["--everything"]), ("again", ["--everything", "--pretrained", str(tmp_path / "all")])):
        assert CliRunner().invoke(app, [*call, str(tmp_path / name), *more]).exit_code == 0
    for known in ("all", "again"):
        result = CliRunner().invoke(app, [*call, str(tmp_path / "new"), "--pretrained", str(tmp_path / known)])
        assert f"learned from {VALIDATION[0]}, which this run holds out" in str(result.exception)


def test_a_run_learns_from_nobody_it_holds_out(tmp_path: Path) -> None:
    """Whichever folder the subject would come in by."""
    for use in ("training", "more", "origins", "heads", "measured"):
        with pytest.raises(FetaError, match="would learn from sub-a, which it holds out"):
            _train(tmp_path / "run", validation=["sub-a"], **{use: ["sub-b", "sub-a"]})
        with pytest.raises(FetaError, match="would learn from sub-a, which it holds out"):
            _train(tmp_path / "run", held_out=["sub-a"], **{use: ["sub-a"]})
    assert not (tmp_path / "run").exists()


def test_what_is_known_passes_on_from_run_to_run(tmp_path: Path) -> None:
    """Two runs in between learn from others alone, and are resumed."""
    settings = LoopSettings(steps=1)
    _train(tmp_path / "0", training=["sub-a"])
    for number, name in enumerate(("sub-b", "sub-c"), start=1):
        for steps in (1, 2):
            settings = LoopSettings(steps=steps)
            what = lineage_of(SegmentationSettings(loop=settings), training=[name])
            start = tmp_path / str(number - 1)
            train(nn.Linear(1, 1), Still(), settings, tmp_path / str(number), lambda line: None, what, start)
    assert subjects_seen(read_checkpoint(tmp_path / "2" / "checkpoint.pt")) == ["sub-a", "sub-b", "sub-c"]
    what = lineage_of(SegmentationSettings(loop=settings), training=["sub-b"], validation=["sub-a"])
    with pytest.raises(FetaError, match="learned from sub-a, which this run holds out"):
        train(nn.Linear(1, 1), Still(), settings, tmp_path / "new", lambda line: None, what, tmp_path / "2")


@given(st.sampled_from(["training", "more", "origins", "heads", "head_origins", "network", "defined", "measured"]))
def test_all_that_is_learned_from_is_known(use: str) -> None:
    assert learned_from(lineage_of(SegmentationSettings(), **{use: ["sub-a"]})) == ["sub-a"]


@given(st.sampled_from(["validation", "held_out", "answers"]))
def test_what_is_not_learned_from_is_not_known(use: str) -> None:
    assert learned_from(lineage_of(SegmentationSettings(), **{use: ["sub-a"]})) == []


def test_what_weights_know_beyond_a_run_is_said(tmp_path: Path) -> None:
    _train(tmp_path / "one", training=["sub-a", "sub-b"])
    lines: list[str] = []
    settings = LoopSettings(steps=2)
    what = lineage_of(SegmentationSettings(loop=settings), training=["sub-a"])
    train(nn.Linear(1, 1), Still(), settings, tmp_path / "two", lines.append, what, tmp_path / "one")
    assert "learned from 1 subjects that this run does not train on, such as sub-b" in lines[0]


def test_two_runs_at_once_in_a_folder_are_refused(tmp_path: Path) -> None:
    _train(tmp_path, 1)
    with locked(tmp_path / "run.lock"), pytest.raises(FetaError, match="another run is at work there"):
        _train(tmp_path, 2)
    assert read_checkpoint(tmp_path / "checkpoint.pt")["step"] == 1


def test_a_full_disk_is_one_clear_line_and_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    _train(tmp_path, 1)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FetaError, match=r"cannot be written \(No space left on device\)"):
        _train(tmp_path, 2)
    assert read_checkpoint(tmp_path / "checkpoint.pt")["step"] == 1


def test_a_disk_that_fills_while_a_checkpoint_is_written_leaves_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two validations nothing else is written."""
    wide = LoopSettings(steps=3, validate_every=100, checkpoint_minutes=0.0)
    train(nn.Linear(1, 1), Still(), replace(wide, steps=1), tmp_path, lambda line: None, {"settings": {}})
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FetaError, match=r"checkpoint\.pt: cannot be written \(No space left on device\)"):
        train(nn.Linear(1, 1), Still(), wide, tmp_path, lambda line: None, {"settings": {}})
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_what_a_kill_left_half_written_is_removed(tmp_path: Path) -> None:
    _train(tmp_path, 1)
    (tmp_path / ".0123456789abcdef.part").touch()
    (tmp_path / ".mine.part").touch()
    _train(tmp_path, 2)
    assert not (tmp_path / ".0123456789abcdef.part").exists()
    assert (tmp_path / ".mine.part").exists()


@pytest.mark.parametrize("text", ["step,loss\n1.5,2\n", "loss\n2\n", "step,loss\n1,x\n", "step,loss\n,2\n", "\0"])
def test_a_log_that_was_damaged_is_one_clear_line(tmp_path: Path, text: str) -> None:
    _train(tmp_path, 1)
    (tmp_path / "log.csv").write_text(text)
    if text == "\0":
        (tmp_path / "log.csv").unlink()
        (tmp_path / "log.csv").mkdir()
    with pytest.raises(FetaError, match=r"log\.csv: .*put it aside: the run continues with a new one"):
        _train(tmp_path, 2)
    assert read_checkpoint(tmp_path / "checkpoint.pt")["step"] == 1


def test_a_folder_given_twice_is_another_run(tmp_path: Path) -> None:
    _train(tmp_path, 2, more=["sub-a"])
    with pytest.raises(FetaError, match="other more subjects"):
        _train(tmp_path, 2, more=["sub-a", "sub-a"])


def test_bytes_of_any_kind_are_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"hello")
    with pytest.raises(FetaError, match="is broken"):
        _train(tmp_path)


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").mkdir()
    with pytest.raises(FetaError, match="cannot be read"):
        _train(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("losses: {window: 0}", "window and erosions"),
        ("losses: {thin: [9]}", "thin must name"),
        ("losses: {thin: []}", "thin must name"),
        ("synthesis: {size: 0}", "size must be"),
        ("synthesis: {spacing: 0.0}", "spacing more than 0"),
    ],
)
def test_settings_of_nothing_are_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(FetaError, match=words):
        read_settings(SegmentationSettings, tmp_path / "s.yaml")


def test_a_finished_run_says_so(tmp_path: Path) -> None:
    _train(tmp_path)
    lines: list[str] = []
    _train(tmp_path, 2, lines)
    assert len(lines) == 1
    assert "is finished at step 2" in lines[0]


def test_a_killed_run_logs_no_step_twice(tmp_path: Path) -> None:
    _train(tmp_path, 3)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    torch.save(state | {"step": 1}, tmp_path / "checkpoint.pt")  # as if killed after step 3, saved at step 1
    _train(tmp_path, 4)
    assert [row["step"] for row in read_rows(tmp_path / "log.csv")] == ["1", "2", "3", "4"]


def test_a_log_keeps_its_rows_up_to_a_step(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        append_row(tmp_path / "log.csv", {"step": str(step), "loss": "1"})
    drop_after(tmp_path / "log.csv", 2)
    assert [row["step"] for row in read_rows(tmp_path / "log.csv")] == ["1", "2"]
    drop_after(tmp_path / "none.csv", 2)
    assert not (tmp_path / "none.csv").exists()


def test_a_truncated_checkpoint_is_one_clear_line(tmp_path: Path) -> None:
    _train(tmp_path)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FetaError, match="is broken"):
        _train(tmp_path)


def test_a_run_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FetaError, match="can't be made"):
        _train(tmp_path / "file")


def test_an_empty_checkpoint_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(FetaError, match="is broken"):
        _train(tmp_path)


def test_what_is_no_checkpoint_is_one_clear_line(tmp_path: Path) -> None:
    torch.save({"network": {}}, tmp_path / "checkpoint.pt")
    with pytest.raises(FetaError, match="was not left by this version"):
        _train(tmp_path)


def test_starting_from_no_checkpoint_of_ours_is_one_clear_line(run: Path, tmp_path: Path) -> None:
    torch.save({"weights": {}}, tmp_path / "checkpoint.pt")
    call = ["fit", "segmentation", str(run / "data"), str(tmp_path / "new"), "--config", str(run / "s.yaml")]
    result = CliRunner().invoke(app, [*call, "--threads", "1", "--device", "cpu", "--pretrained", str(tmp_path)])
    assert "was not left by this version" in str(result.exception)


def test_a_run_that_goes_on_needs_no_run_to_start_from(run: Path, tmp_path: Path) -> None:
    assert _call(run, "--pretrained", str(tmp_path / "gone")) == ""


@pytest.mark.parametrize("name", ["steps", "batch", "validate_every", "minutes"])
def test_a_loop_of_nothing_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(f"loop: {{{name}: 0}}")
    with pytest.raises(FetaError, match=f"loop: {name} must be"):
        read_settings(SegmentationSettings, tmp_path / "s.yaml")


def test_endless_minutes_are_a_setting() -> None:
    assert LoopSettings(minutes=math.inf).minutes == math.inf


@pytest.mark.parametrize("option", ["--steps", "--minutes"])
def test_training_for_nothing_is_one_clear_line(run: Path, option: str) -> None:
    assert f"loop: {option[2:]} must be" in _call(run, option, "0")

"""What the command line was called until 0.1 still works, and each help fits on a screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.tiny_subjects import write_balls
from training.cli import ASSESS, DATA, EXPORT, FIT, app
from training.commands.common import VALIDATION
from training.commands.renamed import COMMANDS, OPTIONS

GROUPS = {"data": DATA, "fit": FIT, "export": {"segmentation": None, **EXPORT}, "assess": ASSESS}
CALLS = [(), *((group,) for group in GROUPS), *((group, name) for group, names in GROUPS.items() for name in names)]
#: How a terminal of a hundred columns and forty lines is told to those that ask.
SCREEN = {"COLUMNS": "100", "TERMINAL_WIDTH": "100"}


def _call(*words: str) -> Result:
    return CliRunner().invoke(app, words, env=SCREEN)


@pytest.mark.parametrize("old", COMMANDS)
def test_an_old_command_is_the_new_one_with_a_warning(old: str) -> None:
    before, now = _call(old, "--help"), _call(*COMMANDS[old], "--help")
    assert before.exit_code == now.exit_code == 0
    assert before.stdout == now.stdout
    assert f"Usage: root {' '.join(COMMANDS[old])}" in " ".join(now.stdout.split())
    assert now.stderr == ""
    assert before.stderr.count("\n") == 1
    assert f"{old} is now called feta-train {' '.join(COMMANDS[old])};" in before.stderr


def test_every_command_of_the_first_release_has_its_new_name() -> None:
    """Names as they stood in `training/cli.py` then; `export` became a group and is told by its options."""
    first = (
        "simulate degrade picture appearance-check age-line individuals variants anatomy reproduce autoencoder "
        "export-autoencoder topology-report heatmaps export-heatmaps heads extraction export-extraction landmarks "
        "ga-baseline biometry-fit biometry-report segmentation locator validate stress"
    )
    assert set(COMMANDS) == set(first.split())
    assert all(name in GROUPS[group] for group, name in COMMANDS.values())


def test_the_other_processes_of_torchrun_do_not_repeat_the_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    assert _call("segmentation", "--help").stderr == ""


@pytest.mark.parametrize("form", ["--from {}", "--from={}"])
def test_an_old_option_is_the_new_one_with_a_warning(tmp_path: Path, form: str) -> None:
    """The folder that it names is asked for, and holds no run."""
    write_balls(tmp_path / "atlases", ("sub-a", VALIDATION[0]), side=16, spacing=6.0)
    assert OPTIONS == {"--from": "--pretrained"}
    call = ["fit", "segmentation", str(tmp_path / "atlases"), str(tmp_path / "run"), "--threads", "1"]
    result = _call(*call, *form.format(tmp_path / "none").split(" "))
    assert "none/checkpoint.pt: does not exist" in str(result.exception)
    assert "--from is now called --pretrained;" in result.stderr
    assert "--from" not in _call("fit", "segmentation", "--help").stdout


def test_export_of_runs_in_one_call_still_works(tmp_path: Path) -> None:
    """The weights that it writes are compared in test_train; here, that both networks are asked for."""
    run = str(tmp_path / "run")
    result = _call("export", str(tmp_path), "--int8", f"--segmentation-run={run}", "--locator-run", run)
    assert "run/checkpoint.pt: does not exist" in str(result.exception)
    assert result.stderr.startswith(
        "feta-train: export --segmentation-run is now called feta-train export segmentation"
    )
    assert result.stdout == ""


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_help_fits_on_a_screen(call: tuple[str, ...]) -> None:
    lines = _call(*call, "--help").stdout.splitlines()
    assert 5 < len(lines) <= 40
    assert max(map(len, lines)) <= 100

"""Reference pages hold every command and option that the programs' own help names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from evaluation.cli import app as evaluation
from inference.cli import app as infer
from inference.cli import forms
from inference.commands.bids_app import app as bids
from tools.site.commands import page, programs
from training.cli import app as training

#: How a command is called in the pages, and the program that answers to ``--help`` for it.
HELPED: list[tuple[str, typer.Typer]] = [
    ("feta-infer", infer),
    ("feta-infer BIDS OUT participant", bids),
    ("feta-infer", forms),
    ("feta-evaluate", evaluation),
    ("feta-train", training),
]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: page(name, forms) for name, forms in programs().items()}


def help_of(app: typer.Typer, *words: str) -> str:
    """What ``--help`` prints, without colours and in lines that hold a whole row."""
    said = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "400", "TERM": "dumb", "NO_COLOR": "1"})
    assert said.exit_code == 0, said.output
    return said.output


def every_help(app: typer.Typer, *words: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """The help of each command that is no group, found by following the lists that the groups' helps print."""
    text = help_of(app, *words)
    listed = text.partition(" Commands ")[2]
    if not listed:
        yield words, text
    for name in re.findall(r"^│ ([a-z][\w-]*) ", listed, re.M):
        yield from every_help(app, *words, name)


def section(text: str, heading: str) -> str:
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found, heading
    return found[1]


@pytest.mark.parametrize(("called", "app"), HELPED, ids=["infer", "bids", "forms", "evaluate", "train"])
def test_every_option_of_every_help_stands_in_its_section(pages: dict[str, str], called: str, app: typer.Typer) -> None:
    helps = list(every_help(app))
    for words, text in helps:
        told = section(pages[called.split()[0]], " ".join([called, *words]))
        options = set(re.findall(r"(?<=[ ,/])(--[a-z][\w-]*)(?= )", text.partition("Options ")[2])) - {"--help"}
        named = {option for option in options if re.search(rf"^│ .*{option} ", text, re.M)}
        assert named or "Options" in text, words
        assert {option for option in named if not re.search(rf"`[^`]*{option}\b[^`]*`", told)} == set(), words
    assert len(helps) >= {id(forms): 6, id(evaluation): 10, id(training): 25}.get(id(app), 1)


def test_arguments_and_what_they_mean_are_told(pages: dict[str, str]) -> None:
    told = section(pages["feta-evaluate"], "feta-evaluate score")
    assert "feta-evaluate score [OPTIONS] truth submissions output" in told
    assert "| `submissions <path>` | One folder for each team. [required] |" in told
    assert "Exit status: 0 all fine" in told


def test_hidden_commands_and_options_are_left_out(pages: dict[str, str]) -> None:
    text = "".join(pages.values())
    assert "estimate-quality" not in text
    assert "## feta-train export runs" not in text


def test_what_would_be_markup_is_not(pages: dict[str, str]) -> None:
    text = "".join(pages.values())
    outside = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)
    assert not re.search(r"(?<!\\)\*|<(?!/?\w+>)", outside)


def test_names_of_programs_are_those_that_are_installed(pages: dict[str, Any]) -> None:
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).resolve().parents[3] / "pyproject.toml").read_text())["project"]
    assert set(pages) == set(project["scripts"])

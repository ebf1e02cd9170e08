"""Names that commands and options had until 0.1; they work for one more release, with a line on stderr."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

#: Words of a call without their groups, as they were, and as they are.
COMMANDS: dict[str, tuple[str, str]] = {
    "simulate": ("data", "simulate"),
    "individuals": ("data", "individuals"),
    "variants": ("data", "variants"),
    "heads": ("data", "heads"),
    "degrade": ("data", "degrade"),
    "picture": ("data", "picture"),
    "segmentation": ("fit", "segmentation"),
    "locator": ("fit", "locator"),
    "extraction": ("fit", "brain-extraction"),
    "heatmaps": ("fit", "landmarks"),
    "autoencoder": ("fit", "autoencoder"),
    "anatomy": ("fit", "anatomy"),
    "export-extraction": ("export", "brain-extraction"),
    "export-heatmaps": ("export", "landmarks"),
    "export-autoencoder": ("export", "autoencoder"),
    "validate": ("assess", "validate"),
    "stress": ("assess", "robustness"),
    "topology-report": ("assess", "topology"),
    "biometry-report": ("assess", "biometry"),
    "biometry-fit": ("assess", "calibrate"),
    "appearance-check": ("assess", "appearance"),
    "reproduce": ("assess", "anatomy"),
    "landmarks": ("assess", "landmarks"),
    "age-line": ("assess", "age-line"),
    "ga-baseline": ("assess", "ga-baseline"),
}
OPTIONS: dict[str, str] = {"--from": "--pretrained"}
#: What ``export WEIGHTS --segmentation-run … --locator-run …`` was; its name is that of a group now.
EXPORT_RUNS = ("export", "runs")
_EXPORT_OPTIONS = ("--segmentation-run", "--locator-run")


class RenamingGroup(TyperGroup):
    """A group whose commands can be called by their old names as well."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put today's words in place of yesterday's."""
        return super().parse_args(ctx, renamed_command(args))


class RenamingCommand(TyperCommand):
    """A command whose options can be called by their old names as well."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put today's options in place of yesterday's."""
        return super().parse_args(ctx, [renamed_option(word) for word in args])


def renamed_command(words: Sequence[str]) -> list[str]:
    """The words of a call with today's name of the command, and a warning where it had another."""
    if words and words[0] in COMMANDS:
        new = COMMANDS[words[0]]
        _warn(words[0], f"feta-train {' '.join(new)}")
        return [*new, *words[1:]]
    if words[:1] == ["export"] and any(word.split("=")[0] in _EXPORT_OPTIONS for word in words):
        _warn("export --segmentation-run", "feta-train export segmentation and export locator")
        return [*EXPORT_RUNS, *words[1:]]
    return list(words)


def renamed_option(word: str) -> str:
    """A word of a call with today's name of the option, and a warning where it had another."""
    name, equals, value = word.partition("=")
    if name not in OPTIONS:
        return word
    _warn(name, OPTIONS[name])
    return OPTIONS[name] + equals + value


def _warn(old: str, new: str) -> None:
    # Of several processes under torchrun, the first one speaks.
    if os.environ.get("RANK", "0") == "0":
        typer.echo(f"feta-train: {old} is now called {new}; the old name ends with the next release", err=True)

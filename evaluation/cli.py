"""``feta-evaluate``: what submissions are worth."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable

import typer

from evaluation.commands import analysis, boards, containers, quality, rehearsal, scoring
from evaluation.commands.common import EPILOG, UNUSABLE
from evaluation.metrics.backend import translate_old_variable
from feta.errors import FetaError
from feta.machine import end_quickly, keep_freed_memory

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Score, rank and check FeTA submissions.",
    epilog=EPILOG,
)
for group in (scoring.app, rehearsal.app, containers.app, boards.app, analysis.app):
    app.add_typer(group)
app.add_typer(quality.app, name="quality")


def _add_old_name(old: str, new: str, command: Callable[..., None]) -> None:
    """Let a command answer to the name that it had, for one release, with a line of warning."""

    @functools.wraps(command)
    def renamed(*arguments: object, **options: object) -> None:
        print(f"feta-evaluate: '{old}' is called '{new}' now; the old name goes with the next release", file=sys.stderr)
        command(*arguments, **options)

    app.command(old, hidden=True, epilog=EPILOG)(renamed)


_add_old_name("calibrate-quality", "quality calibrate", quality.calibrate_quality)
_add_old_name("estimate-quality", "quality estimate", quality.estimate_quality)
_add_old_name("compare", "compare-editions", analysis.compare_two_editions)


def main() -> None:
    """Entry point of ``feta-evaluate``."""
    keep_freed_memory()
    end_quickly()
    logging.basicConfig(format="feta-evaluate: %(message)s", level=logging.WARNING)
    translate_old_variable()
    try:
        app()
    except FetaError as error:
        print(f"feta-evaluate: {error}", file=sys.stderr)
        sys.exit(UNUSABLE)

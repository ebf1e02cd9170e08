"""``feta-infer BIDS OUT participant`` and ``group``: the call of BIDS apps."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from feta.cases import find_cases
from feta.errors import FetaError
from inference.commands.bids_arguments import bids_arguments
from inference.commands.bids_selection import selected
from inference.commands.common import describe_results, jobs_of, run_jobs
from inference.commands.group import summarise
from inference.derivatives.layout import Layout, check_layout
from inference.derivatives.validation import ValidatorError, errors_of, is_installed
from inference.options import (
    AllowUnmounted,
    Fast,
    LayoutOption,
    Neurological,
    NoQc,
    NoReport,
    Overwrite,
    Participants,
    Stacks,
    Surfaces,
    Workers,
    length_options,
    looks,
    network_options,
    takes,
)  # fmt: skip
from inference.runs.mounts import check_folders
from inference.runs.settings import Settings
from inference.runs.summary import print_folder_summary

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Level(StrEnum):
    """What a BIDS app is asked for."""

    PARTICIPANT = "participant"
    GROUP = "group"


@app.command(epilog="Labels with 'sub-' or without, several after one option. BIDS names unless --layout challenge.")
@takes(network_options, length_options)
def bids_app(
    bids: Annotated[Path, typer.Argument(metavar="BIDS", help="Data set.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for derivatives.")],
    level: Annotated[Level, typer.Argument(metavar="LEVEL", help="participant, then group: all together.")],
    participant_label: Annotated[list[str] | None, typer.Option(metavar="LABEL…", help="These only.")] = None,
    session_label: Annotated[list[str] | None, typer.Option(metavar="LABEL…", help="These only.")] = None,
    skip_bids_validation: Annotated[
        bool, typer.Option("--skip-bids-validation", help="Don't ask the BIDS validator.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a data set that isn't valid.")] = False,
    layout: LayoutOption = Layout.BIDS,
    participants: Participants = None,
    stacks: Stacks = False,
    overwrite: Overwrite = False,
    fast: Fast = False,
    no_qc: NoQc = False,
    no_report: NoReport = False,
    neurological: Neurological = False,
    probseg: Annotated[bool, typer.Option("--probseg", help="Also each tissue's probabilities.")] = False,
    surfaces: Surfaces = False,
    workers: Workers = None,
    allow_unmounted: AllowUnmounted = False,
    *,
    settings: Settings,
) -> None:
    """Segment and measure fetal brains, called as BIDS apps are."""
    if not bids.is_dir():
        raise FetaError(bids, "is no folder" if bids.exists() else "does not exist", "name a BIDS data set")
    check_folders(bids, output, allow_unmounted=allow_unmounted)
    check_layout(output, layout, bids)
    found = selected(find_cases(bids, participants, stacks=stacks), bids, participant_label or [], session_label or [])
    mirror_tta = False if fast else settings.mirror_tta
    settings = replace(settings, overwrite=overwrite, soft=probseg, workers=workers, mirror_tta=mirror_tta)
    shown = looks(no_qc=no_qc or fast, no_report=no_report or fast, neurological=neurological, surfaces=surfaces)
    jobs = jobs_of(found, output, layout, shown, soft=probseg)
    if level is Level.GROUP:
        raise typer.Exit(summarise(bids, output, jobs))
    if not skip_bids_validation:
        validate(bids, strict=strict)
    describe_results(layout, output, bids, settings)
    status, lengths = run_jobs(found, jobs, settings, output)
    print_folder_summary(output, len(lengths), len(jobs) + len(found.problems))
    raise typer.Exit(status)


def validate(bids: Path, *, strict: bool) -> None:
    """Tell the errors of a data set, by the official validator where it is installed.

    Raises:
        FetaError: there are errors, or nobody knows, and the call is strict.
    """
    if not is_installed():
        if strict:
            raise FetaError("--strict", "the BIDS validator is not installed", "pip install bids-validator-deno")
        return
    try:
        errors = errors_of(bids)
    except ValidatorError as error:
        if strict:
            raise FetaError("--strict", f"the BIDS validator failed ({error})", "leave out --strict") from error
        errors = [f"the BIDS validator failed ({error})"]
    for line in errors:
        print(f"warning: {bids} is no valid BIDS data set: {line}", file=sys.stderr)
    if errors and strict:
        raise FetaError(bids, f"is no valid BIDS data set ({len(errors)} kinds of error)", "correct it, or no --strict")


def as_typer_reads_it(arguments: Sequence[str]) -> list[str] | None:
    """The arguments of a BIDS app's call as this form takes them; None for a call of another form."""
    parameters = typer.main.get_command(app).params
    valued = [p for p in parameters if p.param_type_name == "option" and not getattr(p, "is_flag", False)]
    return bids_arguments(arguments, frozenset(name for p in valued for name in p.opts))

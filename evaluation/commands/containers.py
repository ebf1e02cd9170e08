"""Commands that run teams' containers."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from evaluation.commands.common import EPILOG, FINE, INTERRUPTED, SOME_FAILED, FormatOption, check_output
from feta.errors import FetaError

# What only one command needs is imported in it, as in evaluation/commands/scoring.py.

app = typer.Typer()

TeamOption = Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this team; can be repeated.")]
AgainOption = Annotated[bool, typer.Option("--again", help="With --team: forget its results, run all of its cases.")]


@app.command(epilog=EPILOG)
def run(
    roster: Annotated[Path, typer.Argument(help="YAML, such as evaluation/harness/roster.yaml.")],
    input_: Annotated[Path, typer.Argument(metavar="INPUT", help="Hidden volumes and participants.tsv.")],
    output: Annotated[Path, typer.Argument(help="State, logs, submissions. A run that was ended continues there.")],
    team: TeamOption = None,
    again: AgainOption = False,
) -> None:
    """Run each team's container on each case (needs the extra `harness`)."""
    from evaluation.harness.case_state import CaseState
    from evaluation.harness.context import RunFolders
    from evaluation.harness.roster import read_roster
    from evaluation.harness.run import run as run_all
    from evaluation.harness.state import RunState
    from evaluation.harness.status import shown_live

    # An engine takes a relative path for the name of a volume.
    input_, output = input_.resolve(), output.resolve()
    rules = read_roster(roster)
    check_output(output, input_)
    try:
        with shown_live(RunState(RunFolders(output).state), rules.limits) as on_cases_done:
            rows = run_all(rules, input_, output, on_cases_done, only=tuple(team or ()), again=again)
    except KeyboardInterrupt:
        print("feta-evaluate: interrupted; the same command continues where it stopped", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    print(f"next: feta-evaluate score TRUTH {shlex.quote(str(output / 'submissions'))} SCORES", file=sys.stderr)
    raise typer.Exit(FINE if all(row.state is CaseState.DONE for row in rows) else SOME_FAILED)


@app.command(epilog=EPILOG)
def status(
    output: Annotated[Path, typer.Argument(help="The output folder of `run`.")],
    format_: FormatOption = "table",
) -> None:
    """Say how far a run is, from any terminal."""
    from evaluation.harness.context import RunFolders
    from evaluation.harness.state import RunState
    from evaluation.harness.status import print_status
    from feta.lock import is_held

    folders = RunFolders(output)
    if not folders.state.is_file():
        raise FetaError(output, "holds no run", "name the output folder of `feta-evaluate run`")
    state = RunState(folders.state)
    print_status(
        state.rows(),
        state.limits(),
        running=is_held(folders.lock),
        as_json=format_ == "json",
        file=sys.stdout,
    )

"""Commands that run teams' containers."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from evaluation.commands.common import (
    EPILOG,
    FINE,
    INTERRUPTED,
    SOME_FAILED,
    CertificatesOption,
    FormatOption,
    InsecureOption,
    SchedulerOption,
    check_output,
    check_place,
    scheduler_address,
)
from feta.errors import FetaError

# What only one command needs is imported in it, as in evaluation/commands/scoring.py.

if TYPE_CHECKING:
    from evaluation.harness.context import RunFolders
    from evaluation.harness.roster import Roster
    from evaluation.harness.workers import Machines

app = typer.Typer()

TeamOption = Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this team; can be repeated.")]
AgainOption = Annotated[bool, typer.Option("--again", help="With --team: forget its results, run all of its cases.")]


PhaseOption = Annotated[str | None, typer.Option(metavar="NAME", help="Of the roster: take what is new, and run it.")]
WordOption = Annotated[
    str, typer.Option(help="With --phase --again, after an appeal: by whose word, and why; it is published.")
]
SendOption = Annotated[
    bool, typer.Option("--send", help="With --scheduler: send the input with each job; no folder need be shared.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what it takes and what is missing; start nothing.")]
NumberOption = Annotated[
    int | None, typer.Option(min=1, help="With --phase --again: which submission.", show_default="the last")
]


@app.command(epilog=EPILOG)
def run(
    roster: Annotated[Path, typer.Argument(help="YAML, such as evaluation/harness/roster.yaml.")],
    input_: Annotated[Path, typer.Argument(metavar="INPUT", help="Hidden volumes and participants.tsv.")],
    output: Annotated[Path, typer.Argument(help="State, logs, submissions. A run that was ended continues there.")],
    team: TeamOption = None,
    again: AgainOption = False,
    phase: PhaseOption = None,
    word: WordOption = "",
    number: NumberOption = None,
    scheduler: SchedulerOption = None,
    certificates: CertificatesOption = None,
    insecure: InsecureOption = False,
    send: SendOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Run each team's container on each case (needs the extra `harness`, or `cluster`)."""
    from evaluation.harness.case_state import CaseState
    from evaluation.harness.context import RunFolders
    from evaluation.harness.roster import read_roster
    from evaluation.harness.run import run as run_all
    from evaluation.harness.state import RunState
    from evaluation.harness.status import shown_live

    # An engine takes a relative path for the name of a volume.
    input_, output = input_.resolve(), output.resolve()
    rules = read_roster(roster)
    machines = _machines(scheduler, certificates, insecure=insecure, send=send)
    if dry_run:
        _dry_run(rules, phase, input_, output, tuple(team or ()), machines)
    check_output(output, input_)
    if rules.phases or phase:
        only = tuple(team or ())
        _run_phase(rules, phase, input_, output, only, machines, again=again, word=word, number=number)
    if word or number:
        raise FetaError("--word", "is for a roster with phases", "see evaluation/harness/roster.yaml")
    try:
        with shown_live(RunState(RunFolders(output).state), rules.limits) as on_cases_done:
            rows = run_all(rules, input_, output, on_cases_done, only=tuple(team or ()), again=again, machines=machines)
    except KeyboardInterrupt:
        print("feta-evaluate: interrupted; the same command continues where it stopped", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    print(f"next: feta-evaluate score TRUTH {shlex.quote(str(output / 'submissions'))} SCORES", file=sys.stderr)
    raise typer.Exit(FINE if all(row.state is CaseState.DONE for row in rows) else SOME_FAILED)


def _machines(
    scheduler: str | None, certificates: Path | None, *, insecure: bool, send: bool
) -> Callable[[Roster, RunFolders], Machines]:
    """Where containers are started."""
    from evaluation.harness.workers import ThisMachine

    address = scheduler_address(scheduler, certificates, insecure=insecure, send=send)
    if address is None:
        return ThisMachine
    from evaluation.cluster.machines import Cluster

    return partial(Cluster, address, send=send)


def _dry_run(
    rules: Roster,
    phase: str | None,
    input_: Path,
    output: Path,
    only: tuple[str, ...],
    machines: Callable[[Roster, RunFolders], Machines],
) -> NoReturn:
    """Say what a run would be, and start nothing."""
    from evaluation.cluster.forecast import forecast
    from evaluation.phases.run_phase import phase_named

    check_place(output, input_)
    if rules.phases or phase:
        # What a phase takes is decided when it is taken: each team's image anew is the most that there can be.
        output /= phase_named(rules, phase).name
        print(f"phase {phase}: as if every team named here had handed in anew")
    found = forecast(rules, input_, output, machines, only=only)
    for line in found.lines:
        print(line)
    for line in found.problems:
        print(f"problem: {line}")
    raise typer.Exit(SOME_FAILED if found.problems else FINE)


@app.command()
def certificates(
    folder: Annotated[Path, typer.Argument(help="A new folder; keep it as you keep the hidden data.")],
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long they are valid.")] = 90,
) -> None:
    """Make certificates for a cluster's scheduler, workers, and `run --scheduler` (needs the extra `cluster`)."""
    from evaluation.cluster.certificates import make_certificates

    make_certificates(folder, days)
    print(f"{folder}: ca.pem for all; scheduler, worker and client .pem with their -key.pem; valid for {days} days")
    print("whoever has one of the keys can run what they like on every worker")


def _run_phase(
    rules: Roster,
    name: str | None,
    input_: Path,
    output: Path,
    only: tuple[str, ...],
    machines: Callable[[Roster, RunFolders], Machines],
    *,
    again: bool,
    word: str,
    number: int | None,
) -> NoReturn:
    """``run`` of a roster with phases."""
    from evaluation.harness.case_state import CaseState
    from evaluation.harness.context import RunFolders
    from evaluation.harness.state import RunState
    from evaluation.harness.status import shown_live
    from evaluation.phases.history import said
    from evaluation.phases.run_phase import Appeal, phase_named, run_phase, take

    phase, folder = phase_named(rules, name), output / (name or "")
    if again and len(only) != 1:
        raise FetaError("--again", "is for one team's submission", "name it: --team NAME")
    if (word or number) and not again:
        raise FetaError("--word", "is for what is run again", "add --again")
    appeal = Appeal(only[0], number, word) if again else None
    admitted = take(rules, phase, output, only=only, appeal=appeal, machines=machines)
    for entry in admitted.taken:
        kind = "taken" if entry.again_of is None else f"run again, in place of no. {entry.again_of}"
        print(f"{entry.team}: no. {entry.number} of phase {phase.name}: {kind}, {said(entry.received)}")
    # Now, and not after hours of running.
    print("".join(f"{line}\n" for line in admitted.refused), end="", flush=True)
    try:
        with shown_live(RunState(RunFolders(folder).state), rules.limits) as on_cases_done:
            done = run_phase(rules, phase, input_, output, on_cases_done, machines=machines)
    except KeyboardInterrupt:
        print("feta-evaluate: interrupted; the same command continues where it stopped", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    print("".join(f"{line}\n" for line in done.gone), end="")
    submissions, scores = (shlex.quote(str(folder / part)) for part in ("submissions", "scores"))
    print(f"next: feta-evaluate score TRUTH {submissions} {scores} --tables", file=sys.stderr)
    print(f"then: feta-evaluate board {shlex.quote(str(output))} SITE", file=sys.stderr)
    well = all(row.state is CaseState.DONE for row in done.rows) and not admitted.refused and not done.gone
    raise typer.Exit(FINE if well else SOME_FAILED)


@app.command(epilog=EPILOG)
def status(
    output: Annotated[Path, typer.Argument(help="The output folder of `run`.")],
    format_: FormatOption = "table",
) -> None:
    """Say how far a run is, from any terminal."""
    from evaluation.harness.context import RunFolders
    from evaluation.harness.state import RunState
    from evaluation.harness.status import print_status
    from evaluation.phases.history import HISTORY
    from feta.lock import is_held

    folders = RunFolders(output)
    if (output / HISTORY).is_file():
        raise FetaError(output, "holds the phases of a challenge", f"name one's folder: {output / 'PHASE'}")
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

"""The command that tries a participant's image before it counts."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evaluation.commands.common import EPILOG, FINE, INTERRUPTED, SOME_FAILED, FormatOption, check_output
from feta.errors import FetaError

# What only one command needs is imported in it, as in evaluation/commands/scoring.py.

if TYPE_CHECKING:
    from evaluation.harness.roster import Roster
    from evaluation.rehearsal.findings import Finding

_UNSEEN = "not seen from outside: what it tried in vain and got over; how fast the organizers' machine and GPU are"
_NO_BRAINS = "phantoms have little likeness to brains: what is not found in them may well be found in volumes"

app = typer.Typer()

ConventionOption = Annotated[
    str | None, typer.Option(help="folder, folder-all, 2024-case, 2024-all or 2021.", show_default="folder")
]
RosterOption = Annotated[
    Path | None, typer.Option(help="The organizer's: limits, GPUs and helper image of it.", show_default="none")
]


@app.command(epilog=EPILOG)
def rehearse(
    image: Annotated[str, typer.Argument(help="The image, as it would be handed in.")],
    cases: Annotated[
        Path | None, typer.Argument(help="Volumes and participants.tsv, such as feta-train data simulate makes.")
    ] = None,
    phantoms: Annotated[bool, typer.Option("--phantoms", help="In place of CASES: three made-up brains.")] = False,
    convention: ConventionOption = None,
    roster: RosterOption = None,
    team: Annotated[str | None, typer.Option(help="With --roster: convention and exceptions of this team.")] = None,
    gpu: Annotated[str | None, typer.Option(help="Id of a GPU.", show_default="the roster's, or none")] = None,
    why: Annotated[
        bool,
        typer.Option("--why", help="Try what fails again with walls taken down, also with a network: your image only!"),
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="Keep results, logs and phantoms here.", show_default="nowhere")
    ] = None,
    format_: FormatOption = "table",
) -> None:
    """Run your image as organizers do, and say what would be lost (needs the extra `harness`)."""
    from evaluation.harness.status import line
    from evaluation.rehearsal.phantoms import write_phantoms
    from evaluation.rehearsal.rehearse import cases_in
    from evaluation.rehearsal.rehearse import rehearse as run_it
    from evaluation.rehearsal.walls import explain

    if (cases is None) is not phantoms:
        raise FetaError("CASES", "name a folder of volumes, or --phantoms, and not both")
    rules = _rules(image, convention, roster, team, gpu)
    with _folder(output) as folder:
        input_ = write_phantoms(folder / "phantoms") if cases is None else cases_in(cases.resolve())
        if output:
            check_output(folder, input_)
        try:
            done = run_it(
                rules,
                input_,
                folder / "run",
                lambda rows: print("\n".join(map(line, rows)), file=sys.stderr, flush=True),
            )
            reasons = explain(rules, input_, folder / "why", list(done.rows)) if why and done.lost else []
        except KeyboardInterrupt:
            print("feta-evaluate: interrupted", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
    found = [*done.findings, *reasons]
    if format_ == "json":
        print(
            json.dumps({"cases": [asdict(row) for row in done.rows], "findings": [asdict(f) for f in found]}, indent=1)
        )
    else:
        if cases is None:
            print(f"note: {_NO_BRAINS}")
        _print(found, len(done.rows), hint=done.lost and not why)
    raise typer.Exit(SOME_FAILED if done.lost else FINE)


def _rules(image: str, convention: str | None, roster: Path | None, team: str | None, gpu: str | None) -> Roster:
    """The organizer's roster with one team in it."""
    from evaluation.harness.roster import Convention, Roster, Team, read_roster
    from evaluation.rehearsal.rehearse import named_anew

    given = read_roster(roster) if roster else None
    if team is not None and (given is None or team not in {t.name for t in given.teams}):
        known = ", ".join(t.name for t in given.teams) if given else "it needs --roster"
        raise FetaError("--team", f"the roster has no team {team!r}", known)
    if convention is not None and convention not in list(Convention):
        raise FetaError("--convention", f"{convention!r} is none", f"it must be one of {', '.join(Convention)}")
    try:
        own = replace(given.team(team), image=image) if given and team else Team("rehearsal", image)
        own = named_anew(replace(own, convention=Convention(convention)) if convention else own)
        # A participant need have no other image: the helper only holds results.
        rules = replace(given, teams=(own,), phases=()) if given else Roster((own,), helper_image=image, isolation=())
        return replace(rules, gpus=(gpu,) if gpu else rules.gpus[:1], parallel=1)
    except ValueError as error:
        raise FetaError(image, str(error)) from error


@contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    """The folder to keep, or one that goes."""
    if output is not None:
        if output.exists() and any(output.iterdir()):
            raise FetaError(output, "is not empty", "choose a new folder")
        output.mkdir(parents=True, exist_ok=True)
        yield output.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="feta-rehearsal-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _print(found: list[Finding], cases: int, *, hint: bool) -> None:
    """A line a finding, and a summary."""
    for finding in found:
        print(finding.line())
    counts = {weight: sum(finding.weight == weight for finding in found) for weight in ("lost", "risk")}
    print(f"note: {_UNSEEN}")
    if hint and any(finding.about in ("exit status", "result") for finding in found):
        print("note: an image of your own? --why tries what failed again with walls taken down, one at a time")
    things = "1 thing" if counts["lost"] == 1 else f"{counts['lost']} things"
    lost = f"{things} would be lost" if counts["lost"] else "nothing would be lost"
    print(f"{cases} cases: {lost}, {counts['risk']} at risk")

"""``feta-evaluate``: what submissions are worth."""

from __future__ import annotations

import json
import logging
import shlex
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evaluation.analysis import commands as analysis
from evaluation.choices import Euler, RankingScheme
from evaluation.metrics.backend import translate_old_variable
from feta.allocator import keep_freed_memory
from feta.errors import FetaError
from feta.files import make_writable

# What only one command needs is imported in it: `--help` and `validate` must answer at once.

if TYPE_CHECKING:
    from evaluation.scoring.messages import ScoringMessages
    from evaluation.scoring.score_table import ScoreTable

FINE, SOME_FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130
_SHOWN_LINES = 20
EPILOG = "Exit status: 0 all fine, 1 some case failed, is missing or invalid, 2 unusable call or input."

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Score, rank and check FeTA submissions.",
    epilog=EPILOG,
)


app.add_typer(analysis.app)


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="What is printed.")]
EulerOption = Annotated[Euler, typer.Option(help="ED against the fixed table, or against the true map.")]


@app.command(epilog=EPILOG)
def score(
    truth: Annotated[Path, typer.Argument(help="BIDS tree: sub-*/anat/*_dseg.nii.gz, participants.tsv, biometry.tsv.")],
    submissions: Annotated[Path, typer.Argument(help="One folder for each team.")],
    output: Annotated[Path, typer.Argument(help="Folder for tables, leaderboards and the report.")],
    euler: EulerOption = "table",
    scheme: Annotated[RankingScheme, typer.Option(help="How teams are ranked.")] = "paper",
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="all cores")] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A dask scheduler whose workers measure, for instance tcp://host:8786."),
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="YAML with penalties, in place of the declared ones.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Where measurements are kept.", show_default="OUTPUT/.measurements")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Measure everything anew, keep nothing.")] = False,
    ga_baseline: Annotated[
        Path | None, typer.Option(help=r"JSON {measure: \[intercept, slope]}: an unranked row of lengths from the age.")
    ] = None,
    inter_rater: Annotated[
        Path | None, typer.Option(help="A second rater's lengths or mean errors: an unranked row.")
    ] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Show each team's worst cases in the report (test data!).")
    ] = False,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Score and rank all teams."""
    from evaluation.harness.record import read_record
    from evaluation.ranking.baselines import read_references
    from evaluation.scoring.policy import default_policy, read_policy
    from evaluation.scoring.truth import read_truth

    # Whatever can be wrong with the call is found in the first second, before hours of measuring.
    _check_output(output, truth, submissions)
    penalties = read_policy(policy) if policy else default_policy()
    references = read_references(ga_baseline, inter_rater, read_truth(truth).cases)
    runs = read_record(submissions)
    from evaluation.report.progress import progress_bar
    from evaluation.report.terminal import print_leaderboard
    from evaluation.report.worst_cases import picture_source
    from evaluation.report.write import write_outputs
    from evaluation.scoring.score import score as score_all

    kept = None if no_cache else cache or output / ".measurements"
    with progress_bar("cases") as progress:
        table, messages = score_all(
            truth,
            submissions,
            euler=euler,
            jobs=jobs,
            scheduler=scheduler,
            policy=penalties,
            cache=kept,
            progress=progress,
        )
    messages = replace(messages, command=shlex.join(["feta-evaluate", *sys.argv[1:]]), runs=runs)
    results = write_outputs(
        output,
        table,
        messages,
        scheme=scheme,
        seed=seed,
        references=references,
        euler=euler,
        pictures=picture_source(truth, submissions, table) if pictures else None,
    )
    print_leaderboard(results, format=format_.value)
    _report_messages(messages, output)
    raise typer.Exit(_status(table))


@app.command("compare-maps", epilog=EPILOG)
def compare_maps(
    truth: Annotated[Path, typer.Argument(help="The true label map.")],
    prediction: Annotated[Path, typer.Argument(help="A label map on the same grid.")],
    euler: EulerOption = "table",
    format_: FormatOption = Format.TABLE,
) -> None:
    """Print every metric of a single pair of label maps, tissue by tissue."""
    from evaluation.report.pair_table import compare_files, print_pair

    print_pair(compare_files(truth, prediction, euler), format=format_.value)


@app.command(epilog=EPILOG)
def validate(
    submission: Annotated[Path, typer.Argument(help="One team's folder.")],
    input_: Annotated[Path, typer.Argument(metavar="INPUT", help="The volumes that it was made from.")],
    format_: FormatOption = Format.TABLE,
) -> None:
    """Say what would be rejected of a submission and why, one line a problem."""
    from evaluation.submissions.validation import validate as check

    verdict = check(submission, input_)
    if format_ is Format.JSON:
        print(json.dumps({"cases": verdict.cases, "problems": verdict.problems, "remarks": verdict.messages}, indent=1))
    else:
        for line in verdict.problems:
            print(f"problem: {line}")
        for line in verdict.messages:
            print(f"note: {line}")
        print(f"{verdict.cases} cases, {len(verdict.problems)} problems, {len(verdict.messages)} notes")
    raise typer.Exit(SOME_FAILED if verdict.problems else FINE)


@app.command(epilog=EPILOG)
def run(
    roster: Annotated[Path, typer.Argument(help="YAML, such as evaluation/harness/roster.yaml.")],
    input_: Annotated[Path, typer.Argument(metavar="INPUT", help="Hidden volumes and participants.tsv; no truth.")],
    output: Annotated[Path, typer.Argument(help="State, logs, submissions. A run that was ended goes on there.")],
) -> None:
    """Run each team's container on each case, isolated and within limits (needs the extra `harness`)."""
    from evaluation.harness.case_state import CaseState
    from evaluation.harness.context import RunFolders
    from evaluation.harness.roster import read_roster
    from evaluation.harness.run import run as run_all
    from evaluation.harness.state import RunState
    from evaluation.harness.status import shown_live

    rules = read_roster(roster)
    _check_output(output, input_, input_)
    try:
        with shown_live(RunState(RunFolders(output).state), rules.limits) as on_cases_done:
            rows = run_all(rules, input_, output, on_cases_done)
    except KeyboardInterrupt:
        print("feta-evaluate: interrupted; the same command goes on where it was", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    print(f"next: feta-evaluate score TRUTH {shlex.quote(str(output / 'submissions'))} SCORES", file=sys.stderr)
    raise typer.Exit(FINE if all(row.state is CaseState.DONE for row in rows) else SOME_FAILED)


@app.command(epilog=EPILOG)
def status(
    output: Annotated[Path, typer.Argument(help="The output folder of `run`.")],
    format_: FormatOption = Format.TABLE,
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
        as_json=format_ is Format.JSON,
        file=sys.stdout,
    )


def _check_output(output: Path, truth: Path, submissions: Path) -> None:
    """Refuse an output folder that would change what is scored, or that can't be written, before hours of work."""
    for place in (truth, submissions):
        if output.resolve().is_relative_to(place.resolve()) and place.is_dir():
            raise FetaError(output, f"lies in {place}", "choose a folder of its own")
    make_writable(output)


def _report_messages(messages: ScoringMessages, output: Path) -> None:
    """Warnings and the first messages on each team; the rest is in the report."""
    for line in messages.warnings:
        print(f"warning: {line}", file=sys.stderr)
    for team, lines in messages.teams.items():
        for line in lines[:_SHOWN_LINES]:
            print(f"{team}: {line}", file=sys.stderr)
        if len(lines) > _SHOWN_LINES:
            print(f"{team}: … and {len(lines) - _SHOWN_LINES} more, see the report", file=sys.stderr)
    print(f"report: {output / 'report.html'}", file=sys.stderr)


def _status(table: ScoreTable) -> int:
    """SOME_FAILED where a file or a length is missing or invalid, or a true map can't be read."""
    from evaluation.submissions.reasons import FILE_REASONS, NOT_A_FAULT

    reasons, lengths = set(table.reasons.ravel().tolist()), set(table.length_reasons.ravel().tolist())
    all_mapped = bool(table.mapped.all())
    return FINE if all_mapped and not reasons & FILE_REASONS and not lengths - NOT_A_FAULT else SOME_FAILED


def main() -> None:
    """Entry point of ``feta-evaluate``."""
    keep_freed_memory()
    logging.basicConfig(format="feta-evaluate: %(message)s", level=logging.WARNING)
    translate_old_variable()
    try:
        app()
    except FetaError as error:
        print(f"feta-evaluate: {error}", file=sys.stderr)
        sys.exit(UNUSABLE)

"""Commands that measure: all teams, one pair of label maps, one submission before the deadline."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evaluation.choices import RankingScheme
from evaluation.commands.common import (
    EPILOG,
    FINE,
    SOME_FAILED,
    CertificatesOption,
    EulerOption,
    FormatOption,
    InsecureOption,
    SchedulerOption,
    SeedOption,
    check_output,
    command_line,
    report_page,
    report_warnings,
    scheduler_address,
)
from feta.errors import FetaError

# What only one command needs is imported in it: `--help` and `validate` must answer at once.

if TYPE_CHECKING:
    from evaluation.release.write import ReleasePlan
    from evaluation.scoring.messages import ScoringMessages
    from evaluation.scoring.score_table import ScoreTable

_SHOWN_LINES = 20

app = typer.Typer()


TruthArgument = Annotated[Path, typer.Argument(help="Ground truth: a BIDS folder and its biometry.tsv.")]
SchemeOption = Annotated[RankingScheme, typer.Option(help="How teams are ranked.")]
JobsOption = Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="all cores")]
PolicyOption = Annotated[Path | None, typer.Option(help="YAML with other penalties.")]
CacheOption = Annotated[
    Path | None, typer.Option(help="Where measurements are kept.", show_default="OUTPUT/.measurements")
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Measure everything anew, keep nothing.")]
BaselineOption = Annotated[
    Path | None, typer.Option(help=r"JSON {measure: \[intercept, slope]}: lengths from the age, an unranked row.")
]
RaterOption = Annotated[Path | None, typer.Option(help="A second rater's lengths or mean errors, an unranked row.")]
ReleaseOption = Annotated[Path | None, typer.Option(help="Folder for what may be published.")]
ReleasePolicyOption = Annotated[Path | None, typer.Option(help="YAML: what may be published.")]
EditionOption = Annotated[int | None, typer.Option(metavar="YEAR", min=2000, max=2999, help="Of the challenge.")]
TablesOption = Annotated[bool, typer.Option("--tables", help="Scores alone, for `board`.")]
PicturesOption = Annotated[bool, typer.Option("--pictures", help="Show worst cases in the report (test data!).")]


@app.command(epilog=EPILOG)
def score(
    truth: TruthArgument,
    submissions: Annotated[Path, typer.Argument(help="One folder for each team.")],
    output: Annotated[Path, typer.Argument(help="Folder for tables, leaderboards and the report.")],
    euler: EulerOption = "table",
    scheme: SchemeOption = "paper",
    seed: SeedOption = 0,
    jobs: JobsOption = None,
    scheduler: SchedulerOption = None,
    certificates: CertificatesOption = None,
    insecure: InsecureOption = False,
    policy: PolicyOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    ga_baseline: BaselineOption = None,
    inter_rater: RaterOption = None,
    pictures: PicturesOption = False,
    release: ReleaseOption = None,
    release_policy: ReleasePolicyOption = None,
    edition: EditionOption = None,
    tables: TablesOption = False,
    format_: FormatOption = "table",
) -> None:
    """Score and rank all teams."""
    from evaluation.harness.record import read_run_record
    from evaluation.ranking.baselines import read_references
    from evaluation.scoring.policy import default_policy, read_policy
    from evaluation.scoring.truth import read_truth

    # Whatever can be wrong with the call is found in the first second, before hours of measuring.
    if tables and release is not None:
        raise FetaError("--tables", "makes no ranks, which --release publishes", "leave out one of them")
    if scheduler and scheduler.startswith("tcp://") and not (insecure or certificates):
        said = "not encrypted: whoever reaches it can read the truth; the next release will ask for --insecure"
        report_warnings([f"{scheduler}: {said}"])
        insecure = True
    address = scheduler_address(scheduler, certificates, insecure=insecure)
    check_output(output, truth, submissions)
    penalties = read_policy(policy) if policy else default_policy()
    cases = read_truth(truth).cases
    references = read_references(ga_baseline, inter_rater, cases)
    record = read_run_record(submissions)
    plan = _release_plan(release, release_policy, len(cases), output, truth, submissions)
    from evaluation.report.progress import progress_bar
    from evaluation.report.terminal import print_leaderboard
    from evaluation.report.worst_cases import picture_source
    from evaluation.report.write import write_outputs, write_tables
    from evaluation.scoring.score import score as score_all

    kept = None if no_cache else cache or output / ".measurements"
    with progress_bar("cases") as progress:
        table, messages = score_all(
            truth,
            submissions,
            euler=euler,
            jobs=jobs,
            scheduler=address,
            policy=penalties,
            cache=kept,
            progress=progress,
        )
    messages = replace(messages, command=command_line(), runs=record.teams, places=record.places, edition=edition)
    if tables:
        write_tables(output, table, messages, scheme=scheme, seed=seed, euler=euler)
        print(f"{len(table.teams)} submissions, {len(table.cases)} cases: {output}")
        raise typer.Exit(_status(table))
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
    print_leaderboard(results, format=format_)
    _report_messages(messages, output)
    if plan:
        from evaluation.release.write import write_release

        report_warnings(write_release(plan, output, results, record))
        print(f"may be published: {plan.folder}", file=sys.stderr)
    raise typer.Exit(_status(table))


@app.command("compare-maps", epilog=EPILOG)
def compare_maps(
    truth: Annotated[Path, typer.Argument(help="The ground truth.")],
    prediction: Annotated[Path, typer.Argument(help="A label map on the same grid.")],
    euler: EulerOption = "table",
    format_: FormatOption = "table",
) -> None:
    """Print every metric of a pair of label maps."""
    from evaluation.report.pair_table import compare_files, print_pair

    print_pair(compare_files(truth, prediction, euler), format=format_)


@app.command(epilog=EPILOG)
def validate(
    submission: Annotated[Path, typer.Argument(help="One team's folder.")],
    input_: Annotated[Path, typer.Argument(metavar="INPUT", help="The volumes that it was made from.")],
    format_: FormatOption = "table",
) -> None:
    """Say what would be rejected of a submission, and why."""
    from evaluation.submissions.validation import validate as check

    verdict = check(submission, input_)
    if format_ == "json":
        print(json.dumps({"cases": verdict.cases, "problems": verdict.problems, "remarks": verdict.messages}, indent=1))
    else:
        for line in verdict.problems:
            print(f"problem: {line}")
        for line in verdict.messages:
            print(f"note: {line}")
        print(f"{verdict.cases} cases, {len(verdict.problems)} problems, {len(verdict.messages)} notes")
    raise typer.Exit(SOME_FAILED if verdict.problems else FINE)


def _release_plan(
    folder: Path | None, policy: Path | None, cases: int, output: Path, truth: Path, submissions: Path
) -> ReleasePlan | None:
    """Where a release goes, if one is asked for; whatever hinders it is found before hours of measuring."""
    if folder is None:
        if policy is not None:
            raise FetaError("--release-policy", "is for a release, and none is asked for", "add --release FOLDER")
        return None
    from evaluation.release.policy import read_release_policy
    from evaluation.release.write import ReleasePlan
    from evaluation.submissions.find import find_submissions

    check_output(folder, truth, submissions)
    plan = ReleasePlan(folder, read_release_policy(policy))
    plan.check(cases, [team.team for team in find_submissions(submissions)[0]], output, truth, submissions)
    return plan


def _report_messages(messages: ScoringMessages, output: Path) -> None:
    """Warnings and the first messages on each team; the rest is in the report."""
    report_warnings(messages.warnings)
    for team, lines in messages.teams.items():
        for line in lines[:_SHOWN_LINES]:
            print(f"{team}: {line}", file=sys.stderr)
        if len(lines) > _SHOWN_LINES:
            print(f"{team}: … and {len(lines) - _SHOWN_LINES} more, see the report", file=sys.stderr)
    report_page(output / "report.html")


def _status(table: ScoreTable) -> int:
    """SOME_FAILED where a file or a length is missing or invalid, or a label map of the ground truth can't be read."""
    from evaluation.submissions.reasons import FILE_REASONS, NOT_A_FAULT

    reasons, lengths = set(table.reasons.ravel().tolist()), set(table.length_reasons.ravel().tolist())
    all_mapped = bool(table.mapped.all())
    return FINE if all_mapped and not reasons & FILE_REASONS and not lengths - NOT_A_FAULT else SOME_FAILED

"""The commands of ``feta-evaluate`` that ask why scores differ."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from feta.files import make_writable

# What only one command needs is imported in it, as in evaluation/cli.py.

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

ResultsArgument = Annotated[Path, typer.Argument(help="Folder that feta-evaluate score wrote.")]
OutputArgument = Annotated[Path, typer.Argument(help="Folder for the page and its tables.")]


@app.command()
def analyse(
    results: ResultsArgument,
    output: OutputArgument,
    participants: Annotated[
        Path | None, typer.Option(help="participants.tsv with columns that the results lack, image quality say.")
    ] = None,
    quality: Annotated[
        Path | None, typer.Option(help="CSV of feta-evaluate estimate-quality, for cases that nobody rated.")
    ] = None,
    team: Annotated[str | None, typer.Option(help="One team's scores.", show_default="the mean of all teams")] = None,
    trees: Annotated[int, typer.Option(min=50, help="Of each forest.")] = 50,
    permutations: Annotated[int, typer.Option(min=79, help="Forests of each null.")] = 79,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the smallest visible effects.")] = False,
) -> None:
    """Why scores differ: image quality, age, pathology, site and reconstruction (needs the analysis extra)."""
    from evaluation.analysis.extras import require_extras

    require_extras()
    from dataclasses import replace

    from evaluation.analysis.domain_shift import analyse as analyse_study
    from evaluation.analysis.forest import ForestSettings
    from evaluation.analysis.quality_table import read_estimates
    from evaluation.analysis.results_folder import read_results
    from evaluation.analysis.shift_report import effect_lines, write_analysis
    from evaluation.analysis.study import study_of, with_participants, with_quality
    from evaluation.report.progress import progress_bar

    make_writable(output)
    scores = read_results(results)
    cases = with_participants(scores.cases, participants) if participants else scores.cases
    cases, messages = with_quality(cases, read_estimates(quality) if quality else {})
    study = study_of(replace(scores, cases=cases), team)
    study = replace(study, warnings=(*messages, *study.warnings))
    with progress_bar("factors") as progress:
        analysis = analyse_study(
            study, ForestSettings(trees, seed=seed), permutations=permutations, visible=not quick, progress=progress
        )
    write_analysis(output, analysis, command=shlex.join(["feta-evaluate", *sys.argv[1:]]))
    for line in effect_lines(analysis):
        print(line)
    _say(analysis.warnings, output / "analysis.html")


def _say(warnings: tuple[str, ...], page: Path) -> None:
    for line in warnings:
        print(f"warning: {line}", file=sys.stderr)
    print(f"report: {page}", file=sys.stderr)


@app.command("calibrate-quality")
def calibrate_quality(
    ratings: Annotated[Path, typer.Argument(help="QC_IQMs.csv of FetMRQC_SR: ratings and statistics of volumes.")],
    output: Annotated[Path, typer.Argument(help="JSON of the model.")],
) -> None:
    """Fit the estimate of image quality to rated volumes, and say how it agrees with raters it has not seen."""
    from evaluation.analysis.quality_model import calibrate, read_rated, write_model

    calibrated = calibrate(read_rated(ratings))
    write_model(output, calibrated)
    print(f"{calibrated['volumes']} volumes, {calibrated['left_out']} left out (no rating, or a tissue is missing)")
    for title in ("leaving_one_site_out", "leaving_one_method_out"):
        print(f"# {title.replace('_', ' ')}\nleft out\tvolumes\tpearson\tspearman\tmean error")
        for group, values in calibrated[title].items():
            print(group, *values.values(), sep="\t")


@app.command("estimate-quality")
def estimate_quality(
    images: Annotated[Path, typer.Argument(help="The volumes, as given to a submission.")],
    maps: Annotated[Path, typer.Argument(help="Their label maps: the truth, or one team's folder.")],
    output: Annotated[Path, typer.Argument(help="CSV for feta-evaluate analyse --quality.")],
    model: Annotated[Path | None, typer.Option(help="JSON of calibrate-quality.", show_default="our own")] = None,
) -> None:
    """Estimate image quality (0 worst, 4 best) where nobody rated it, from volumes and label maps."""
    from evaluation.analysis.quality_model import read_model
    from evaluation.analysis.quality_table import estimate_folder, write_estimates
    from evaluation.report.progress import progress_bar

    with progress_bar("volumes") as progress:
        rows = estimate_folder(images, maps, read_model(model), progress)
    write_estimates(output, rows)
    failed = [row for row in rows if row.get("problem")]
    for row in failed:
        print(f"{row['case']}: {row['problem']}", file=sys.stderr)
    print(f"{len(rows) - len(failed)} of {len(rows)} volumes estimated: {output}")
    raise typer.Exit(1 if failed else 0)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="Folder that feta-evaluate score wrote for one edition.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="The same for another.")],
    output: OutputArgument,
    site: Annotated[str | None, typer.Option(help="Only this site's cases.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Two editions on the cases that both scored: paired tests, effect sizes, plots."""
    from evaluation.analysis.edition_report import edition_lines, write_editions
    from evaluation.analysis.editions import compare_editions
    from evaluation.analysis.results_folder import read_results

    make_writable(output)
    names = (first.resolve().name, second.resolve().name)
    editions = compare_editions(read_results(first), read_results(second), names, site=site, seed=seed)
    write_editions(output, editions, command=shlex.join(["feta-evaluate", *sys.argv[1:]]))
    for line in edition_lines(editions):
        print(line)
    _say(editions.warnings, output / "editions.html")

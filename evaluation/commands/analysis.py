"""Commands that ask why scores differ: between cases, and between editions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evaluation.commands.common import (
    EPILOG,
    PageArgument,
    ResultsArgument,
    SeedOption,
    command_line,
    report_page,
    report_warnings,
)
from feta.files import make_writable

# What only one command needs is imported in it, as in evaluation/commands/scoring.py.

app = typer.Typer()


@app.command(epilog=EPILOG)
def analyse(
    results: ResultsArgument,
    output: PageArgument,
    participants: Annotated[
        Path | None, typer.Option(help="participants.tsv with columns that the results lack, image quality say.")
    ] = None,
    quality: Annotated[
        Path | None, typer.Option(help="CSV of feta-evaluate quality estimate, for cases that nobody rated.")
    ] = None,
    team: Annotated[str | None, typer.Option(help="One team's scores.", show_default="the mean of all teams")] = None,
    trees: Annotated[int, typer.Option(min=50, help="Of each forest.")] = 50,
    permutations: Annotated[int, typer.Option(min=79, help="Forests of each null.")] = 79,
    seed: SeedOption = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the smallest visible effects.")] = False,
) -> None:
    """Explain scores by image quality, age, pathology and site (needs the extra `analysis`)."""
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
    write_analysis(output, analysis, command=command_line())
    for line in effect_lines(analysis):
        print(line)
    report_warnings(analysis.warnings)
    report_page(output / "analysis.html")


@app.command("compare-editions", epilog=EPILOG)
def compare_two_editions(
    first: Annotated[Path, typer.Argument(metavar="A", help="Folder that feta-evaluate score wrote for one edition.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="The same for another.")],
    output: PageArgument,
    site: Annotated[str | None, typer.Option(help="Only this site's cases.")] = None,
    years: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="YEAR YEAR", help="Of A and B.", show_default="score --edition, or in the folders' names"),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Compare two editions on the cases that both scored."""
    from dataclasses import replace

    from evaluation.analysis.edition_report import edition_lines, write_editions
    from evaluation.analysis.editions import compare_editions
    from evaluation.analysis.hd95_tools import year_in
    from evaluation.analysis.results_folder import read_results

    make_writable(output)
    names = (first.resolve().name, second.resolve().name)
    scores = [read_results(folder) for folder in (first, second)]
    told = years or [s.edition or year_in(name) for s, name in zip(scores, names, strict=True)]
    a, b = (replace(s, edition=year) for s, year in zip(scores, told, strict=True))
    editions = compare_editions(a, b, names, site=site, seed=seed)
    write_editions(output, editions, command=command_line())
    for line in edition_lines(editions):
        print(line)
    report_warnings(editions.warnings)
    report_page(output / "editions.html")

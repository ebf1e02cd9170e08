"""``feta-train assess confidence`` and ``age-from-image``: verdicts, expected quality and ages against their truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from feta.errors import FetaError
from training.commands.common import require_folder

if TYPE_CHECKING:
    from training.confidence.rows import CaseRow


class Causes(StrEnum):
    """What the volumes are spoilt by, beside being taken as they are."""

    LEARNED = "learned"
    UNSEEN = "unseen"
    ROBUSTNESS = "robustness"
    NONE = "none"


Cohorts = Annotated[list[Path], typer.Argument(help="Cohorts, simulated or labelled BIDS folders.")]
Subjects = Annotated[str, typer.Option(help="Only whose names fit, such as sub-crl*.")]
Keep = Annotated[Path | None, typer.Option(help="What was seen is kept here.", show_default="each cohort")]
Weights = Annotated[Path | None, typer.Option(help="Folder of weights with model.yaml.", show_default="FETA_WEIGHTS")]


def confidence(
    cohorts: Cohorts,
    fit: Annotated[Path | None, typer.Option(help="Fit on them, and write confidence.json here.")] = None,
    causes: Annotated[
        Causes | None, typer.Option(help="What spoils volumes.", show_default="learned with --fit, else unseen")
    ] = None,
    each: Annotated[int, typer.Option(min=0, help="Spoilt volumes for each.")] = 2,
    subjects: Subjects = "*",
    leave_out: Annotated[str, typer.Option(help="Not whose names fit, such as sub-sb*.")] = "",
    keep: Keep = None,
    weights: Weights = None,
    signals: Annotated[bool, typer.Option("--signals", help="Also what each group of signals is worth.")] = False,
) -> None:
    """Measure verdicts and intervals where the truth is known, or fit them anew."""
    from inference.confidence.confidence import Judging
    from inference.confidence.quality_file import read_quality_model, write_quality_model
    from inference.runs.settings import default_weights, networks_of
    from training.confidence.across import judged_across, worth_of_signals
    from training.confidence.collect import CAUSES, collect
    from training.confidence.fit import fit_quality_model
    from training.confidence.judged import judge_rows
    from training.confidence.report import report

    folder = weights or default_weights()
    chosen = causes or (Causes.LEARNED if fit else Causes.UNSEEN)
    model = None if fit else read_quality_model(folder, networks_of(folder))
    if fit is None and model is None:
        raise FetaError(folder, "holds no confidence.json", "fit one with --fit")
    places = [require_folder(cohort) for cohort in cohorts]
    spoilt = CAUSES[chosen.value]
    rows = _told(chain.from_iterable(collect(p, folder, spoilt, each, keep, subjects, leave_out) for p in places))
    if fit is not None:
        model, _, _ = fit_quality_model(rows, networks_of(folder))
        judged = judged_across(rows)
        write_quality_model(fit, model)
        typer.echo(f"wrote {fit}; what follows is of individuals that were left out\n")
    else:
        judged = judge_rows(rows, Judging(model))
    assert model is not None
    for line in report(judged, model):
        typer.echo(line)
    for line in worth_of_signals(rows) if signals else ():
        typer.echo(line)


def age_from_image(
    cohorts: Cohorts,
    fit: Annotated[
        Path | None, typer.Option(help="Fit on them, and replace the age in this confidence.json, and nothing else.")
    ] = None,
    subjects: Subjects = "*",
    keep: Keep = None,
    weights: Weights = None,
) -> None:
    """Measure the age that the image shows where it is known, or fit it anew."""
    from inference.confidence.quality_file import NAME, read_quality_file, write_quality_model
    from inference.runs.settings import default_weights, networks_of
    from training.confidence.age_fit import fit_age
    from training.confidence.age_report import age_table, ages_across, ages_by
    from training.confidence.collect import collect

    folder = weights or default_weights()
    path = fit or folder / NAME
    if not path.exists():
        raise FetaError(path, "does not exist", "make it first with feta-train assess confidence --fit")
    model = read_quality_file(path, networks_of(folder))
    places = [require_folder(cohort) for cohort in cohorts]
    rows = _told(chain.from_iterable(collect(p, folder, (), 0, keep, subjects) for p in places))
    aged = ages_by(rows, model.age) if fit is None else ages_across(rows)
    if not aged:
        problem = f"of {len(rows)} volumes none has a known age and shows one"
        raise FetaError(places[0], problem, "give cohorts whose participants.tsv tells ages")
    if fit is not None:
        write_quality_model(fit, replace(model, age=fit_age(rows)))
        typer.echo(f"replaced the age in {fit}; what follows is of individuals that were left out\n")
    for line in age_table(aged):
        typer.echo(line)


def _told(made: Iterable[tuple[CaseRow, bool]]) -> list[CaseRow]:
    """The rows, each told once it is there."""
    rows: list[CaseRow] = []
    for row, new in made:
        typer.echo(f"[{len(rows) + 1}] {row.cohort}/{row.name}: {'measured' if new else 'was there'}", err=True)
        rows.append(row)
    return rows

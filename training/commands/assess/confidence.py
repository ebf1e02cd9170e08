"""``feta-train assess confidence``: verdicts, expected quality and its intervals against their truth."""

from __future__ import annotations

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


def confidence(
    cohorts: Annotated[list[Path], typer.Argument(help="Cohorts, simulated or labelled BIDS folders.")],
    fit: Annotated[Path | None, typer.Option(help="Fit on them, and write confidence.json here.")] = None,
    causes: Annotated[
        Causes | None, typer.Option(help="What spoils volumes.", show_default="learned with --fit, else unseen")
    ] = None,
    each: Annotated[int, typer.Option(min=0, help="Spoilt volumes for each.")] = 2,
    subjects: Annotated[str, typer.Option(help="Only whose names fit, such as sub-crl*.")] = "*",
    leave_out: Annotated[str, typer.Option(help="Not whose names fit, such as sub-sb*.")] = "",
    keep: Annotated[Path | None, typer.Option(help="What was seen is kept here.", show_default="each cohort")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder of weights with model.yaml.", show_default="FETA_WEIGHTS")
    ] = None,
    signals: Annotated[bool, typer.Option("--signals", help="Also what each group of signals is worth.")] = False,
) -> None:
    """Measure verdicts and intervals where the truth is known, or fit anew what they rest on."""
    from inference.biometry.calibration import networks_digest
    from inference.confidence.confidence import Judging
    from inference.confidence.quality_file import read_quality_model, write_quality_model
    from inference.runs.settings import default_weights
    from training.confidence.across import judged_across, worth_of_signals
    from training.confidence.collect import CAUSES, collect
    from training.confidence.fit import fit_quality_model
    from training.confidence.judged import judge_rows
    from training.confidence.report import report

    folder = weights or default_weights()
    chosen = causes or (Causes.LEARNED if fit else Causes.UNSEEN)
    model = None if fit else read_quality_model(folder)
    if fit is None and model is None:
        raise FetaError(folder, "holds no confidence.json", "fit one with --fit")
    places = [require_folder(cohort) for cohort in cohorts]
    rows: list[CaseRow] = []
    spoilt = CAUSES[chosen.value]
    made = chain.from_iterable(collect(p, folder, spoilt, each, keep, subjects, leave_out) for p in places)
    for row, new in made:
        typer.echo(f"[{len(rows) + 1}] {row.cohort}/{row.name}: {'measured' if new else 'was there'}", err=True)
        rows.append(row)
    if fit is not None:
        model, _, _ = fit_quality_model(rows, networks_digest(folder))
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

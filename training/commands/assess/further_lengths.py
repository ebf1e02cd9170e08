"""``feta-train assess further-lengths``: how far atria, poles, vermis and pons are off on predicted label maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from training.commands.common import require_folder


def further_lengths(
    cohort: Annotated[Path, typer.Argument(help="Cohort made by `feta-train data simulate`.")],
    results: Annotated[Path, typer.Argument(help="What feta-infer made of the cohort's input.")],
    out: Annotated[Path, typer.Argument(help="JSON to write: further_lengths.json of a folder of weights.")],
    weights: Annotated[
        Path | None, typer.Option(help="Folder of weights that made the results.", show_default="FETA_WEIGHTS")
    ] = None,
) -> None:
    """Fit the intervals of the further lengths: true label maps against predicted ones, in the true pose."""
    from inference.runs.settings import default_weights, networks_of
    from training.assessment.further_length_errors import cohort_errors

    networks = networks_of(weights or default_weights())
    cases = cohort_errors(require_folder(cohort) / "truth", require_folder(results))
    fit_further_lengths(cases, networks, out)


def fit_further_lengths(cases: Sequence[Mapping[str, Sequence[float]]], networks: str, out: Path) -> None:
    """Fit the intervals of further lengths, write them, and say them.

    Args:
        cases: errors, as ``case_errors`` gives them.
        networks: which ones drew the label maps, as ``networks_of`` tells them.
        out: JSON to write.

    Raises:
        FetaError: there are too few cases, or the file can't be written.
    """
    from inference.morphometry.length_errors import write_length_errors
    from training.assessment.further_length_errors import fit_errors

    fitted = fit_errors(cases, networks)
    write_length_errors(out, fitted)
    for kind, (low, high) in fitted.shares.items():
        typer.echo(f"{kind:>13}: {100 * low:+.1f} to {100 * high:+.1f} % of the brain's width")
    typer.echo(f"{fitted.cases} cases; wrote {out}")

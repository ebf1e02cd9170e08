"""``feta-train assess further-lengths``: how far atria, poles, vermis and pons are off on predicted label maps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.commands.common import require_folder


def further_lengths(
    cohort: Annotated[Path, typer.Argument(help="Cohort made by `feta-train data simulate`.")],
    results: Annotated[Path, typer.Argument(help="What feta-infer made of the cohort's input.")],
    out: Annotated[Path, typer.Argument(help="JSON to write: length_errors.json of inference/morphometry.")],
) -> None:
    """Fit the intervals of the further lengths: true label maps against predicted ones, in the true pose."""
    from training.assessment.further_length_errors import write_errors

    for kind, (low, high) in write_errors(require_folder(cohort) / "truth", require_folder(results), out).items():
        typer.echo(f"{kind:>13}: {100 * low:+.1f} to {100 * high:+.1f} % of the brain's width")

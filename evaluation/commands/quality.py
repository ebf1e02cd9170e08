"""Commands that estimate image quality where nobody rated it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from evaluation.commands.common import EPILOG, FINE, SOME_FAILED

# What only one command needs is imported in it, as in evaluation/commands/scoring.py.

app = typer.Typer(no_args_is_help=True, help="Image quality where nobody rated it.")


@app.command("calibrate", epilog=EPILOG)
def calibrate_quality(
    ratings: Annotated[Path, typer.Argument(help="QC_IQMs.csv of FetMRQC_SR: ratings and statistics of volumes.")],
    output: Annotated[Path, typer.Argument(help="JSON of the model.")],
) -> None:
    """Fit the estimate to rated volumes, and say how it agrees with unseen ratings."""
    from evaluation.analysis.quality_model import calibrate, read_rated, write_model

    calibrated = calibrate(read_rated(ratings))
    write_model(output, calibrated)
    print(f"{calibrated['volumes']} volumes, {calibrated['left_out']} left out (no rating, or a tissue is missing)")
    for title in ("leaving_one_site_out", "leaving_one_method_out"):
        print(f"# {title.replace('_', ' ')}\nleft out\tvolumes\tpearson\tspearman\tmean error")
        for group, values in calibrated[title].items():
            print(group, *values.values(), sep="\t")


@app.command("estimate", epilog=EPILOG)
def estimate_quality(
    images: Annotated[Path, typer.Argument(help="The volumes, as given to a submission.")],
    maps: Annotated[Path, typer.Argument(help="Their label maps: the ground truth, or one team's folder.")],
    output: Annotated[Path, typer.Argument(help="CSV for feta-evaluate analyse --quality.")],
    model: Annotated[Path | None, typer.Option(help="JSON of quality calibrate.", show_default="our own")] = None,
) -> None:
    """Estimate image quality (0 worst, 4 best) from volumes and label maps."""
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
    raise typer.Exit(SOME_FAILED if failed else FINE)

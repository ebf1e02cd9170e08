"""``feta-train``: simulated cohorts, and the networks that the submission runs."""

from __future__ import annotations

import sys

import typer

from feta.allocator import keep_freed_memory
from feta.errors import FetaError
from training.assessment.appearance_check import appearance_check
from training.commands.age_line import age_line
from training.commands.anatomy import anatomy, reproduce
from training.commands.autoencoder import autoencoder, export_autoencoder, topology_report
from training.commands.biometry import biometry_fit, biometry_report, ga_baseline, landmarks
from training.commands.brain_extraction import export_extraction, extraction
from training.commands.degrade import degrade
from training.commands.individuals import individuals
from training.commands.landmark_network import export_heatmaps, heatmaps
from training.commands.painted_heads import heads
from training.commands.picture import picture
from training.commands.simulate import simulate
from training.commands.train import COMMANDS
from training.commands.variants import variants

UNUSABLE = 2

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Simulate cohorts and train the submission's networks.",
    epilog="Exit status: 0 all fine, 2 unusable call or input.",
)


app.command("simulate")(simulate)
app.command("degrade")(degrade)
app.command("picture")(picture)
app.command("appearance-check")(appearance_check)
app.command("age-line")(age_line)
app.command("individuals")(individuals)
app.command("variants")(variants)
app.command("anatomy")(anatomy)
app.command("reproduce")(reproduce)
app.command("autoencoder")(autoencoder)
app.command("export-autoencoder")(export_autoencoder)
app.command("topology-report")(topology_report)
app.command("heatmaps")(heatmaps)
app.command("export-heatmaps")(export_heatmaps)
app.command("heads")(heads)
app.command("extraction")(extraction)
app.command("export-extraction")(export_extraction)
app.command("landmarks")(landmarks)
app.command("ga-baseline")(ga_baseline)
app.command("biometry-fit")(biometry_fit)
app.command("biometry-report")(biometry_report)
for _command in COMMANDS:
    app.command(_command.__name__)(_command)


def main() -> None:
    """Run the command line; a message for the user goes to stderr in one line."""
    keep_freed_memory()
    try:
        app()
    except FetaError as error:
        print(f"feta-train: {error}", file=sys.stderr)
        sys.exit(UNUSABLE)


if __name__ == "__main__":
    main()

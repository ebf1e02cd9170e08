"""The command that writes the site of the boards."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from evaluation.commands.common import EPILOG, check_output
from feta.errors import FetaError

# What only one command needs is imported in it, as in evaluation/commands/scoring.py.

app = typer.Typer()

RevealOption = Annotated[
    list[str] | None, typer.Option(metavar="PHASE", help="Show this phase though it is hidden; can be repeated.")
]
FewestOption = Annotated[
    Path | None, typer.Option(help="YAML, as for `score --release`: fewest_cases of it.", show_default="5 cases")
]


@app.command(epilog=EPILOG)
def board(
    output: Annotated[Path, typer.Argument(help="The output folder of `run --phase`; scores are in PHASE/scores.")],
    site: Annotated[Path, typer.Argument(help="Folder for the pages, to be put on any server of files.")],
    title: Annotated[str, typer.Option(help="Of the site.")] = "FeTA",
    reveal: RevealOption = None,
    release_policy: FewestOption = None,
) -> None:
    """Write the boards of all phases as a site: pages of text, without a server's help."""
    from evaluation.phases.site import write_site
    from evaluation.release.policy import read_release_policy

    if output.resolve().is_relative_to(site.resolve()):
        raise FetaError(site, f"holds {output}, which would be published", "choose a folder of its own")
    fewest = read_release_policy(release_policy).fewest_cases
    check_output(site, output)
    for line in write_site(output, site, now=time.time(), title=title, reveal=tuple(reveal or ()), fewest=fewest):
        print(line)
    print(f"site: {site / 'index.html'}", file=sys.stderr)

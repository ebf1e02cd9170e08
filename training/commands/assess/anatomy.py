"""``feta-train assess anatomy``: how well the learned anatomy knows atlases that it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.commands.common import CORES, HELD_OUT, VALIDATION, Atlases, Threads, require_folder


def anatomy(
    atlases: Atlases,
    output: Annotated[Path, typer.Argument(help="CSV to write: subject, label, dice.")],
    weights: Annotated[Path, typer.Option(help="The learned anatomy; it must not have seen the subjects.")] = HELD_OUT,
    subject: Annotated[
        list[str] | None,
        typer.Option(help="Subject to reproduce; may be repeated.", show_default="the six validation subjects"),
    ] = None,
    threads: Threads = CORES,
) -> None:
    """Compare the model's average brain of an age with atlases of that age: Dice by tissue."""
    import torch

    from training.anatomy.model import Anatomy
    from training.tasks.anatomy_reproduction import write_reproduction

    torch.set_num_threads(threads)
    known = Anatomy.load(weights)
    for line in write_reproduction(known, require_folder(atlases), tuple(subject or VALIDATION), output):
        typer.echo(line)

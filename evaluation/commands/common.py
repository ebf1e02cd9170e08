"""What several commands share: exit statuses, arguments and options, checks, and lines on the error stream."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evaluation.choices import Euler, Format
from feta.errors import FetaError
from feta.files import make_writable

if TYPE_CHECKING:
    from evaluation.cluster.connection import Address

FINE, SOME_FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130
EPILOG = "Exit status: 0 all fine, 1 some case failed, is missing or invalid, 2 unusable call or input."

ResultsArgument = Annotated[Path, typer.Argument(help="Folder that feta-evaluate score wrote.")]
PageArgument = Annotated[Path, typer.Argument(help="Folder for the page and its tables.")]
FormatOption = Annotated[Format, typer.Option("--format", help="What is printed.")]
EulerOption = Annotated[Euler, typer.Option(help="ED against the table, or the ground truth.")]
SchedulerOption = Annotated[str | None, typer.Option(metavar="ADDRESS", help="A dask scheduler: tls://host:8786.")]
CertificatesOption = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="With --scheduler: what `certificates` made.")
]
InsecureOption = Annotated[bool, typer.Option("--insecure", help="With --scheduler tcp://…: unencrypted.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Of the random numbers.")]


def check_output(output: Path, *inputs: Path) -> None:
    """Refuse an output folder that would change what is read, or that can't be written, before hours of work."""
    check_place(output, *inputs)
    make_writable(output)


def check_place(output: Path, *inputs: Path) -> None:
    """Refuse an output folder that would change what is read."""
    for folder in inputs:
        if output.resolve().is_relative_to(folder.resolve()) and folder.is_dir():
            raise FetaError(output, f"lies in {folder}", "choose a folder of its own")


def scheduler_address(
    scheduler: str | None, certificates: Path | None, *, insecure: bool, send: bool = False
) -> Address | None:
    """The scheduler's, checked without asking at it; None where none is named.

    Raises:
        FetaError: the address can't be meant, or an option is for a scheduler, and none is named.
    """
    from evaluation.cluster.connection import parse_address

    if scheduler is not None:
        return parse_address(scheduler, certificates, insecure=insecure)
    for given, option in ((certificates, "--certificates"), (insecure, "--insecure"), (send, "--send")):
        if given:
            raise FetaError(option, "is for a cluster", "add --scheduler tls://host:8786")
    return None


def command_line() -> str:
    """The call as it was typed, for the page that it makes."""
    return shlex.join(["feta-evaluate", *sys.argv[1:]])


def report_warnings(warnings: Sequence[str]) -> None:
    """A line each on the error stream."""
    for line in warnings:
        print(f"warning: {line}", file=sys.stderr)


def report_page(page: Path) -> None:
    """Say on the error stream where the page is."""
    print(f"report: {page}", file=sys.stderr)

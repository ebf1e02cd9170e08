"""``feta-infer``: fetal brain MRI in, label maps and five lengths out."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

import feta
from feta.cases import CaseList, find_cases, with_age
from feta.cases_2021 import find_cases_2021
from feta.errors import FetaError
from feta.files import following_links
from feta.machine import end_quickly, heed_quota, keep_freed_memory, sleep_while_waiting
from inference.commands import bids_app, measure, report
from inference.commands.common import describe_results, jobs_of, run_jobs
from inference.commands.grand_challenge import LENGTHS_SOCKET, MAP_SOCKET, grand_challenge_job
from inference.derivatives.layout import PROGRAM, Layout, check_layout
from inference.options import (
    AllowUnmounted,
    Fast,
    LayoutOption,
    Neurological,
    NoQc,
    NoReport,
    Overwrite,
    Participants,
    Stacks,
    Surfaces,
    by_new_names,
    length_options,
    looks,
    network_options,
    takes,
)  # fmt: skip
from inference.runs.mounts import check_folders
from inference.runs.outputs import CaseJob, folder_jobs, jobs_2021
from inference.runs.run_state import UNUSABLE
from inference.runs.settings import Settings
from inference.runs.signals import MESSAGE, Stopped, exit_status, stop_on_sigterm
from inference.runs.summary import print_folder_summary, print_summary

HELP = "Segment fetal brain MRI into seven tissues and measure five lengths."
EPILOG = (
    "Other forms: 'BIDS OUT participant' (or 'group'), 'measure', 'report', 'case', 'challenge-2024', "
    "'challenge-2021', 'grand-challenge'; each has its --help. --version tells the release. Exit status: 0 all fine, "
    "1 some case failed or has an impossible age, 2 unusable call or input."
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
forms = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help="Other ways of calling.")


@app.command(help=HELP, epilog=EPILOG)
@takes(network_options, length_options)
def infer(
    input_path: Annotated[Path, typer.Argument(metavar="INPUT", help="BIDS tree, folder of volumes, or one volume.")],
    output: Annotated[
        Path | None, typer.Argument(metavar="[OUTPUT]", help="Folder for results; for one volume: beside it.")
    ] = None,
    ga: Annotated[str | None, typer.Option(help="Gestational age of one volume, weeks.")] = None,
    participants: Participants = None,
    stacks: Stacks = False,
    overwrite: Overwrite = False,
    fast: Fast = False,
    no_qc: NoQc = False,
    no_report: NoReport = False,
    neurological: Neurological = False,
    landmarks: Annotated[bool, typer.Option("--landmarks", help="…_meas.nii.gz, too: two voxels a length.")] = False,
    surfaces: Surfaces = False,
    layout: LayoutOption = Layout.CHALLENGE,
    allow_unmounted: AllowUnmounted = False,
    *,
    settings: Settings,
) -> None:
    """Run over a BIDS tree, a folder, or one volume."""
    settings = replace(settings, overwrite=overwrite, mirror_tta=False if fast else settings.mirror_tta)
    single = not input_path.is_dir()
    if output is None and not single:
        raise FetaError(input_path, "is a folder, and no OUTPUT was named", "call feta-infer INPUT OUTPUT")
    if ga is not None and not single:
        raise FetaError("--ga", "is for one volume", "put the ages of a folder into its participants.tsv")
    root = output or input_path.absolute().parent
    check_folders(input_path, root, allow_unmounted=allow_unmounted)
    if output is not None:
        check_layout(output, layout, input_path)
    found = find_cases(input_path, participants, stacks=stacks)
    if ga is not None:
        found = with_age(found, ga)
    shown = looks(no_qc=no_qc or fast, no_report=no_report or fast, neurological=neurological, surfaces=surfaces)
    jobs = jobs_of(found, root, layout, shown, landmarks=landmarks)
    describe_results(layout, root, input_path, settings)
    status, lengths = run_jobs(found, jobs, settings, None if output is None else root)
    if single:
        for job in jobs:
            if job.title in lengths:
                print_summary(job)
    else:
        print_folder_summary(root, len(lengths), len(jobs) + len(found.problems))
    raise typer.Exit(status)


forms.command("measure", help=measure.HELP)(measure.measure)
forms.command("report")(report.report)


@forms.command("case")
@takes(network_options, length_options)
def one_case(
    image: Annotated[Path, typer.Option(help="T2w volume.")],
    participants: Participants = None,
    seg: Annotated[Path | None, typer.Option(help="Label map to write.")] = None,
    biom: Annotated[Path | None, typer.Option(help="Table of lengths to write.")] = None,
    landm: Annotated[Path | None, typer.Option(help="Landmark image to write.")] = None,
    *,
    settings: Settings,
) -> None:
    """One volume to named files, as the 2024 challenge calls a submission. Always does the work anew."""
    if seg is None and biom is None and landm is None:
        raise FetaError("case", "nothing to write was named", "give --seg, --biom or --landm")
    found = find_cases(image, participants)
    jobs = [CaseJob(case, seg, biom, landm) for case in found.cases]
    raise typer.Exit(run_jobs(found, jobs, replace(settings, overwrite=True), None)[0])


@forms.command("challenge-2024")
@takes(network_options, length_options)
def challenge_2024(
    bids: Annotated[Path, typer.Argument(metavar="DIR", help="BIDS tree.")],
    team: Annotated[str, typer.Option(help="Names the folder of the results.")],
    participants: Participants = None,
    stacks: Stacks = False,
    overwrite: Overwrite = False,
    *,
    settings: Settings,
) -> None:
    """A BIDS tree to DIR/derivatives/predictions/TEAM, the layout of the challenge of 2024."""
    if not team or team in (".", "..") or "/" in team:
        raise FetaError("--team", f"'{team}' can't name a folder")
    found = find_cases(bids, participants, stacks=stacks)
    root = bids / "derivatives" / "predictions" / team
    jobs = folder_jobs(found.cases, root, landmarks=True, sidecar=False, sizes=False)
    raise typer.Exit(run_jobs(found, jobs, replace(settings, overwrite=overwrite), root)[0])


@forms.command("challenge-2021")
@takes(network_options)
def challenge_2021(
    images: Annotated[Path, typer.Option(help="Folder with anat/*_T2w.nii.gz.")] = Path("/input_img"),
    meta: Annotated[Path, typer.Option(help="Folder with meta.json.")] = Path("/input_meta"),
    output: Annotated[Path, typer.Option(help="Folder for <sub>_seg_result.nii.gz.")] = Path("/output"),
    overwrite: Overwrite = False,
    *,
    settings: Settings,
) -> None:
    """The layout of the challenge of 2021: label maps only."""
    found = find_cases_2021(images, meta)
    jobs = jobs_2021(found.cases, output)
    raise typer.Exit(run_jobs(found, jobs, replace(settings, overwrite=overwrite), output)[0])


@forms.command("grand-challenge")
@takes(network_options, length_options)
def grand_challenge(
    source: Annotated[Path, typer.Option("--input", help="Folder with images/<socket>/*.mha.")] = Path("/input"),
    output: Annotated[Path, typer.Option(help="Folder for images/<socket>/output.mha.")] = Path("/output"),
    map_socket: Annotated[str, typer.Option(help="Output socket of the label map.")] = MAP_SOCKET,
    lengths_socket: Annotated[str, typer.Option(help="Output socket of the lengths.")] = LENGTHS_SOCKET,
    *,
    settings: Settings,
) -> None:
    """One .mha image, as Grand Challenge calls an algorithm."""
    job = grand_challenge_job(source, output, map_socket, lengths_socket)
    status, lengths = run_jobs(CaseList((job.case,), (), ()), [job], replace(settings, overwrite=True), None)
    # Results are there, though the age can't be right: a job that ends otherwise than by 0 has none.
    raise typer.Exit(0 if job.title in lengths else status)


def main() -> None:
    """Entry point of ``feta-infer``: the main form needs no name, the others are named by their first argument.

    But for that of BIDS apps, which is known by its third one.
    """
    keep_freed_memory()
    end_quickly()
    heed_quota()
    sleep_while_waiting()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may be no UTF-8, and the terminal's letters fewer than ours; standard error does so by itself.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.argv[1:] = by_new_names(sys.argv[1:])
    if "--version" in sys.argv[1:]:
        print(PROGRAM, feta.__version__)
        sys.exit(0)
    sys.exit(_guarded(_chosen()))


def _chosen() -> Callable[[], None]:
    """The form that the arguments ask for; those of a BIDS app's call are put as typer reads them."""
    named = {command.name for command in forms.registered_commands}
    if len(sys.argv) > 1 and sys.argv[1] in named:
        return forms
    if (as_app := bids_app.as_typer_reads_it(sys.argv[1:])) is not None:
        sys.argv[1:] = as_app
        return bids_app.app
    return app


def _guarded(chosen: Callable[[], None]) -> int:
    """Run a form; give its exit status, with one line for an error that is the user's."""
    try:
        stop_on_sigterm()
        with following_links():
            chosen()
    except FetaError as error:
        print(f"feta-infer: {error}", file=sys.stderr)
        return UNUSABLE
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except Stopped:
        print(MESSAGE, file=sys.stderr)
        return exit_status()
    return 0

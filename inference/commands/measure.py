"""``feta-infer measure``: volumes, lengths and norms of label maps that are there already, without any network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

import feta
from feta.bids import entries, folders, image_folders, is_no_scan, is_volume_name, single_volume, some_names, stem
from feta.cases import Case, CaseList, cases_of, with_age
from feta.errors import FetaError
from feta.files import fingerprint, is_there
from feta.volumes import Volume
from inference.biometry.calibration import usual
from inference.biometry.lengths import Measuring, Method
from inference.morphometry.given_labels import GivenLabels
from inference.morphometry.label_mapping import read_mapping
from inference.options import Baseline, Overwrite, Participants, Surfaces, Workers
from inference.runs.models import Models
from inference.runs.mounts import check_folders
from inference.runs.outputs import CaseJob, measuring_jobs
from inference.runs.run import run
from inference.runs.settings import Settings
from inference.runs.summary import print_folder_summary, print_summary

HELP = (
    "Measure label maps in FeTA's values, or in others by --mapping: volumes, lengths, and where they lie among "
    "healthy fetuses of that age. Not a medical device."
)
_ENDING = "_dseg"
#: What else lies beside label maps and has a name like theirs.
_NO_LABELS = ("mask", "meas", "probseg")


@dataclass(frozen=True)
class MeasuringSettings(Settings):
    """Settings of a run without networks: lengths rest on the label map alone, with errors as are usual."""

    weights: Path = Path()
    device: str = "cpu"
    biometry: Method = Method.GEOMETRY

    def measuring(self) -> Measuring:
        """How lengths are found."""
        return Measuring(self.age_model(), usual(), self.biometry)

    def result_key(self) -> dict[str, Any]:
        """What a result depends on, beside its label map, image and age."""
        baseline = None if self.ga_baseline is None else fingerprint(self.ga_baseline)
        return {"version": feta.__version__, "biometry": str(self.biometry), "ga_baseline": baseline}

    def described(self) -> dict[str, Any]:
        """For run.json."""
        return {"command": "measure", "biometry": str(self.biometry), "ga_baseline": str(self.ga_baseline)}


def no_networks(_settings: Settings) -> Models:
    """In place of networks, of which label maps that are there already need none."""

    def refuse(_volume: Volume) -> NoReturn:
        raise AssertionError("a given label map needs no network")

    return Models(refuse, None, "none: label maps were given")


def measure(
    labels: Annotated[Path, typer.Argument(metavar="LABELS", help="Label map, folder of them, or BIDS derivatives.")],
    output: Annotated[
        Path | None, typer.Argument(metavar="[OUTPUT]", help="Folder for results; of one label map: beside it.")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="T2w volume of one label map: for the picture.")] = None,
    ga: Annotated[str | None, typer.Option(help="Gestational age for one label map, weeks.")] = None,
    mapping: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML or table: their value → ours (3 or WM).")
    ] = None,
    participants: Participants = None,
    ga_baseline: Baseline = None,
    overwrite: Overwrite = False,
    surfaces: Surfaces = False,
    workers: Workers = None,
    allow_unmounted: Annotated[bool, typer.Option("--allow-unmounted", help="In a container: let results be lost.")] = (
        False
    ),
) -> None:
    """Measure label maps."""
    single = not labels.is_dir()
    for name, given in (("--image", image), ("--ga", ga)):
        if given is not None and not single:
            raise FetaError(name, "is for one label map", "name one, or put ages into the folder's participants.tsv")
    if output is None and not single:
        raise FetaError(labels, "is a folder, and no OUTPUT was named", "call feta-infer measure LABELS OUTPUT")
    root = output or labels.absolute().parent
    check_folders(labels, root, allow_unmounted=allow_unmounted)
    found = find_label_maps(labels, participants)
    if ga is not None:
        found = with_age(found, ga)
    ours = None if mapping is None else read_mapping(mapping)
    maps = [(_named(case, image), GivenLabels(case.image, ours)) for case in found.cases]
    jobs = measuring_jobs(maps, root, surfaces=surfaces)
    if not overwrite:
        _refuse_others(jobs)
    settings = MeasuringSettings(overwrite=overwrite, workers=workers, ga_baseline=ga_baseline)
    status, lengths = run(
        jobs,
        settings,
        root=None if output is None else root,
        warnings=found.warnings,
        problems=found.problems,
        load=no_networks,
    )
    if single:
        for job in jobs:
            if job.title in lengths:
                print_summary(job)
    else:
        print_folder_summary(root, len(lengths), len(jobs) + len(found.problems))
    raise typer.Exit(status)


def find_label_maps(path: Path, participants: Path | None = None) -> CaseList:
    """One label map; those of BIDS derivatives, ``sub-*/[ses-*/]anat/*_dseg.nii[.gz]``; or those right in a folder.

    In a folder that holds other volumes as well, label maps are those whose names say so.

    Raises:
        FetaError: there is none.
    """
    if not path.is_dir():
        return cases_of([single_volume(path)], path, participants)
    subjects = folders(path, "sub-")
    below = [folder for subject in subjects for folder in image_folders(subject) if folder.is_dir()]
    maps = [p for folder in below for p in _volumes(folder) if stem(p).endswith(_ENDING)]
    warnings = []
    if not maps:
        beside = _volumes(path)
        maps = [p for p in beside if is_no_scan(p)] or beside
        if left := [p for p in beside if p not in maps]:
            warnings.append(f"{path}: {len(left)} volumes are no label maps by name ({some_names(map(_name, left))})")
    if not maps:
        raise FetaError(
            path, "holds no label map", "give a .nii.gz file, a folder of them, or sub-*/anat/*_dseg.nii.gz"
        )
    return cases_of(maps, path, participants, warnings)


def _volumes(folder: Path) -> list[Path]:
    """Volumes right in a folder that may be label maps."""
    files = [p for p in entries(folder) if is_volume_name(p) and not p.is_dir()]
    return [p for p in files if not stem(p).endswith(_NO_LABELS)]


def _name(path: Path) -> str:
    return path.name


def _named(case: Case, image: Path | None) -> Case:
    """The case of a label map, called after the volume that it belongs to, with the image where one was given."""
    return replace(case, name=case.name.removesuffix(_ENDING) or case.name, image=image or case.image)


def _refuse_others(jobs: list[CaseJob]) -> None:
    """Refuse to replace what another call has written, such as the networks' own lengths beside their label map."""
    for job in jobs:
        there = [path for path in job.outputs if is_there(path)]
        if there and not (job.record is not None and is_there(job.record)):
            problem = "is there already, and 'feta-infer measure' has not written it"
            raise FetaError(there[0], problem, "name another folder for results, or --overwrite")

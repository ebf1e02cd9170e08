"""The cases of a run and the files to write for each, for each form of the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from feta.cases import Case, biometry_path, label_map_path
from feta.labels import TISSUES, Tissue
from inference.derivatives.bids_names import (
    SEGMENTATION,
    BidsNames,
    label_map_sidecar,
    mask_sidecar,
    names_of,
    soft_sidecar,
)
from inference.morphometry.given_labels import GivenLabels
from inference.morphometry.sides import SIDES
from inference.report.convention import Convention


@dataclass(frozen=True)
class Looks:
    """What a person looks at, beside the results.

    Attributes:
        picture: whether each case gets one.
        report: whether each case gets a page.
        convention: which side they show on the left.
        surfaces: whether each case gets its surfaces, and what they measure.
    """

    picture: bool = True
    report: bool = True
    convention: Convention = Convention.RADIOLOGICAL
    surfaces: bool = False


#: As the challenge's own calls want it.
NO_LOOKS = Looks(picture=False, report=False)


@dataclass(frozen=True)
class CaseJob:
    """One case and the files to write for it; None for a file that is not written.

    Attributes:
        case: the case.
        label_map: ``.nii.gz``.
        biometry: table of the five lengths.
        landmarks: image with two voxels a length.
        picture: PNG to judge the result by eye.
        record: JSON written last; where it is there and fits, the case is finished.
        sidecar: JSON with each length's interval, centile and sources.
        sizes: table of volumes and lengths with their norms.
        given: a label map to measure in place of the networks'.
        mask: the brain's mask, ``.nii.gz``.
        beside: texts to write as they are, by file.
        probabilities: a file for each tissue, ``.nii.gz``.
        described: what the record tells of the label map beside its own, where it is that map's sidecar as well.
        report: page that opens offline.
        convention: which side picture and page show on the left.
        surfaces: JSON that tells of the surfaces.
        meshes: ``.surf.gii`` of each side and kind; where none can be made, the JSON says why.
    """

    case: Case
    label_map: Path | None = None
    biometry: Path | None = None
    landmarks: Path | None = None
    picture: Path | None = None
    record: Path | None = None
    sidecar: Path | None = None
    sizes: Path | None = None
    given: GivenLabels | None = None
    mask: Path | None = None
    beside: Mapping[Path, str] = field(default_factory=dict)
    described: Mapping[str, Any] = field(default_factory=dict)
    probabilities: Mapping[Tissue, Path] = field(default_factory=dict)
    report: Path | None = None
    convention: Convention = Convention.RADIOLOGICAL
    surfaces: Path | None = None
    meshes: Mapping[tuple[str, str], Path] = field(default_factory=dict)

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The files that a finished case has, without the record."""
        results = (self.label_map, self.biometry, self.sidecar, self.sizes, self.landmarks, self.mask)
        files = (*results, self.surfaces, self.picture, self.report)
        named = tuple(path for path in files if path is not None)
        return (*named, *self.beside, *self.probabilities.values(), *self.meshes.values())

    @property
    def optional(self) -> tuple[Path, ...]:
        """Those of them that can't always be made: a finished case may lack them."""
        return (*(path for path in (self.picture, self.report) if path is not None), *self.meshes.values())

    @property
    def title(self) -> str:
        """How messages and run.json call the case."""
        folder = self.case.folder.as_posix()
        return self.case.name if folder == "." else f"{folder}/{self.case.name}"


def folder_jobs(
    cases: Iterable[Case],
    root: Path,
    looks: Looks = NO_LOOKS,
    *,
    landmarks: bool = False,
    sidecar: bool = True,
    sizes: bool = True,
) -> list[CaseJob]:
    """Mirror the input under a folder: ``…_dseg.nii.gz``, ``…_biom.csv``, and the extras asked for.

    Args:
        cases: what was found in the input.
        root: the output folder.
        looks: whether also ``…_qc.png`` and ``…_report.html``.
        landmarks: also ``…_meas.nii.gz``.
        sidecar: also ``…_biom.json``.
        sizes: also ``…_volumes.tsv``.
    """
    jobs = []
    for case in cases:
        label_map = label_map_path(root, case)
        jobs.append(
            CaseJob(
                case,
                label_map,
                biometry_path(root, case),
                label_map.with_name(f"{case.name}_meas.nii.gz") if landmarks else None,
                label_map.with_name(f"{case.name}_qc.png") if looks.picture else None,
                label_map.with_name(f"{case.name}_dseg.json"),
                label_map.with_name(f"{case.name}_biom.json") if sidecar else None,
                label_map.with_name(f"{case.name}_volumes.tsv") if sizes else None,
                report=label_map.with_name(f"{case.name}_report.html") if looks.report else None,
                convention=looks.convention,
                **_surfaces(label_map, case.name, looks.surfaces),
            )
        )
    return jobs


def _surfaces(beside: Path, name: str, wanted: bool) -> dict[str, Any]:
    """The fields of a job for ``…_surf.json`` and ``…_hemi-L_white.surf.gii`` beside a file."""
    meshes = _meshes(lambda hemi, kind: beside.with_name(f"{name}_hemi-{hemi}_{kind}.surf.gii"), wanted)
    return {"surfaces": beside.with_name(f"{name}_surf.json") if wanted else None, "meshes": meshes}


def _bids_mesh(names: BidsNames, hemi: str, kind: str) -> Path:
    return names.path(kind, ".surf.gii", hemi=hemi)


def _meshes(named: Callable[[str, str], Path], wanted: bool) -> dict[tuple[str, str], Path]:
    keys = [(side, kind) for kind in ("white", "pial") for side in SIDES] if wanted else []
    return {(side, kind): named(side[0].upper(), kind) for side, kind in keys}


def measuring_jobs(cases: Iterable[tuple[Case, GivenLabels]], root: Path, *, surfaces: bool = False) -> list[CaseJob]:
    """``…_volumes.tsv``, ``…_biom.csv`` and ``…_biom.json`` of label maps; picture and page beside an image.

    Args:
        cases: each with its label map; its image is that map where there is no other.
        root: the output folder.
        surfaces: also ``…_surf.json`` and ``…_hemi-L_white.surf.gii`` and the like.
    """
    jobs = []
    for case, given in cases:
        biometry = biometry_path(root, case)
        endings = ("qc.png", "measure.json", "biom.json", "report.html")
        at = {end: biometry.with_name(f"{case.name}_{end}") for end in endings}
        seen = case.image != given.path
        sizes = biometry.with_name(f"{case.name}_volumes.tsv")
        jobs.append(
            CaseJob(
                case,
                biometry=biometry,
                picture=at["qc.png"] if seen else None,
                record=at["measure.json"],
                sidecar=at["biom.json"],
                sizes=sizes,
                given=given,
                report=at["report.html"] if seen else None,
                **_surfaces(biometry, case.name, surfaces),
            )
        )
    return jobs


def bids_jobs(
    cases: Iterable[Case], root: Path, looks: Looks = NO_LOOKS, *, landmarks: bool = False, soft: bool = False
) -> list[CaseJob]:
    """Derivatives as BIDS names them: label map and mask with their sidecars, lengths, and the extras asked for.

    The sidecar of the label map is the case's record as well.

    Args:
        cases: what was found in a BIDS tree.
        root: of the derivatives.
        looks: whether also a picture and a page in the subject's folder of figures.
        landmarks: also ``…_meas.nii.gz``.
        soft: also ``…_label-GM_probseg.nii.gz`` of each tissue.

    Raises:
        FetaError: a volume doesn't lie in a BIDS tree.
    """
    jobs = []
    for case in cases:
        names = names_of(root, case)
        label_map = names.path("dseg", ".nii.gz", seg=SEGMENTATION)
        beside = {names.mask(".json"): mask_sidecar(names, label_map)}
        probabilities = {tissue: names.probabilities(tissue, ".nii.gz") for tissue in (TISSUES if soft else ())}
        beside |= {names.probabilities(tissue, ".json"): soft_sidecar(names, tissue) for tissue in probabilities}
        jobs.append(
            CaseJob(
                case,
                label_map,
                names.path("biom", ".tsv"),
                names.path("meas", ".nii.gz") if landmarks else None,
                names.figure("qc", ".png") if looks.picture else None,
                names.path("dseg", ".json", seg=SEGMENTATION),
                names.path("biom", ".json"),
                sizes=names.path("volumes", ".tsv"),
                mask=names.mask(".nii.gz"),
                beside={path: json.dumps(content, indent=1) + "\n" for path, content in beside.items()},
                described=label_map_sidecar(names),
                probabilities=probabilities,
                report=names.figure("report", ".html") if looks.report else None,
                convention=looks.convention,
                surfaces=names.path("surf", ".json") if looks.surfaces else None,
                meshes=_meshes(partial(_bids_mesh, names), looks.surfaces),
            )
        )
    return jobs


def jobs_2021(cases: Iterable[Case], root: Path) -> list[CaseJob]:
    """``<sub>_seg_result.nii.gz`` straight into a folder, the layout of 2021, which has no biometry."""
    return [
        CaseJob(
            case, label_map=root / f"{case.subject}_seg_result.nii.gz", record=root / f"{case.subject}_seg_result.json"
        )
        for case in cases
    ]

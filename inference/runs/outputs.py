"""The cases of a run and the files to write for each, for each form of the command."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from feta.cases import Case, biometry_path, label_map_path
from inference.morphometry.given_labels import GivenLabels
from inference.report.convention import Convention


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
        report: page that opens offline.
        convention: which side picture and page show on the left.
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
    report: Path | None = None
    convention: Convention = Convention.RADIOLOGICAL

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The files that a finished case has, without the record."""
        files = (
            self.label_map, self.biometry, self.sidecar, self.sizes, self.landmarks, self.picture, self.report,
        )  # fmt: skip
        return tuple(path for path in files if path is not None)

    @property
    def title(self) -> str:
        """How messages and run.json call the case."""
        folder = self.case.folder.as_posix()
        return self.case.name if folder == "." else f"{folder}/{self.case.name}"


def folder_jobs(
    cases: Iterable[Case],
    root: Path,
    *,
    picture: bool = True,
    landmarks: bool = False,
    sidecar: bool = True,
    sizes: bool = True,
    report: bool = False,
    convention: Convention = Convention.RADIOLOGICAL,
) -> list[CaseJob]:
    """Mirror the input under a folder: ``…_dseg.nii.gz``, ``…_biom.csv``, and the extras asked for.

    Args:
        cases: what was found in the input.
        root: the output folder.
        picture: also ``…_qc.png``.
        landmarks: also ``…_meas.nii.gz``.
        sidecar: also ``…_biom.json``.
        sizes: also ``…_volumes.tsv``.
        report: also ``…_report.html``.
        convention: of picture and page.
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
                label_map.with_name(f"{case.name}_qc.png") if picture else None,
                label_map.with_name(f"{case.name}_dseg.json"),
                label_map.with_name(f"{case.name}_biom.json") if sidecar else None,
                label_map.with_name(f"{case.name}_volumes.tsv") if sizes else None,
                report=label_map.with_name(f"{case.name}_report.html") if report else None,
                convention=convention,
            )
        )
    return jobs


def measuring_jobs(cases: Iterable[tuple[Case, GivenLabels]], root: Path) -> list[CaseJob]:
    """``…_volumes.tsv``, ``…_biom.csv`` and ``…_biom.json`` of label maps; picture and page beside an image.

    Args:
        cases: each with its label map; its image is that map where there is no other.
        root: the output folder.
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

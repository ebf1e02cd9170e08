"""The challenge's own biometry: key points that experts set, carried back into the image they belong to.

Layout (Sanchez et al., "FeTA Biometry – MICCAI 2024", Zenodo 11192452)::

    participants.tsv
    sub-001/anat/sub-001_rec-mial_T2w.nii.gz                         the image
    derivatives/biometry/biometry.tsv                                 lengths as the experts measured them
    derivatives/biometry/sub-001/anat/sub-001_rec-mial_meas.nii.gz   key points, two voxels a length
    derivatives/biometry/sub-001/anat/sub-001_rec-mial_trf.txt       ITK transform

Experts turned each image before they measured: the key points lie in that realigned space. The transform's
``TransformPoint`` leads from there to the image's own (it is what resampled the image onto its turned copy). Key points
were rounded to voxels, which costs up to 0.45 mm; the table's lengths were not. Lengths and subjects may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cc3d
import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from feta.bids import subject_in
from feta.biometry_table import read_true_lengths
from feta.errors import FetaError
from feta.files import is_there, read_text
from feta.grid import transformed
from feta.measurements import LANDMARK_LABELS, MEASUREMENTS, Measurement
from feta.participants import Participant, read_participants
from feta.volumes import Volume, read_label_map
from inference.biometry.line import Line

_ENDING, _IMAGE, _LABELS, _TRANSFORM = "_meas.nii.gz", "_T2w.nii.gz", "_T2w_dseg.nii.gz", "_trf.txt"
#: Key points are as far apart as their length in the table says, to rounding and this (mm).
_TOLERANCE_MM = 2.0
#: A transform between two positions of a head keeps lengths, to this share.
_STRETCH = 0.02


@dataclass(frozen=True)
class ExpertLandmarks:
    """One image with what experts measured on it.

    Attributes:
        name: ``sub-001_rec-mial``.
        image: the T2w volume.
        labels: its label map; None where there is none.
        age: weeks; None where unknown.
        lines: between the key points, in the image's physical LPS mm; lengths without them are left out.
        lengths: mm, from the table, else between the key points in the space in which they were set.
        warnings: one line each.
    """

    name: str
    image: Path
    labels: Path | None
    age: float | None
    lines: Mapping[Measurement, Line]
    lengths: Mapping[Measurement, float]
    warnings: tuple[str, ...]


def read_feta_biometry(root: Path) -> list[ExpertLandmarks]:
    """Read every measured image of a data set in the challenge's layout.

    Args:
        root: holds ``derivatives/biometry`` and the images.

    Raises:
        FetaError: no key points, or a file of one can't be used.
    """
    folder = root / "derivatives" / "biometry"
    files = sorted(folder.glob(f"sub-*/**/*{_ENDING}"))
    if not files:
        raise FetaError(folder, f"holds no sub-*/anat/*{_ENDING}", "name the folder that holds derivatives/biometry")
    table, _ = read_true_lengths(root)
    people = read_participants(root / "participants.tsv") if is_there(root / "participants.tsv") else {}
    set_points = {path: key_points(read_label_map(path)) for path in files}
    known = {path: _from_table(table, _name(path)) for path in files}
    swapped = _callosum_and_vermis_swapped(list(set_points.values()), list(known.values()))
    return [_read(root, path, _unswapped(points, swapped), known[path], people) for path, points in set_points.items()]


def key_points(marks: Volume) -> dict[Measurement, Line]:
    """The two ends of each length that are marked, in the marks' physical LPS mm.

    Two parts of one value are its ends, whatever their size; a single part of two voxels is two neighbours.
    A value with fewer or more parts is left out.
    """
    lines = {}
    for measurement, value in LANDMARK_LABELS.items():
        mask = marks.array == value
        index = np.argwhere(mask)[:, ::-1].astype(np.float64)
        if len(index) != 2:
            parts = cc3d.connected_components(mask, connectivity=26)
            index = np.array([np.argwhere(parts == k)[:, ::-1].mean(axis=0) for k in range(1, int(parts.max()) + 1)])
        if len(index) == 2:
            lines[measurement] = _line(transformed(marks.grid.affine(), index))
    return lines


def read_transform(path: Path) -> sitk.Transform:
    """An ITK transform from its text file.

    Raises:
        FetaError: it isn't one, is cut short, or doesn't keep lengths.
    """
    text = read_text(path)
    try:
        transform = sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise FetaError(path, "is not an ITK transform", "save it with ITK-SNAP or SimpleITK") from error
    given = sum(len(line.split()) - 1 for line in text.splitlines() if line.startswith("Parameters:"))
    # What is cut short reads as the identity, without an error.
    if transform.GetDimension() != 3 or given != len(transform.GetParameters()):
        raise FetaError(path, f"holds {given} parameters, not {len(transform.GetParameters())}", "copy it again")
    edges = _carried(transform, np.eye(3) * 100) - _carried(transform, np.zeros((1, 3)))
    if not np.allclose(edges @ edges.T / 1e4, np.eye(3), atol=2 * _STRETCH):
        raise FetaError(path, "stretches or shears by more than 2 %", "only a turn and a shift are meant")
    if np.linalg.det(edges) < 0:
        raise FetaError(path, "mirrors", "only a turn and a shift are meant")
    return transform


def _read(
    root: Path,
    path: Path,
    points: Mapping[Measurement, Line],
    from_table: Mapping[Measurement, float],
    people: Mapping[str, Participant],
) -> ExpertLandmarks:
    name = _name(path)
    anat = root / path.parent.relative_to(root / "derivatives" / "biometry")
    image, labels = anat / f"{name}{_IMAGE}", anat / f"{name}{_LABELS}"
    if not is_there(image):
        raise FetaError(image, f"is missing, {path.name} belongs to it", "put the images beside derivatives")
    warnings = tuple(
        f"{name}: {m} is {from_table[m]:.1f} mm in the table, its key points are {line.length:.1f} mm apart"
        for m, line in points.items()
        if m in from_table and abs(line.length - from_table[m]) > _TOLERANCE_MM
    )
    transform = path.with_name(f"{path.name.removesuffix(_ENDING)}{_TRANSFORM}")
    lines = dict(points)
    if is_there(transform):
        back = read_transform(transform)
        lines = {m: _line(_carried(back, np.array([line.start, line.end]))) for m, line in points.items()}
    person = people.get(subject_in(name))
    lengths = {m: line.length for m, line in points.items()} | dict(from_table)
    return ExpertLandmarks(
        name, image, labels if is_there(labels) else None, person.age if person else None, lines, lengths, warnings
    )


def _name(path: Path) -> str:
    return path.name.removesuffix(_ENDING).removesuffix("_T2w")


def _from_table(table: Mapping[str, list[float]], name: str) -> dict[Measurement, float]:
    known = table.get(name) or table.get(f"{name}_T2w") or table.get(subject_in(name)) or []
    return {m: v for m, v in zip(MEASUREMENTS, known, strict=False) if np.isfinite(v)}


def _callosum_and_vermis_swapped(cases: list[dict[Measurement, Line]], tables: list[dict[Measurement, float]]) -> bool:
    """Whether the values of LCC and HV are exchanged: the data set's description gives both orders.

    The table of lengths decides where it has both; else, that hardly any vermis is higher than its callosum is long.
    """
    votes = 0
    for marked, known in zip(cases, tables, strict=True):
        if Measurement.LCC not in marked or Measurement.HV not in marked:
            continue
        longer = marked[Measurement.LCC].length - marked[Measurement.HV].length
        told = known.get(Measurement.LCC, np.inf) - known.get(Measurement.HV, 0.0)
        votes += 1 if longer * told < 0 else -1
    return votes > 0


def _unswapped(points: Mapping[Measurement, Line], swapped: bool) -> dict[Measurement, Line]:
    other = {Measurement.LCC: Measurement.HV, Measurement.HV: Measurement.LCC} if swapped else {}
    return {other.get(m, m): line for m, line in points.items()}


def _carried(transform: sitk.Transform, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.array([transform.TransformPoint(tuple(map(float, point))) for point in points])


def _line(ends: npt.NDArray[np.float64]) -> Line:
    (ax, ay, az), (bx, by, bz) = ends.tolist()
    return Line((ax, ay, az), (bx, by, bz))

"""Landmarks of labelled volumes: found on each label map, held against published curves, drawn to be looked at."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feta.age_model import AgeModel, published_model
from feta.bids import subject_in
from feta.errors import FetaError
from feta.files import is_there, write_atomically
from feta.grid import Matrix
from feta.measurements import MEASUREMENTS, Measurement
from feta.participants import read_participants
from feta.volumes import Volume, read_label_map, read_volume
from inference.biometry.landmark_definitions import landmark_lines
from inference.biometry.lengths import Length
from inference.biometry.line import Line
from inference.biometry.midline_alignment import align_to_midline
from inference.geometry.frames import LPS_TO_RAS
from training.data.subject import pairs

HEADER = ("case", "measurement", "length_mm", "week", "curve_mm", "curve_sd_mm", "ratio", "centile", "callosum")


@dataclass(frozen=True)
class Landmarks:
    """The ends of the five lengths of one labelled volume.

    Attributes:
        lines: in physical LPS mm; None where a structure is absent.
        to_upright: 4×4 from physical LPS mm to the frame in which the brain is aligned, its midline at x = 0.
        callosum_known: whether there was a mask of it.
    """

    lines: Mapping[Measurement, Line | None]
    to_upright: Matrix
    callosum_known: bool


def find_landmarks(labels: Volume, callosum: Volume | None) -> Landmarks | None:
    """Find the landmarks of a brain that stands upright by its header, to within some degrees.

    An atlas's own midline is some degrees and millimetres off: it is sought by symmetry first.

    Args:
        labels: uint8 (z, y, x) FeTA labels.
        callosum: mask (z, y, x) of the corpus callosum, on any grid in the same physical space.

    Returns:
        None where the map is empty.
    """
    if not labels.array.any():
        return None
    to_canonical = LPS_TO_RAS @ labels.grid.affine()
    centre = np.argwhere(labels.array).mean(axis=0)[::-1]
    centred = LPS_TO_RAS.copy()
    centred[:3, 3] = -(to_canonical[:3, :3] @ centre + to_canonical[:3, 3])
    aligned = align_to_midline(labels, centred)
    assert aligned is not None
    mask = None if callosum is None else aligned.resample_like(callosum) > 0
    lines = landmark_lines(aligned.labels, aligned.origin, aligned.spacing, mask)
    moved = {m: None if line is None else line.moved(aligned.to_physical) for m, line in lines.items()}
    return Landmarks(moved, aligned.from_physical, callosum is not None)


def read_landmarks(labels: Path) -> tuple[Volume, Landmarks | None]:
    """A label map and its landmarks; the callosum's mask lies beside it as ``*_label-corpuscallosum_mask.nii.gz``."""
    volume = read_label_map(labels)
    mask = labels.with_name(labels.name.replace("_T2w_dseg", "_label-corpuscallosum_mask"))
    return volume, find_landmarks(volume, read_label_map(mask) if is_there(mask) else None)


def landmark_table(root: Path, out: Path) -> Iterator[str]:
    """Measure a labelled BIDS folder.

    Writes ``landmarks.csv`` (each length against its curve), ``biometry.tsv`` and a picture for each volume.

    Args:
        root: holds ``sub-*/anat/*_T2w.nii.gz`` with ``*_T2w_dseg.nii.gz``, and may hold ``participants.tsv``.
        out: folder.

    Yields:
        a line a volume, for people.

    Raises:
        FetaError: there is none, or a file can't be read or written.
    """
    from inference.report.picture import draw_picture
    from inference.report.sampling import Scene

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FetaError(out, f"cannot be made ({error.strerror})") from error
    table = root / "participants.tsv"
    ages = {name: person.age for name, person in read_participants(table).items()} if is_there(table) else {}
    rows: list[tuple[str, ...]] = [HEADER]
    lengths: list[tuple[str, ...]] = [("participant_id", *MEASUREMENTS)]
    for name, (image, path) in pairs(root).items():
        labels, found = read_landmarks(path)
        if found is None:
            yield f"{name}: the label map is empty"
            continue
        subject = subject_in(name)
        rows += _rows(name, found, ages.get(subject), published_model())
        lengths.append((subject, *(_text(_length(found, m)) for m in MEASUREMENTS)))
        drawn = {m: Length(line.length, "image", line) for m, line in found.lines.items() if line is not None}
        scene = Scene.of(read_volume(image), labels, found.to_upright)
        upright = {m: line.moved(found.to_upright) for m, line in found.lines.items() if line is not None}
        picture = draw_picture(name, scene, drawn, upright, age=ages.get(subject))
        write_atomically(out / f"{name}.png", picture.png())
        yield f"{name}: " + ", ".join(f"{m} {_text(_length(found, m)) or '–'}" for m in MEASUREMENTS)
    _write(out / "landmarks.csv", rows, ",")
    _write(out / "biometry.tsv", lengths, "\t")


def _length(found: Landmarks, measurement: Measurement) -> float | None:
    line = found.lines[measurement]
    return None if line is None else line.length


def _rows(name: str, found: Landmarks, age: float | None, model: AgeModel) -> Iterator[tuple[str, ...]]:
    known = "mask" if found.callosum_known else "sought"
    for measurement in MEASUREMENTS:
        length = _length(found, measurement)
        against: tuple[float | None, ...] = (None,) * 4
        if length is not None and age is not None:
            mean = model.curves[measurement].mean(age)
            against = (mean, model.sd(measurement, age), length / mean, model.centile(measurement, length, age))
        numbers = (length, age, *against)
        yield (name, measurement, *map(_text, numbers), known if measurement is Measurement.LCC else "")


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _write(path: Path, rows: list[tuple[str, ...]], separator: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\n").writerows(rows)
    write_atomically(path, text.getvalue())

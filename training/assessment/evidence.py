"""What the submission sees on cohorts whose lengths are known, kept so that nothing is measured twice.

In each cohort's folder: the label maps by ``segmented-<weights>``, and by ``evidence-<weights>.jsonl`` a line a case.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from feta.biometry_table import read_true_lengths
from feta.cases import Case, find_cases
from feta.errors import FetaError
from feta.files import follow_links, is_there, links_are_followed, write_atomically
from feta.measurements import Measurement
from feta.tables import parse_number, plain_name, read_table
from feta.volumes import Volume, read_label_map, read_volume, write_label_map
from inference.biometry.landmark_network import LandmarkNetwork
from inference.biometry.line import Line
from inference.biometry.measure import Evidence, collect_evidence
from inference.biometry.midline_alignment import align_to_midline
from inference.geometry.segmentation_result import Segmentation, SegmentVolume
from inference.networks.weights import Model, read_model
from inference.segmentation.segmenter import Segmenter, load_segmenter

Array = npt.NDArray[np.float64]
#: A case's name and its evidence as JSON knows it.
_Measured = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class CaseEvidence:
    """One case with what was seen on its image.

    Attributes:
        name: cohort and case.
        age: weeks; None where unknown.
        pathological: by the table.
        quality: of the image, 0–4; NaN where unknown.
        truth: (5,) mm, NaN where unknown.
        evidence: what the image says.
    """

    name: str
    age: float | None
    pathological: bool
    quality: float
    truth: Array
    evidence: Evidence


def cohort_cases(cohort: Path) -> list[tuple[Case, Array, float]]:
    """The cases of a cohort whose lengths are known, those lengths (5,) and the image's quality.

    Args:
        cohort: holds ``input`` and ``truth`` as ``feta-train data simulate`` makes them, or is itself a data set in the
            challenge's layout.

    Raises:
        FetaError: there is none.
    """
    images = cohort / "input" if (cohort / "input").is_dir() else cohort
    lengths, warnings = true_lengths(cohort)
    qualities = _qualities(images / "participants.tsv")
    found = find_cases(images).all_usable()
    known = [(c, lengths.get(c.name.removesuffix("_T2w"), lengths.get(c.subject))) for c in found]
    cases = [(c, np.array(v), qualities.get(c.subject, np.nan)) for c, v in known if v is not None]
    if not cases:
        raise FetaError(cohort, warnings[0] if warnings else "has lengths of none of its images", "name a cohort")
    return cases


def truth_of(cohort: Path) -> Path:
    """The folder that holds a cohort's truth: ``truth`` of a simulated one, else itself."""
    return cohort / "truth" if (cohort / "input").is_dir() else cohort


def true_lengths(cohort: Path) -> tuple[dict[str, list[float]], list[str]]:
    """A cohort's true lengths, as ``read_true_lengths`` gives them; none of a labelled folder without a table."""
    return read_true_lengths(truth_of(cohort))


def kept_label_maps(cohort: Path, weights: Path) -> Path:
    """The folder of the label maps that ``cohort_evidence`` keeps, ``CASE_dseg.nii.gz``.

    Raises:
        FetaError: the weights can't be used.
    """
    return cohort / f"segmented-{_digest(read_model(weights))}"


def cohort_evidence(
    cohorts: Iterable[Path], weights: Path, *, jobs: int = 1, fresh: bool = False
) -> Iterator[tuple[CaseEvidence, bool]]:
    """Collect the evidence of every case of some cohorts, yielding each, with whether it was measured now.

    Args:
        cohorts: folders.
        weights: folder with ``model.yaml``.
        jobs: processes.
        fresh: measure again on the label maps that are kept.

    Raises:
        FetaError: a cohort or the weights can't be used.
    """
    key = read_model(weights).sha256[:12]
    for cohort in cohorts:
        cases = cohort_cases(cohort)
        path = cohort / f"evidence-{key}.jsonl"
        kept = {} if fresh else _read(path)
        missing = [case for case, _, _ in cases if case.name not in kept]
        made = dict(kept)
        table = {case.name: (case, truth, quality) for case, truth, quality in cases}
        for name in kept:
            if name in table:
                yield _unpacked(cohort, *table[name], made[name]), False
        for name, content in _measure_all(partial(_measure, cohort, weights), missing, jobs):
            made[name] = content
            lines = (json.dumps({"case": n, **v}) for n, v in made.items())
            write_atomically(path, "\n".join(lines) + "\n")
            yield _unpacked(cohort, *table[name], content), True


def _measure_all(measure: Callable[[Case], _Measured], cases: list[Case], jobs: int) -> Iterator[_Measured]:
    if jobs == 1 or len(cases) < 2:
        yield from map(measure, cases)
        return
    # Spawned, not forked: SimpleITK and torch have threads of their own by now.
    workers, context = min(jobs, len(cases)), get_context("spawn")
    alike = (links_are_followed(),)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=follow_links, initargs=alike) as pool:
        try:
            yield from pool.map(measure, cases)
        finally:  # after an error there is no use in doing the rest
            pool.shutdown(cancel_futures=True)


@lru_cache(maxsize=1)
def _networks(weights: Path) -> tuple[Segmenter, LandmarkNetwork | None]:
    import torch

    from inference.networks.device import choose

    torch.set_num_threads(1)
    model, compute = read_model(weights), choose()
    return load_segmenter(model, compute), LandmarkNetwork.of(model, compute)


def _measure(cohort: Path, weights: Path, case: Case) -> _Measured:
    segment, find_landmarks = _networks(weights)
    volume = read_volume(case.image)
    segmented = _segmented(kept_label_maps(cohort, weights), segment, case, volume)
    aligned = align_to_midline(segmented.labels, segmented.to_canonical)
    return case.name, _packed(collect_evidence(volume, segmented, aligned, find_landmarks))


def _segmented(kept: Path, segment: SegmentVolume, case: Case, volume: Volume) -> Segmentation:
    """The label map and its frame, kept in a folder."""
    labels = kept / f"{case.name}_dseg.nii.gz"
    frame = labels.with_name(f"{case.name}_frame.json")
    if frame.exists():
        return Segmentation(read_label_map(labels, volume.grid), np.array(json.loads(frame.read_text())), ())
    segmented = segment(volume)
    write_label_map(labels, segmented.labels)
    # Last: with it, the case is finished.
    write_atomically(frame, json.dumps(np.asarray(segmented.to_canonical).tolist()))
    return segmented


def _digest(model: Model) -> str:
    """What label maps depend on."""
    files = (model.locator, *model.segmentation, *((model.brain_extraction,) if model.brain_extraction else ()))
    return hashlib.sha256("".join(file.sha256 for file in files).encode()).hexdigest()[:12]


def _packed(evidence: Evidence) -> dict[str, Any]:
    def ends(lines: Mapping[Measurement, Line | None]) -> dict[str, Any]:
        return {str(m): [line.start, line.end] for m, line in lines.items() if line is not None}

    return {
        "geometry": ends(evidence.geometry),
        "heatmap": ends(evidence.heatmap),
        "blur": {str(m): v for m, v in evidence.blur.items()},
        "volumes": evidence.volumes.tolist(),
    }


def _unpacked(cohort: Path, case: Case, truth: Array, quality: float, content: Mapping[str, Any]) -> CaseEvidence:
    def lines(name: str) -> dict[Measurement, Line]:
        return {Measurement(m): Line(tuple(a), tuple(b)) for m, (a, b) in content[name].items()}

    blur = {Measurement(m): float(v) for m, v in content["blur"].items()}
    evidence = Evidence(lines("geometry"), np.array(content["volumes"]), lines("heatmap"), blur)
    pathological = (case.pathology or "").lower().startswith("patho")
    return CaseEvidence(f"{cohort.name}/{case.name}", case.age, pathological, quality, truth, evidence)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return {row.pop("case"): row for row in rows}


def _qualities(table: Path) -> dict[str, float]:
    if not is_there(table):
        return {}
    read = read_table(table)
    column = next((i for i, name in enumerate(read.header) if plain_name(name) == "imagequality"), None)
    if column is None:
        return {}
    numbers = {row[0]: parse_number(row[column]) for row in read.rows if column < len(row)}
    return {name: value for name, value in numbers.items() if value is not None}

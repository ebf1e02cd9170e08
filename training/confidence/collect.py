"""Run the submission on cohorts whose truth is known, as they are and spoilt, and keep what it made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

import numpy as np

from evaluation.metrics.measurements import measure
from feta.biometry_table import read_true_lengths
from feta.errors import FetaError
from feta.measurements import MEASUREMENTS
from feta.participants import Participant
from feta.volumes import Volume, read_label_map, read_volume
from inference.biometry.lengths import Measuring, complete
from inference.biometry.measure import Evidence, collect_evidence
from inference.biometry.midline_alignment import align_to_midline
from inference.biometry.volume_regression import tissue_volumes
from inference.confidence.length_signals import length_signals
from inference.confidence.signals import CASE, collect_signals
from inference.networks.weights import read_model
from inference.runs.models import Models, load_models
from inference.runs.plausibility import check_usable
from inference.runs.settings import Settings
from training.assessment.resampling import Pair
from training.assessment.validation import labelled, table_of_subjects
from training.confidence.causes import ALL, AS_IS, LEARNED, NO_LENGTHS, ROBUSTNESS, UNSEEN
from training.confidence.rows import CaseRow, LengthResult, read_rows, write_row

#: Volumes whose case and cause are the same have the same seed, whatever else is collected.
SEED_BYTES = 4
#: Causes by the word that the command line has for them.
CAUSES = {"learned": tuple(LEARNED), "unseen": tuple(UNSEEN), "robustness": tuple(ROBUSTNESS), "none": ()}


def collect(
    cohort: Path,
    weights: Path,
    causes: Sequence[str],
    each: int,
    kept: Path | None = None,
    subjects: str = "*",
    left_out: str = "",
) -> Iterator[tuple[CaseRow, bool]]:
    """What the submission makes of a cohort; rows that are kept are not made again, unless lengths are calibrated anew.

    Args:
        cohort: a simulated cohort, or a labelled BIDS folder.
        weights: folder with ``model.yaml``.
        causes: of ``ALL``.
        each: how many of the causes each volume gets, drawn by its name; its own state is always one more.
        kept: folder for the rows, the cohort's own by default.
        subjects: pattern that their names fit.
        left_out: pattern that the names of those fit which are left out.

    Yields:
        each row, and whether it was made now.

    Raises:
        FetaError: the cohort or the weights can't be used.
    """
    path = rows_file(cohort, weights, kept)
    people = table_of_subjects(cohort)
    truth = cohort / "truth" if (cohort / "truth").is_dir() else cohort
    lengths, _ = read_true_lengths(truth)
    settings = Settings(weights=weights, mirror_tta=False)
    calibration = (settings.result_key()["calibration"] or "usual")[:12]
    rows = read_rows([path]) if path.exists() else []
    known = {row.name: row for row in rows if row.calibration in ("", calibration)}
    for subject, (image, labels) in labelled(cohort, subjects).items():
        if fnmatchcase(subject, left_out):
            continue
        stem = image.name.removesuffix("_T2w.nii.gz")
        true = np.array(lengths.get(stem, lengths.get(subject, [np.nan] * len(MEASUREMENTS))), np.float64)
        for cause in (AS_IS, *drawn(subject, causes, each)):
            name = f"{stem}, {cause}"
            if name in known:
                yield known[name], False
                continue
            pair = read_volume(image), read_label_map(labels)
            spoilt = ALL[cause](pair, np.random.default_rng(_seed(subject, cause)))
            made = _row(name, cohort, people.get(subject), subject, cause, spoilt, true, settings)
            row = replace(made, calibration=calibration)
            write_row(path, row)
            yield row, True


def rows_file(cohort: Path, weights: Path, kept: Path | None = None) -> Path:
    """Where the rows of a cohort and of some weights are kept."""
    return (kept or cohort) / f"confidence-{cohort.name}-{read_model(weights).sha256[:12]}.jsonl"


def drawn(subject: str, causes: Sequence[str], each: int) -> list[str]:
    """The causes that a volume gets."""
    draw = np.random.default_rng(_seed(subject, "causes"))
    return [causes[i] for i in draw.permutation(len(causes))[:each]]


def _seed(subject: str, cause: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{subject} {cause}".encode()).digest()[:SEED_BYTES], "big")


@lru_cache(maxsize=1)
def _models(settings: Settings) -> tuple[Models, Measuring]:
    return load_models(settings, judged=False), settings.measuring()


def _row(
    name: str,
    cohort: Path,
    person: Participant | None,
    subject: str,
    cause: str,
    pair: Pair,
    true_lengths: np.ndarray,
    settings: Settings,
) -> CaseRow:
    image, truth = pair
    models, measuring = _models(settings)
    age = person.age if person else None
    ill = bool(person and (person.pathology or "").lower().startswith("patho"))
    known = np.full(len(MEASUREMENTS), np.nan) if cause in NO_LENGTHS else true_lengths
    row = CaseRow(name, cohort.name, subject, cause, np.nan if age is None else age, ill, true_lengths=known)
    try:
        check_usable(Path(name), image)
        segmented = models.segment(image)
    except FetaError as error:
        return replace(row, refused=str(error))
    aligned = align_to_midline(segmented.labels, segmented.to_canonical)
    evidence = collect_evidence(image, segmented, aligned, models.find_landmarks)
    signals = collect_signals(image, segmented, aligned, {})
    scores = _scores(truth, segmented.labels)
    return replace(
        row,
        case={name: signals.case[name] for name in CASE if name in signals.case},
        tissue=dict(signals.tissue),
        volumes=signals.volumes,
        folding=signals.folding,
        true_volumes=tissue_volumes(truth),
        dice=scores[0],
        hd95=scores[1],
        aged=None if age is None else _lengths(evidence, age, measuring),
        ageless=_lengths(evidence, None, measuring),
    )


def _lengths(evidence: Evidence, age: float | None, measuring: Measuring) -> LengthResult:
    found, _ = complete(evidence, age, measuring.model, measuring.calibration, measuring.method)
    case, signals = length_signals(found)
    intervals = [found[m].interval or (np.nan, np.nan) for m in MEASUREMENTS]
    values = np.array([np.nan if found[m].value is None else found[m].value for m in MEASUREMENTS], np.float64)
    low, high = np.array(intervals, np.float64).T
    return LengthResult(case, signals, values, low, high)


def _scores(truth: Volume, found: Volume) -> tuple[np.ndarray, np.ndarray]:
    """Dice and HD95 (7,) each; a tissue that the truth lacks and nobody found counts as 1 and 0 mm."""
    measured = measure(truth, found)
    both = np.isnan(measured.dice)
    return np.where(both, 1.0, measured.dice), np.where(both, 0.0, measured.hd95)

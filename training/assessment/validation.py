"""The validation table: the whole submission on labelled volumes, as they are and under the conditions of `robustness`.

Scores are the evaluator's own, on the grid of each condition.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.metrics.measurements import measure
from evaluation.scoring.penalties import fill_topology, score_pair
from evaluation.scoring.policy import default_policy
from evaluation.scoring.score_table import SEGMENTATION_METRICS
from feta.bids import subject_in
from feta.errors import FetaError
from feta.files import is_there
from feta.labels import TISSUES
from feta.participants import Participant, read_participants
from feta.tables import create_csv
from feta.volumes import Volume, read_label_map, read_volume
from inference.networks.device import choose
from inference.networks.weights import read_model
from inference.segmentation.segmenter import load_segmenter
from training.assessment.robustness import CONDITIONS as ROBUSTNESS
from training.assessment.robustness import Condition, rotated_noisy_biased, unchanged
from training.data.subject import pairs

#: What ``feta-train assess validate`` measures; the names stand in its tables.
CONDITIONS: dict[str, Condition] = {
    "as is": unchanged,
    "turned, noise, bias": rotated_noisy_biased,
}


def measure_validation(
    root: Path, weights: Path, subjects: tuple[str, ...] | str, conditions: dict[str, Condition], path: Path
) -> Iterator[str]:
    """Segment and score; writes one CSV row a figure and yields lines for people, with one table a condition.

    Args:
        root: labelled BIDS folder.
        weights: folder with ``model.yaml``.
        subjects: which to measure, or what their names fit, as `labelled` takes them.
        conditions: by name.
        path: of the CSV.

    Raises:
        FetaError: a subject is missing, or weights or CSV can't be used.
    """
    files = labelled(root, subjects)
    rows = []
    for condition, subject, values in _measured(files, weights, conditions, path):
        rows.append(values)
        yield _line(condition, subject, values)
        if len(rows) == len(files):
            yield from _table(condition, np.stack(rows))
            yield from sites(root, list(files), rows)
            rows = []


def measure_robustness(
    root: Path,
    weights: Path,
    subjects: tuple[str, ...] | str,
    path: Path,
    only: Sequence[str] = (),
    *,
    tta: bool = False,
) -> Iterator[str]:
    """The same under every condition of the robustness suite (or only some), with one table of all at the end.

    Args:
        tta: with test-time augmentation.
    """
    unknown = sorted(set(only) - set(ROBUSTNESS))
    if unknown:
        raise FetaError("--only", f"'{unknown[0]}' is no condition", f"known are {', '.join(ROBUSTNESS)}")
    chosen = {name: change for name, change in ROBUSTNESS.items() if not only or name in only}
    files = labelled(root, subjects)
    rows: dict[str, list[npt.NDArray[np.float64]]] = {}
    for condition, subject, values in _measured(files, weights, chosen, path, tta=tta):
        rows.setdefault(condition, []).append(values)
        yield _line(condition, subject, values)
    yield f"\nmean over {len(files)} subjects and all tissues\n"
    yield "| condition | Dice | HD95 mm | ED |\n|---|---|---|---|"
    columns = [SEGMENTATION_METRICS.index(name) for name in ("dice", "hd95", "ed")]
    for condition, values_of in rows.items():
        means = np.mean(values_of, axis=(0, 1))[columns]
        yield f"| {condition} | " + " | ".join(f"{v:.3f}" for v in means) + " |"


def _measured(
    files: dict[str, tuple[Path, Path]],
    weights: Path,
    conditions: dict[str, Condition],
    path: Path,
    *,
    tta: bool = False,
) -> Iterator[tuple[str, str, npt.NDArray[np.float64]]]:
    """Condition, subject and (7 tissues, 7 metrics) of each volume, all of one condition before the next."""
    model = read_model(weights)  # a mistyped folder empties no earlier table
    with create_csv(path) as stream:
        segmenter = load_segmenter(model, choose(), mirror_tta=tta)
        writer = csv.writer(stream)
        writer.writerow(["condition", "subject", "label", "metric", "value"])
        for condition, change in conditions.items():
            for seed, (subject, (image_path, label_path)) in enumerate(files.items()):
                pair = read_volume(image_path), read_label_map(label_path)
                image, labels = change(pair, np.random.default_rng(seed))
                values = scores(labels, segmenter(image).labels)
                for tissue, line in zip(TISSUES, values, strict=True):
                    for metric, value in zip(SEGMENTATION_METRICS, line, strict=True):
                        writer.writerow([condition, subject, tissue.name, metric, f"{value:.4f}"])
                stream.flush()
                yield condition, subject, values


def labelled(root: Path, subjects: Sequence[str] | str) -> dict[str, tuple[Path, Path]]:
    """(T2w, label map) of some subjects of a labelled BIDS folder, by subject.

    Args:
        root: the folder.
        subjects: their names (``sub-crl24``), or what they fit (``sub-crl*``), several with a blank between them.

    Raises:
        FetaError: one is missing, or a pattern fits none.
    """
    found = {subject_in(name): files for name, files in pairs(root).items()}
    if isinstance(subjects, str):
        chosen: set[str] = set()
        for pattern in subjects.split() or [""]:
            fitting = {name for name in found if fnmatchcase(name, pattern)}
            if not fitting:
                problem = f"holds no labelled volume whose subject fits '{pattern}'"
                raise FetaError(root, problem, f"such as {min(found)}")
            chosen |= fitting
        return {name: files for name, files in found.items() if name in chosen}
    missing = sorted(set(subjects) - set(found))
    if missing:
        raise FetaError(root, f"holds no labelled volume of {missing[0]}", "name another folder, or --subjects")
    return {name: found[name] for name in subjects}


def sites(root: Path, subjects: Sequence[str], values: Sequence[npt.NDArray[np.float64]]) -> Iterator[str]:
    """Mean Dice by hospital, where the folder's table tells of several; values (7 tissues, 7 metrics) by subject."""
    of = {name: person.site for name, person in table_of_subjects(root).items() if person.site}
    dice: dict[str, list[float]] = {}
    for subject, found in zip(subjects, values, strict=True):
        dice.setdefault(of.get(subject, ""), []).append(float(found[:, 0].mean()))
    if len(dice) > 1:
        means = {site: float(np.mean(each)) for site, each in sorted(dice.items())}
        yield "mean Dice by site: " + ", ".join(f"{site} {mean:.3f}" for site, mean in means.items())
        yield f"between sites: {max(means.values()) - min(means.values()):.3f}"


def table_of_subjects(root: Path) -> dict[str, Participant]:
    """What the table of a labelled folder, or of a cohort, says of each subject; empty where there is none."""
    path = next((p for p in (root / "input" / "participants.tsv", root / "participants.tsv") if is_there(p)), None)
    return read_participants(path) if path else {}


def _line(condition: str, subject: str, values: npt.NDArray[np.float64]) -> str:
    return f"{condition}, {subject}: mean Dice {values[:, 0].mean():.3f}"


def scores(truth: Volume, prediction: Volume) -> npt.NDArray[np.float64]:
    """Every metric of every tissue, (7, 7), under the evaluator's own policy; ED against the table."""
    values, _ = score_pair(measure(truth, prediction), default_policy(), "table")
    fill_topology(values[None, None], default_policy())
    return values


def _table(condition: str, values: npt.NDArray[np.float64]) -> Iterator[str]:
    """Mean over subjects of each tissue's metrics, as Markdown."""
    yield f"\n{condition}, mean over {len(values)} subjects\n"
    yield "| tissue | " + " | ".join(SEGMENTATION_METRICS) + " |"
    yield "|---|" + "---|" * len(SEGMENTATION_METRICS)
    for name, line in zip([t.name for t in TISSUES], values.mean(0), strict=True):
        yield f"| {name} | " + " | ".join(f"{v:.3f}" for v in line) + " |"
    yield "| mean | " + " | ".join(f"{v:.3f}" for v in values.mean((0, 1))) + " |\n"

"""The bench: where a folder of weights stands, on everything it is judged by, in one table.

Means hide the failures, so that beside each stand the worst case and the tenth percentile. Scores are the evaluator's
own, on the grid of each condition. A volume that was measured with the same weights is not measured again.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evaluation.scoring.score_table import SEGMENTATION_METRICS
from feta.errors import FetaError
from feta.files import read_text, write_atomically
from feta.labels import TISSUES, Tissue
from feta.settings import read_settings
from feta.tables import create_csv
from feta.volumes import Volume, read_label_map, read_volume
from inference.biometry.calibration import networks_digest
from inference.networks.device import choose
from inference.networks.weights import read_model
from inference.segmentation.segmenter import Segmenter, load_segmenter
from training.assessment.bench_table import HEADING, Result, table_rows
from training.assessment.robustness import CONDITIONS, unchanged
from training.assessment.validation import labelled, scores, table_of_subjects

AS_IS = "as is"
#: Of some tissues taken for one, only their overlap is measured.
TOGETHER = "+"
COLUMNS = ("part", "condition", "subject", "weights", "label", "metric", "value")
Case = tuple[str, ...]
Entry = tuple[str, str, str]


@dataclass(frozen=True)
class Part:
    """Labelled volumes on which weights are judged.

    Attributes:
        name: heading of its rows.
        data: labelled BIDS folder or simulated cohort, below the folder of data.
        subjects: what their names fit (``sub-sb*``), several with a blank between them.
        conditions: of the robustness suite, each a row of its own; ``as is`` is none.
        together: tissues taken for one as well, such as ``GM WM``, where protocols part them otherwise.
        by: columns of participants.tsv whose values are told apart: ``pathology``; ``quality`` tells the worst tenth.
        weights: folder of other weights, below the folder of data: those that did not see these subjects.
    """

    name: str
    data: str
    subjects: str = "*"
    conditions: tuple[str, ...] = (AS_IS,)
    together: str = ""
    by: tuple[str, ...] = ()
    weights: str = ""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.conditions) - {AS_IS, *CONDITIONS})
        if unknown:
            raise ValueError(f"'{unknown[0]}' is no condition; known are {', '.join((AS_IS, *CONDITIONS))}")
        if set(self.by) - {"pathology", "quality"}:
            raise ValueError("'by' takes pathology and quality")
        if set(self.together.split()) - {tissue.name for tissue in TISSUES}:
            raise ValueError(f"'together' takes names of tissues: {', '.join(t.name for t in TISSUES)}")


@dataclass(frozen=True)
class BenchSettings:
    """What the bench consists of."""

    parts: tuple[Part, ...] = field(default=())


def run_bench(settings: Path, data: Path, weights: Path, out: Path) -> Iterator[str]:
    """Measure all parts; writes ``bench.csv`` and ``bench.md`` and yields lines for people, the table last.

    Args:
        settings: YAML of the parts.
        data: folder that their names begin from; parts whose folders are not there are left out, and said to be.
        weights: folder with ``model.yaml``, for the parts that name none.
        out: folder to write; what it holds of the same weights is not measured again.

    Raises:
        FetaError: settings, data or weights can't be used.
    """
    parts = read_settings(BenchSettings, settings).parts
    if not parts:
        raise FetaError(settings, "names no parts", "see training/configs/bench.yaml")
    gaps = [_gap(part, data) for part in parts]
    if all(gaps):
        gaps = [None] * len(parts)  # what is missing is an error then
    lines = HEADING.splitlines()
    measured = Measured(out / "bench.csv")
    # Whatever is missing is said before hours of computing.
    work: list[tuple[dict[str, tuple[Path, Path]], Measuring] | None] = []
    for part, gap in zip(parts, gaps, strict=True):
        if gap:
            yield f"{part.name}: left out, as there is no {gap}"
            work.append(None)
        else:
            measuring = Measuring(data / part.weights if part.weights else weights, part, measured)
            work.append((_files(part, data / part.data), measuring))
    for part, job in zip(parts, work, strict=True):
        if job is None:
            lines.append(f"| {part.name} | not measured |" + " |" * (lines[0].count(" | ") - 1))
            continue
        volumes, measure = job
        people = table_of_subjects(data / part.data)
        for condition in part.conditions:
            results = []
            for seed, (subject, pair) in enumerate(volumes.items()):
                results.append(measure(condition, subject, pair, seed))
                yield f"{part.name}, {condition}, {subject}: mean Dice {results[-1].values[:, 0].mean():.3f}"
            name = part.name if condition == AS_IS else f"{part.name}, {condition}"
            lines += table_rows(name, results, part.together, part.by, people)
    write_atomically(out / "bench.md", "\n".join(lines) + "\n")
    yield ""
    yield from lines


class Measured:
    """The table of all that was measured so far, of these and of other weights; it grows with the work.

    Args:
        path: CSV with ``COLUMNS``; made where there is none.

    Raises:
        FetaError: it can't be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cases: dict[Case, list[Entry]] = {}
        if not path.is_file():
            with create_csv(path) as stream:
                csv.writer(stream).writerow(COLUMNS)
        lines = read_text(path).splitlines(keepends=True)[1:]
        whole = [line for line in lines if line.endswith("\n")]  # a killed run may have left half a number
        for *case, label, metric, value in (row for row in csv.reader(whole) if len(row) == len(COLUMNS)):
            self._cases.setdefault(tuple(case), []).append((label, metric, value))

    def get(self, case: Case) -> list[Entry] | None:
        """What is known of a volume; None where it isn't known wholly, as when a run was killed."""
        entries = self._cases.get(case, [])
        return entries if len(entries) >= len(TISSUES) * len(SEGMENTATION_METRICS) else None

    def add(self, case: Case, entries: Sequence[Entry]) -> None:
        """Write down a volume's result at once."""
        with self._path.open("a", newline="", encoding="utf-8") as stream:
            stream.write("\n")  # ends a line that a killed run has begun; empty ones are skipped
            csv.writer(stream).writerows([*case, *entry] for entry in entries)


class Measuring:
    """Measures the volumes of a part; the networks are loaded when the first of them is not known yet."""

    def __init__(self, weights: Path, part: Part, measured: Measured) -> None:
        self._model = read_model(weights)
        self._digest = networks_digest(weights)[:12]
        self._part = part
        self._known = measured
        self._segmenter: Segmenter | None = None

    def __call__(self, condition: str, subject: str, pair: tuple[Path, Path], seed: int) -> Result:
        """One volume's result."""
        case = (self._part.name, condition, subject, self._digest)
        if (entries := self._known.get(case)) is None:
            entries = self._measured(condition, pair, seed)
            self._known.add(case, entries)
        return _result(subject, entries)

    def _measured(self, condition: str, pair: tuple[Path, Path], seed: int) -> list[Entry]:
        change = CONDITIONS.get(condition, unchanged)
        image, truth = change((read_volume(pair[0]), read_label_map(pair[1])), np.random.default_rng(seed))
        if self._segmenter is None:
            self._segmenter = load_segmenter(self._model, choose())
        found = self._segmenter(image).labels
        entries = [
            (tissue.name, metric, repr(float(value)))
            for tissue, line in zip(TISSUES, scores(truth, found), strict=True)
            for metric, value in zip(SEGMENTATION_METRICS, line, strict=True)
        ]
        if names := self._part.together.split():
            entries.append((TOGETHER.join(names), "dice", repr(_dice(truth, found, [Tissue[n] for n in names]))))
        return entries


def _gap(part: Part, data: Path) -> Path | None:
    """The first folder of a part that is not there."""
    return next((data / name for name in (part.data, part.weights) if not (data / name).is_dir()), None)


def _dice(truth: Volume, found: Volume, tissues: Sequence[Tissue]) -> float:
    """Dice of some tissues taken for one."""
    first, second = (np.isin(volume.array, tissues) for volume in (truth, found))
    return float(2 * (first & second).sum() / max(1, first.sum() + second.sum()))


def _files(part: Part, root: Path) -> dict[str, tuple[Path, Path]]:
    return dict(sorted(labelled(root, part.subjects).items()))


def _result(subject: str, entries: Sequence[Entry]) -> Result:
    values = np.full((len(TISSUES), len(SEGMENTATION_METRICS)), np.nan)
    together = float("nan")
    for label, metric, value in entries:
        if TOGETHER in label:
            together = float(value)
        else:
            row = [tissue.name for tissue in TISSUES].index(label)
            values[row, SEGMENTATION_METRICS.index(metric)] = float(value)
    return Result(subject, values, together)

"""One case of the scoring, for all teams: a unit of work that can run in any process.

A task takes in the files of each team, measures what isn't in the cache, and
never fails: whatever is wrong with a submission becomes a reason and a line.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from evaluation.metrics.measurements import LabelMap, PairMetrics, analyse, compare
from evaluation.metrics.surface_elements import ALWAYS_KEPT, TIMES_THE_TRUTH
from evaluation.scoring.cache import Cache
from evaluation.scoring.measured_file import MeasuredFile, labels_digest
from evaluation.submissions.case_files import Located, TeamFiles
from evaluation.submissions.intake import Identity, RejectedError, private_folder, take
from evaluation.submissions.label_maps import check_label_map, read_header, take_label_map
from evaluation.submissions.lengths import LARGEST_TABLE, check_lengths
from evaluation.submissions.reasons import Reason
from feta.errors import FetaError, HostError, printable
from feta.grid import Grid
from feta.labels import TISSUE_NAMES, TISSUES
from feta.measurements import MEASUREMENTS
from feta.nifti import Header
from feta.volumes import fingerprint, read_label_map

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CaseTask:
    """One case and the files of all teams.

    Attributes:
        problem: why the ground truth's label map can't be used, if that is known beforehand; it isn't looked at then.
    """

    case: str
    truth: Path
    truth_files: frozenset[Identity]
    teams: tuple[TeamFiles, ...]
    cache: Cache | None
    problem: str = ""


@dataclass(frozen=True)
class Outcome:
    """One team's case.

    Attributes:
        measured: None where the label map is missing or rejected; then ``reason`` says why.
        lengths: (5,) mm, NaN where there is none; ``length_reasons`` (5,) say why.
        lines: one for each rejection and remark.
        labels: what the label map shares with another's that holds the same labels; empty where it wasn't measured.
    """

    measured: PairMetrics | None = None
    reason: str = ""
    lengths: npt.NDArray[np.float64] = field(default_factory=lambda: np.full(len(MEASUREMENTS), np.nan))
    length_reasons: tuple[str, ...] = ("",) * len(MEASUREMENTS)
    lines: tuple[str, ...] = ()
    labels: str = ""


@dataclass(frozen=True)
class CaseResult:
    """All teams' outcomes of one case.

    Attributes:
        problem: why the true map can't be used; then no team's label map is measured, and their lengths are.
        warnings: one line for each thing about the true map that the organizer should know.
        betti: (7, 3) of the true map.
        diagonal: mm, of the image.
    """

    outcomes: tuple[Outcome, ...] = ()
    betti: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((7, 3), dtype=np.int64))
    diagonal: float = 0.0
    problem: str | None = None
    warnings: tuple[str, ...] = ()


class _TrueMap:
    """The true map of a case, read and analysed at most once, and only if needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sha256 = fingerprint(path)

    @cached_property
    def header(self) -> Header:
        return read_header(self.path)

    @property
    def grid(self) -> Grid:
        return self.header.grid

    @cached_property
    def map(self) -> LabelMap:
        return analyse(read_label_map(self.path))


def run_case(task: CaseTask) -> CaseResult:
    """Measure one case for all teams."""
    lengths = [_lengths(task, files) for files in task.teams]
    try:
        if task.problem:
            raise FetaError(task.truth, task.problem)
        truth = _TrueMap(task.truth)
        maps = [_label_map(task, files, truth) for files in task.teams]
        known = next((outcome.measured for outcome in maps if outcome.measured), None)
        betti, diagonal = (
            (known.betti_truth, known.diagonal) if known else (truth.map.betti, truth.map.volume.grid.diagonal_mm)
        )
    except HostError:
        raise
    except FetaError as error:
        problem = f"{task.case}: its label maps are left out for every team: {error}"
        return CaseResult(tuple(replace(outcome, reason=Reason.NO_TRUTH) for outcome in lengths), problem=problem)
    warnings = tuple(f"{task.case}: the true label map: {said}" for said in truth.header.warnings)
    return CaseResult(tuple(map(_joined, maps, lengths)), betti, diagonal, warnings=warnings)


def without_map(task: CaseTask, team: int) -> CaseTask:
    """The task of a single team whose label map ended the process that measured it: its lengths are left to do."""
    files = task.teams[team]
    line = f"{files.label_map.name}: ended the process that measured it (out of memory?)"
    return replace(task, teams=(replace(files, label_map=Located(None, Reason.NOT_MEASURED, line)),))


def failed(task: CaseTask) -> Outcome:
    """The outcome of a team whose files, whichever it was, ended every process that read them."""
    line = f"{task.case}: its files ended the process that read them (out of memory?)"
    return Outcome(reason=Reason.NOT_MEASURED, length_reasons=(Reason.NOT_MEASURED,) * len(MEASUREMENTS), lines=(line,))


def _label_map(task: CaseTask, files: TeamFiles, truth: _TrueMap) -> Outcome:
    """The part of an outcome that the label map gives."""
    try:
        file = _guarded(task, files, truth)
        return Outcome(file.metrics, lines=file.messages, labels=file.labels)
    except RejectedError as error:
        return Outcome(reason=error.reason, lines=(error.line,))


def _lengths(task: CaseTask, files: TeamFiles) -> Outcome:
    """The part of an outcome that the lengths give."""
    try:
        with private_folder() as folder:
            name = files.lengths.found()
            copy = take(files.root, name, folder, task.truth_files, largest=LARGEST_TABLE)
            found = check_lengths(copy)
        return Outcome(lengths=found.lengths, length_reasons=found.reasons, lines=found.problems + found.messages)
    except RejectedError as error:
        return Outcome(length_reasons=(error.reason,) * len(MEASUREMENTS), lines=(error.line,))


def _joined(label_map: Outcome, lengths: Outcome) -> Outcome:
    lines = label_map.lines + lengths.lines
    return replace(label_map, lengths=lengths.lengths, length_reasons=lengths.length_reasons, lines=lines)


def _guarded(task: CaseTask, files: TeamFiles, truth: _TrueMap) -> MeasuredFile:
    """Measure; whatever goes wrong beyond the foreseen is logged and becomes a rejection."""
    try:
        return _measure(task, files, truth)
    except (RejectedError, FetaError):  # the latter is the truth's: submitted files are only ever rejected
        raise
    except MemoryError as error:
        raise RejectedError(Reason.NOT_MEASURED, f"{files.label_map.name}: needs more memory than there is") from error
    except Exception as error:
        _log.exception("%s of %s could not be measured", files.label_map.name, files.root)
        line = f"{files.label_map.name}: could not be measured (a fault of the evaluator, see its log: {error})"
        raise RejectedError(Reason.NOT_MEASURED, line) from error


def _measure(task: CaseTask, files: TeamFiles, truth: _TrueMap) -> MeasuredFile:
    with private_folder() as folder:
        name = files.label_map.found()
        copy = take_label_map(files.root, name, folder, truth.grid, task.truth_files)
        kept = task.cache.get(truth.sha256, copy.sha256) if task.cache else None
        if kept:
            return kept
        volume, messages = check_label_map(copy, truth.grid)
        metrics = compare(truth.map, analyse(volume, truth.map))
        file = MeasuredFile(metrics, (*messages, *_ragged(name, metrics)), labels_digest(volume.array))
        if task.cache:
            task.cache.put(truth.sha256, copy.sha256, file)
        return file


def _ragged(name: PurePosixPath, metrics: PairMetrics) -> list[str]:
    """A line where labels were too ragged to be measured wholly."""
    found = ", ".join(TISSUE_NAMES[tissue] for tissue, ragged in zip(TISSUES, metrics.ragged, strict=True) if ragged)
    most = f"{ALWAYS_KEPT:,} and than {TIMES_THE_TRUTH} times the true label's"
    said = f"{name}: {found}: more surface elements than {most}, as noise has: HD95 and topology count as missing"
    return [printable(said)] if found else []

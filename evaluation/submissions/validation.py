"""What would be rejected of a submission, before the deadline and without the ground truth."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.submissions.case_files import Located, TeamFiles, locate_confidence, locate_files
from evaluation.submissions.confidence import check_confidence
from evaluation.submissions.find import Submission, case_key, find_submission
from evaluation.submissions.intake import RejectedError, private_folder, take
from evaluation.submissions.label_maps import check_label_map, read_header, take_label_map
from evaluation.submissions.lengths import LARGEST_TABLE, check_lengths
from feta.cases import Case, find_cases
from feta.errors import FetaError
from feta.grid import Grid
from feta.labels import LABEL_COUNT, TISSUE_NAMES, TISSUES
from feta.measurements import MEASUREMENTS


@dataclass(frozen=True)
class Verdict:
    """What is wrong (would be penalised) and what is only remarked on; one line each."""

    problems: tuple[str, ...]
    messages: tuple[str, ...]
    cases: int


def validate(submission: Path, images: Path) -> Verdict:
    """Check a team's folder against the volumes that it was made from.

    Raises:
        FetaError: either folder can't be used at all.
    """
    listed = find_cases(images)
    cases = listed.cases
    found = find_submission(submission)
    counts = Counter(case.subject for case in cases)
    problems, messages = [found.rejected] if found.rejected else [], [n for n in found.messages if n != found.rejected]
    messages += [
        f"{problem}; its results are not checked" for problem in listed.problems if problem.subject != str(images)
    ]
    for case in cases if not found.rejected else ():
        said = _check_case(found, case, only_case=counts[case.subject] == 1)
        problems += said[0]
        messages += said[1]
    keys = {case_key(case.name) for case in cases} | {case.subject for case in cases}
    for files in (found.label_maps, found.lengths, found.confidence):
        problems += [
            f"{n}: is of no case of the input; would be ignored" for k in files if k not in keys for n in files[k]
        ]
    return Verdict(tuple(problems), tuple(messages), len(cases))


def _check_case(found: Submission, case: Case, *, only_case: bool) -> tuple[list[str], list[str]]:
    problems: list[str] = []
    messages: list[str] = []
    try:
        grid = read_header(case.image).grid
    except FetaError as error:
        return [], [f"{error}; its results are not checked"]
    files = locate_files(found, case_key(case.name), case.subject, only_case=only_case)
    for located, check in ((files.label_map, _check_map), (files.lengths, _check_lengths)):
        try:
            said = check(files, located, grid)
            problems += said[0]
            messages += said[1]
        except RejectedError as error:
            problems.append(error.line)
    try:
        problems += _check_confidence(found, case, only_case=only_case)
    except RejectedError as error:
        problems.append(error.line)
    return problems, messages


def _check_confidence(found: Submission, case: Case, *, only_case: bool) -> tuple[str, ...]:
    """What is wrong with what a team expects of a case; without such a file nothing is."""
    key = case_key(case.name)
    located = locate_confidence(found, key, case.subject, only_case=only_case)
    if located is None:
        return ()
    with private_folder() as folder:
        return check_confidence(take(found.root, located, folder, largest=LARGEST_TABLE), key).problems


def _check_map(files: TeamFiles, located: Located, grid: Grid) -> tuple[list[str], list[str]]:
    with private_folder() as folder:
        copy = take_label_map(files.root, located.found(), folder, grid)
        volume, messages = check_label_map(copy, grid)
    present = np.zeros(LABEL_COUNT, dtype=np.int64)
    for plane in volume.array:
        present += np.bincount(plane.reshape(-1), minlength=LABEL_COUNT)
    absent = [TISSUE_NAMES[t] for t in TISSUES if not present[t]]
    return [], [*messages, *([f"{located.name}: has no {', '.join(absent)}"] if absent else [])]


def _check_lengths(files: TeamFiles, located: Located, grid: Grid) -> tuple[list[str], list[str]]:
    del grid
    with private_folder() as folder:
        found = check_lengths(take(files.root, located.found(), folder, largest=LARGEST_TABLE))
    missing = [str(m) for m, reason in zip(MEASUREMENTS, found.reasons, strict=True) if reason]
    unsaid = [f"{located.name}: no {', '.join(missing)}"] if missing and not found.problems else []
    return [*found.problems, *unsaid], list(found.messages)

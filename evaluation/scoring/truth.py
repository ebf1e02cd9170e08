"""The ground truth: a BIDS tree of label maps with participants.tsv and the true lengths, ``truth`` for short."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.scoring.score_table import CaseInfo
from evaluation.submissions.find import case_key
from evaluation.submissions.intake import Identity, identities
from feta.bids import session_of, some_names
from feta.biometry_table import read_true_lengths
from feta.cases import participant_of
from feta.errors import FetaError
from feta.measurements import MEASUREMENTS
from feta.participants import Participant, read_participants

UNKNOWN_SITE = "unknown"


@dataclass(frozen=True)
class Truth:
    """The ground truth: everything that is scored against.

    Attributes:
        cases: in the order of their names; ``name`` is what predictions pair by.
        label_maps: (C,) the file of each case, links resolved (data sets often are links).
        lengths: (C, 5) mm, NaN where there is none.
        only_case: (C,) whether the subject has no other case.
        files: every file of the tree, whatever name a submission gives it.
        warnings: one line each.
    """

    cases: tuple[CaseInfo, ...]
    label_maps: tuple[Path, ...]
    lengths: npt.NDArray[np.float64]
    only_case: tuple[bool, ...]
    files: frozenset[Identity]
    warnings: tuple[str, ...]


def read_truth(root: Path) -> Truth:
    """Find the cases of the ground truth and read its tables; no label map is read yet.

    Raises:
        FetaError: there is no label map, or two for one case.
    """
    if not root.is_dir():
        raise FetaError(root, "is not a folder", "give the folder that holds sub-*/anat/*_dseg.nii.gz")
    maps = {case_key(path.name): path for path in _label_maps(root)}
    if not maps:
        raise FetaError(root, "holds no label map", "expected sub-*/anat/*_dseg.nii.gz")
    people, warnings = _people(root)
    cases = tuple(_info(key, path, people) for key, path in sorted(maps.items()))
    warnings += [f"{c.subject}: no site in participants.tsv" for c in cases if people and c.site == UNKNOWN_SITE]
    lengths, messages = read_true_lengths(root)
    rows = [lengths.get(case.name, lengths.get(case.subject, [np.nan] * len(MEASUREMENTS))) for case in cases]
    named = {case.subject for case in cases}
    for what, names in (("true lengths", lengths.keys() - named - maps.keys()), ("a row", people.keys() - named)):
        if left := sorted(name for name in names if name.partition("/")[0] not in named):
            warnings.append(f"{root}: {len(left)} with {what} but no label map, not scored: {some_names(left)}")
    counts = Counter(case.subject for case in cases)
    return Truth(
        cases=cases,
        label_maps=tuple(maps[case.name].resolve() for case in cases),
        lengths=np.array(rows, dtype=np.float64).reshape(len(cases), len(MEASUREMENTS)),
        only_case=tuple(counts[case.subject] == 1 for case in cases),
        files=_identities(root),
        warnings=(*warnings, *messages),
    )


def _label_maps(root: Path) -> list[Path]:
    """Label maps of the tree, derived ones (desc-) left out."""
    patterns = ("sub-*/anat/*_dseg.nii", "sub-*/ses-*/anat/*_dseg.nii")
    found = [path for pattern in patterns for ending in ("", ".gz") for path in root.glob(pattern + ending)]
    found = [path for path in found if "desc-" not in path.name and not path.name.startswith(".")]
    for key, count in Counter(case_key(path.name) for path in found).items():
        if count > 1:
            raise FetaError(root, f"{key} has {count} label maps", "leave one of them")
    return found


def _people(root: Path) -> tuple[dict[str, Participant], list[str]]:
    tables = [root / name for name in ("participants.tsv", "participants.csv")]
    table = next((t for t in tables if t.exists()), tables[0])
    try:
        people = read_participants(table.resolve())
    except FetaError as error:
        return {}, [f"{error}; sites and ages are unknown"]
    return people, [f"{p.subject}: listed twice in {table.name}" for p in people.values() if p.listed_twice]


def _info(key: str, path: Path, people: dict[str, Participant]) -> CaseInfo:
    subject = next(part for part in path.parts[::-1] if part.startswith("sub-") and part != path.name)
    person = participant_of(subject, session_of(path), people)
    return CaseInfo(
        subject=subject,
        name=key,
        site=person.site or UNKNOWN_SITE,
        age=person.age,
        pathology=person.pathology,
        reconstruction=person.reconstruction,
        field_strength=person.field_strength,
        quality=person.quality,
        in_domain=person.in_domain,
    )


def _identities(root: Path) -> frozenset[Identity]:
    """What every file below a folder is known by."""
    found: set[Identity] = set()
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                status = (Path(folder) / name).stat()
            except OSError:  # a dangling link is no file that anybody could submit
                continue
            found.update(identities(status))
    return frozenset(found)

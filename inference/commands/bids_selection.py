"""The cases that a BIDS app is asked for, by labels of participants and sessions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from feta.bids import session_of, some_names
from feta.cases import CaseList
from feta.errors import FetaError
from feta.participants import likely_meant, session_key, subject_key

_SUBJECT = re.compile(r"(?:^|/)(sub-[A-Za-z0-9]+)(?=[/_]|$)")


def selected(found: CaseList, root: Path, participants: Sequence[str], sessions: Sequence[str]) -> CaseList:
    """The cases of some participants and sessions, and what is to be said of those.

    Args:
        found: all that a BIDS tree holds.
        root: of the tree.
        participants: labels, with ``sub-`` or without, one each or with commas between; none stand for all.
        sessions: labels, with ``ses-`` or without, likewise; none stand for all, and for volumes without a session.

    Raises:
        FetaError: a label that the tree doesn't hold, or an option without any; or there is no volume of them.
    """
    wanted = dict.fromkeys(map(subject_key, _apart("--participant-label", participants)))
    visits = dict.fromkeys(map(session_key, _apart("--session-label", sessions)))
    if visits:
        _check("--session-label", visits, [session_of(case.image) or "" for case in found.cases], root)
    if wanted:
        _check("--participant-label", wanted, [case.subject for case in found.cases], root)
        found = replace(
            found,
            cases=tuple(case for case in found.cases if case.subject in wanted),
            warnings=tuple(line for line in found.warnings if _concerns(line.partition(": ")[0], wanted)),
            problems=tuple(problem for problem in found.problems if _concerns(problem.subject, wanted)),
        )
        if not (found.cases or found.problems):
            raise FetaError(
                "--participant-label", f"{some_names(wanted)} has no T2w volume in {root}", "expected anat/*_T2w.nii.gz"
            )
    if visits:
        found = replace(found, cases=tuple(case for case in found.cases if session_of(case.image) in visits))
        if not found.cases:
            raise FetaError(
                "--session-label", f"{some_names(wanted)} has no {some_names(visits)}", "name one of its own"
            )
    return found


def _apart(option: str, given: Sequence[str]) -> list[str]:
    """Single labels: none holds a comma or a space."""
    labels = [label for text in given for label in re.split(r"[,\s]+", text) if label]
    if given and not labels:
        raise FetaError(option, "names none", f"write labels behind it, {option} 01 02, or leave it out")
    return labels


def _check(option: str, wanted: Iterable[str], held: list[str], root: Path) -> None:
    """Refuse a label that isn't there: a typing error would otherwise be a run that does nothing."""
    names = sorted(dict.fromkeys(filter(None, held)))
    for name in wanted:
        if name in names or (root / name).is_dir():  # of one without a volume a warning tells, and others are done
            continue
        meant = likely_meant(name, names) if name.startswith("sub-") else None
        remedy = f"'{meant}' is probably meant" if meant else f"it holds {some_names(names) or 'none'}"
        raise FetaError(option, f"{root} holds no {name}", remedy)


def _concerns(subject: str, wanted: Iterable[str]) -> bool:
    """Whether what is said of a file or folder concerns one of these participants; or all of them."""
    named = _SUBJECT.findall(subject)
    return not named or named[-1] in wanted

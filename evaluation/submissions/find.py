"""What lies in the teams' folders, found without following a link.

Accepted layouts below a team's folder: the input's BIDS tree
(``sub-*/[ses-*/]anat``), the same below ``derivatives/predictions/<name>``, or
flat; also 2021's flat ``<sub>_seg_result.nii.gz``.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from evaluation.submissions.intake import RejectedError
from evaluation.submissions.lookalikes import told_apart
from evaluation.submissions.reasons import Reason
from feta.errors import FetaError, printable

#: Folders deeper than derivatives/predictions/<name>/sub-*/ses-*/anat hold nothing that is scored.
_MAX_DEPTH = 6
_MAX_ENTRIES = 200_000
#: Written by the runner beside the teams' folders; see ``evaluation.harness.record``.
RECORD = "runs.json"
_LABEL_MAP = re.compile(r"^(?P<name>.+?)(?:_dseg|_seg_result)\.nii(?:\.gz)?$")
_LENGTHS = re.compile(r"^(?P<name>.+?)_biom\.(?:csv|tsv)$")
_CONFIDENCE = re.compile(r"^(?P<name>.+?)_confidence\.csv$")
_IGNORED = re.compile(
    r"_meas\.nii(\.gz)?$|^participants\.(tsv|csv|json)$|^dataset_description\.json$|^run\.json$|^README|_qc\.png$|(_dseg|_biom)\.json$"
    r"|_report\.html$|^cohort\.html$|_measure\.json$"
)
#: Tables that feta-infer writes beside the results.
_TABLES = re.compile(
    r"_volumes\.tsv$|^cohort\.(tsv|json)$|^dseg\.tsv$|^labels-(itksnap|freesurfer)\.txt$|^labels-slicer\.ctbl$"
)

Files = dict[str, list[PurePosixPath]]


@dataclass
class Submission:
    """One team's files by the case that their names say.

    Attributes:
        team: the folder's name, fit to print.
        root: the folder.
        label_maps, lengths: key of a case → files below ``root``.
        confidence: likewise, what the team expects of its results.
        messages: one line for each thing that was not looked at, and why.
        rejected: why the whole folder can't be used; empty where it can.
    """

    team: str
    root: Path
    label_maps: Files = field(default_factory=lambda: defaultdict(list))
    lengths: Files = field(default_factory=lambda: defaultdict(list))
    confidence: Files = field(default_factory=lambda: defaultdict(list))
    messages: list[str] = field(default_factory=list)
    rejected: str = ""


def case_key(name: str) -> str:
    """What truth and prediction pair by: a file's name without _T2w, _dseg and their like, and without its ending."""
    for pattern in (_LABEL_MAP, _LENGTHS, _CONFIDENCE):
        if match := pattern.match(name):
            name = match["name"]
    return name.removesuffix("_T2w")


def find_submissions(folder: Path) -> tuple[list[Submission], list[str]]:
    """Find the teams: one folder each, or one each below ``derivatives/predictions``.

    Returns:
        Submissions in the order of their names, and one line for everything else that lies there, and for names
        that look the same.

    Raises:
        FetaError: there is no team.
    """
    if not folder.is_dir():
        raise FetaError(folder, "is not a folder", "give the folder that holds one folder for each team")
    folder = _teams_folder(folder)
    # Hidden files are litter of file managers; a hidden folder might be meant as a team, which the organizer is told.
    found = [e for e in os.scandir(folder) if not e.name.startswith(".") or e.is_dir(follow_symlinks=False)]
    entries = sorted(found, key=lambda e: os.fsencode(e.name))
    folders = [e for e in entries if e.is_symlink() or e.is_dir(follow_symlinks=False)]
    teams = [e for e in folders if not e.name.startswith(".")]
    if teams and all(e.name.startswith("sub-") for e in teams):
        raise FetaError(folder, "holds subjects, not teams", "give the folder above it")
    if not teams:
        raise FetaError(folder, "holds no folder of a team", "make one folder for each team")
    names, alike = told_apart(_printable_names([e.name for e in teams]))
    # Absolute, since another process may stand elsewhere; no link on the way is resolved.
    submissions = [_find(name, Path(entry.path).absolute()) for name, entry in zip(names, teams, strict=True)]
    others = [e for e in entries if e not in teams and e.name != RECORD]
    hidden = "is a hidden folder, so no team; ignored: rename it if it is one"
    ignored = [f"{printable(e.name)}: {hidden if e in folders else 'is no folder of a team; ignored'}" for e in others]
    return submissions, [*ignored, *alike]


def _teams_folder(folder: Path) -> Path:
    """The folder itself, or ``derivatives/predictions`` where a data set with that layout is the whole of it.

    Beside other teams, a folder called ``derivatives`` is a team's.
    """
    nested = folder / "derivatives" / "predictions"
    if not nested.is_dir() or nested.is_symlink() or nested.parent.is_symlink():
        return folder
    beside = [e.name for e in os.scandir(folder) if e.is_symlink() or e.is_dir(follow_symlinks=False)]
    whole = all(name == "derivatives" or name.startswith(".") or _is_subject(folder / name) for name in beside)
    return nested if whole else folder


def _is_subject(folder: Path) -> bool:
    """Whether a folder is a data set's subject, and no team whose name begins as subjects' do."""
    inside = [path.name for path in folder.iterdir()] if folder.name.startswith("sub-") and folder.is_dir() else ["?"]
    return all(name == "anat" or name.startswith(("ses-", ".")) for name in inside)


def find_submission(root: Path) -> Submission:
    """One team's files, whatever the folder is called.

    Raises:
        FetaError: it isn't a folder.
    """
    if not root.is_dir() or root.is_symlink():
        raise FetaError(root, "is not a folder", "give the folder with your results")
    return _find(printable(root.resolve().name), root)


def locate(files: Files, key: str, subject: str, *, only_case: bool, kind: str) -> PurePosixPath:
    """The one file that a team has for a case.

    Args:
        files: a submission's label maps or lengths.
        key: of the case.
        subject: of the case; its name alone suffices where the subject has a single case.
        only_case: whether that is so.
        kind: what is looked for, for the message.

    Raises:
        RejectedError: there is none, or more than one.
    """
    found = list(files.get(key, ()))
    if only_case and subject != key:
        found += files.get(subject, ())
    if not found:
        raise RejectedError(Reason.MISSING_FILE, f"{key}: no {kind}")
    if len(found) > 1:
        names = ", ".join(map(str, found[:3]))
        raise RejectedError(Reason.TWO_FILES, f"{key}: more than one {kind} ({names}); leave one")
    return found[0]


def _printable_names(names: list[str]) -> list[str]:
    """Printable names, told apart where two of them look the same."""
    shown: list[str] = []
    for name in map(printable, names):
        unique, n = name, 1
        while unique in shown:
            n += 1
            unique = f"{name} ({n})"
        shown.append(unique)
    return shown


def _find(team: str, root: Path) -> Submission:
    submission = Submission(team, root)
    try:
        if root.is_symlink():
            raise RejectedError(Reason.UNSAFE_FILE, "the folder is a link; put the files themselves there")
        _walk(root, PurePosixPath(), submission, [_MAX_ENTRIES])
    except RejectedError as error:
        submission.rejected = error.line
        submission.messages.append(error.line)
    return submission


def _walk(folder: Path, place: PurePosixPath, submission: Submission, left: list[int]) -> None:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda e: os.fsencode(e.name))
    except OSError as error:
        submission.messages.append(f"{_shown(place)}: cannot be listed ({error.strerror})")
        return
    left[0] -= len(entries)
    if left[0] < 0:
        raise RejectedError(Reason.UNSAFE_FILE, f"more than {_MAX_ENTRIES} files; submit the results alone")
    for entry in entries:
        name = place / entry.name
        is_result = any(each.match(entry.name) for each in (_LABEL_MAP, _LENGTHS, _CONFIDENCE))
        if is_result and not entry.name.startswith("."):
            _sort_in(name, submission)
        elif entry.is_symlink():
            submission.messages.append(f"{_shown(name)}: is a link; not followed")
        elif entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith(".") and len(name.parts) <= _MAX_DEPTH:
                _walk(folder / entry.name, name, submission, left)
        elif not entry.name.startswith(".") and not (_IGNORED.search(entry.name) or _TABLES.search(entry.name)):
            submission.messages.append(f"{_shown(name)}: is no result; ignored")


def _sort_in(name: PurePosixPath, submission: Submission) -> None:
    """File a result under its case, if it lies where results belong."""
    if "desc-" in name.name:
        submission.messages.append(f"{_shown(name)}: has desc- in its name; ignored")
        return
    place = list(name.parent.parts)
    if place[:2] == ["derivatives", "predictions"]:
        place = place[3:]
    subject = re.match(r"sub-[A-Za-z0-9]+", name.name)
    is_flat = not place
    is_in_tree = len(place) in (2, 3) and place[-1] == "anat" and subject is not None and place[0] == subject.group()
    if is_in_tree and len(place) == 3:
        is_in_tree = place[1].startswith("ses-")
    if not (is_flat or is_in_tree):
        submission.messages.append(
            f"{_shown(name)}: lies where no result belongs (sub-X/anat/ of its subject); ignored"
        )
        return
    kinds = (
        (_LABEL_MAP, submission.label_maps),
        (_LENGTHS, submission.lengths),
        (_CONFIDENCE, submission.confidence),
    )
    files = next(files for pattern, files in kinds if pattern.match(name.name))
    files[case_key(name.name)].append(name)


def _shown(name: PurePosixPath) -> str:
    return printable(str(name))

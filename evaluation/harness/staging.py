"""The input as submissions see it: volumes, ages and pathology, copied out of the organizer's folder.

Nothing else of that folder is within a container's reach: no ground truth that lies beside a volume, no other case.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from evaluation.harness.conventions import ALL_CASES, NEEDS_BIDS, case_id
from evaluation.harness.roster import Roster
from feta.cases import Case, find_cases
from feta.errors import FetaError
from feta.files import open_regular, write_atomically

_DONE = "complete"


def cases_to_run(folder: Path, roster: Roster) -> tuple[Case, ...]:
    """The cases of the input, as every team's calls can be given them.

    Raises:
        FetaError: a volume is unusable, two cases would have one name, or a team's convention needs another layout.
    """
    found = find_cases(folder)
    if found.problems:
        raise found.problems[0]
    flat = next((case for case in found.cases if str(case.folder) == "."), None)
    for team in roster.teams:
        if flat is not None and team.convention in NEEDS_BIDS:
            said = f"is no tree sub-*/anat/*_T2w.nii.gz, as the convention {team.convention} of {team.name} needs"
            raise FetaError(folder, said, "put the volumes into one")
    return found.cases


def identity(cases: Sequence[Case]) -> str:
    """What the input is, to notice that it was changed between two runs: names, sizes, times, ages."""
    rows = []
    for case in cases:
        status = case.image.stat()
        rows.append([case_id(case), case.image.name, status.st_size, status.st_mtime_ns, case.age, case.pathology])
    return json.dumps(rows)


def stage(cases: Sequence[Case], folder: Path) -> Path:
    """Copy the cases into ``folder``, as ``evaluation.harness.conventions`` names them; what is there already stays.

    ``N/input`` holds the tree of case N alone, ``N/input_img`` and ``N/input_meta`` that of 2021, ``all/input`` all.

    Returns:
        The folder.

    Raises:
        FetaError: a volume can't be read, or the folder can't be written.
    """
    if (folder / _DONE).exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for number, case in enumerate(cases):
            copy = folder / str(number) / "input" / case.folder / case.image.name
            _copy(case.image, copy)
            _link(copy, folder / ALL_CASES / "input" / case.folder / case.image.name)
            _write_table(folder / str(number) / "input", [case])
            if str(case.folder) != ".":
                _stage_2021(folder / str(number), case, copy)
        _write_table(folder / ALL_CASES / "input", cases)
        # Where a folder for results is mounted.
        (folder / ALL_CASES / "input" / "derivatives").mkdir()
        _readable(folder)
        (folder / _DONE).touch()
    except OSError as error:
        raise FetaError(folder, f"can't be written ({error.strerror})", "choose an output with room for it") from error
    return folder


def pack(folder: Path, owner: int, archive: IO[bytes]) -> None:
    """A staged folder as a tar archive whose files belong to ``owner``, who may change them."""

    def owned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = owner
        entry.mode = 0o755 if entry.isdir() else 0o644
        return entry

    with tarfile.open(fileobj=archive, mode="w") as tar:
        for entry in sorted(folder.iterdir()):
            tar.add(entry, arcname=entry.name, filter=owned)
    archive.seek(0)


def staged_size(folder: Path) -> int:
    """Bytes that a copy of a staged folder takes, folders and rounding included."""
    return sum(path.stat().st_size + 8192 for path in folder.rglob("*"))


def _stage_2021(folder: Path, case: Case, copy: Path) -> None:
    """``input_img/anat/*_T2w.nii.gz`` and ``input_meta/meta.json``."""
    _link(copy, folder / "input_img" / "anat" / case.image.name)
    values = {"Pathology": case.pathology or "n/a", "Gestational age": case.age}
    write_atomically(folder / "input_meta" / "meta.json", json.dumps(values))


def _write_table(folder: Path, cases: Sequence[Case]) -> None:
    """participants.tsv with a row for each subject, and nothing but age and pathology."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(["participant_id", "Pathology", "Gestational age"])
    for case in {case.subject: case for case in cases}.values():
        writer.writerow([case.subject, case.pathology or "n/a", "n/a" if case.age is None else f"{case.age:g}"])
    write_atomically(folder / "participants.tsv", text.getvalue())


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with open_regular(source) as file, target.open("wb") as copy:
        shutil.copyfileobj(file, copy, 1 << 20)


def _link(copy: Path, name: Path) -> None:
    name.parent.mkdir(parents=True, exist_ok=True)
    os.link(copy, name)


def _readable(folder: Path) -> None:
    """Every account may read what is mounted; that nobody reaches it otherwise is for the folder above to see to."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o444)

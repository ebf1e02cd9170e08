"""From what a submission wrote to the folder that ``feta-evaluate score`` takes.

The archive that the engine makes of the results is untrusted from end to end: it is read as a stream, only plain
files that may be results are kept, by names of ours, and links, pipes, devices and everything beyond the limits
are left where they are. A second name of a kept file (a hard link) is one more name of the same file. That the
kept files are label maps is for the evaluator to find out.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from evaluation.harness.container_spec import MB
from evaluation.harness.conventions import case_id
from evaluation.harness.roster import ResourceLimits
from evaluation.submissions.find import Submission, case_key, find_submission, locate
from evaluation.submissions.intake import RejectedError, take
from feta.cases import Case, biometry_path, label_map_path
from feta.errors import FetaError, printable
from feta.files import sync_folder

_MAX_DEPTH = 8
_MAX_MESSAGES = 20
_BLOCK = 4096
_TOO_LONG = "longer than all that fits into the space for results"
#: No sparse file, whose size is what its header says.
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)


@dataclass
class Fetched:
    """What was taken out of an archive.

    Attributes:
        size: bytes of the plain files that were seen.
        full: the space for results, or its number of files, was used up.
        messages: one line for each thing that was left behind.
    """

    size: int = 0
    full: bool = False
    messages: list[str] = field(default_factory=list)


class _Stream:
    """An iterator of bytes as the file that tarfile reads, never more than ``limit`` of them."""

    def __init__(self, blocks: Iterable[bytes], limit: int) -> None:
        self._blocks = iter(blocks)
        self._held = memoryview(b"")
        self._left = limit

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; none only at the end."""
        while not self._held and (block := next(self._blocks, None)) is not None:
            self._held = memoryview(block)
        taken, self._held = bytes(self._held[:size]), self._held[size:]
        self._left -= len(taken)
        if self._left < 0:
            raise tarfile.ReadError(_TOO_LONG)
        return taken


def unpack(blocks: Iterable[bytes], folder: Path, limits: ResourceLimits) -> Fetched:
    """Write the plain files of a tar stream below a folder that nobody else knows.

    Args:
        blocks: the archive; its first level is the folder that it was made of, and is dropped.
        folder: an empty folder of ours.

    Raises:
        FetaError: there is no room in it.
    """
    found, used, count = Fetched(), 0, 0
    # Headers, padding, and long names take room beside the files.
    stream: Any = _Stream(blocks, limits.output_mb * MB + limits.output_files * 8192 + MB)
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 20) as tar:
            for entry in tar:
                count += 1
                used += -(-entry.size // _BLOCK) * _BLOCK if entry.type in _PLAIN else 0
                if used > limits.output_mb * MB:  # a file of holes, say
                    raise tarfile.ReadError(_TOO_LONG)
                _unpack_one(tar, entry, folder, found)
    except (tarfile.TarError, ValueError, EOFError) as error:
        found.messages.append(f"results end early: {printable(str(error))[:200]}")
    found.size = used
    # A last block or entry may not have been usable.
    found.full = used > limits.output_mb * MB - 2 * _BLOCK or count >= limits.output_files - 1
    return found


def _unpack_one(tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path, found: Fetched) -> None:
    name = PurePosixPath(entry.name)
    place = PurePosixPath(*name.parts[1:])
    if entry.isdir() or not place.parts:
        return
    said = ""
    if entry.type not in _PLAIN and not entry.islnk():
        said = "is no plain file"
    elif name.is_absolute() or ".." in name.parts or len(name.parts) > _MAX_DEPTH or "\0" in entry.name:
        said = "lies where no result belongs"
    elif entry.islnk():
        said = _name_again(entry, folder, place)
    elif (file := tar.extractfile(entry)) is not None:
        said = _write(file, folder / place)
    if said and len(found.messages) < _MAX_MESSAGES:
        found.messages.append(f"{printable(str(place))[:200]} {said}; left behind")


def _write(file: IO[bytes], target: Path) -> str:
    """Write out a file of the archive; returns what is wrong, or nothing."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as copy:
            shutil.copyfileobj(file, copy, 1 << 20)
    except (FileExistsError, NotADirectoryError):
        return "has the name of another"
    except OSError as error:
        raise FetaError(target.parent, f"can't be written ({error.strerror})", "see that there is room") from error
    return ""


def _name_again(entry: tarfile.TarInfo, folder: Path, place: PurePosixPath) -> str:
    """Give a file that was taken one more name; returns what is wrong, or nothing.

    It costs no room, however many there are. What the archive says of the first name is compared with the names that
    were taken: nothing is looked up outside of them.
    """
    first = PurePosixPath(*PurePosixPath(entry.linkname).parts[1:])
    if PurePosixPath(entry.linkname).is_absolute() or not first.parts or ".." in first.parts:
        return "is a link to what is no result"
    try:
        if not (folder / first).is_file():
            return "is a link to what is no result"
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        os.link(folder / first, folder / place)
    except (FileExistsError, NotADirectoryError, ValueError):
        return "has the name of another"
    except OSError as error:
        raise FetaError(folder, f"can't be written ({error.strerror})", "see that there is room") from error
    return ""


def remove_results(cases: Sequence[Case], team: Path) -> None:
    """Remove what earlier attempts at some cases left in a team's folder."""
    for case in cases:
        for target in (label_map_path(team, case), biometry_path(team, case)):
            target.unlink(missing_ok=True)


def collect(folder: Path, cases: Sequence[Case], everyone: Sequence[Case], team: Path) -> tuple[set[str], list[str]]:
    """Put the results of some cases into a team's folder, in the input's layout, each whole or not at all.

    What an earlier, unfinished attempt left there is removed first.

    Args:
        folder: unpacked results, in any layout that ``feta-evaluate score`` takes, on the file system of ``team``.
        cases: those that the container was to do.
        everyone: all cases of the input.
        team: the team's folder of submissions.

    Returns:
        Ids of the cases with a label map, and a line for each file that is missing or refused.
    """
    submission = find_submission(folder)
    counts = Counter(case.subject for case in everyone)
    mapped, messages = set(), submission.messages[:_MAX_MESSAGES]
    for case in cases:
        alone = len(cases) == 1 or counts[case.subject] == 1
        for kind, files, target in (
            ("label map", submission.label_maps, label_map_path(team, case)),
            ("lengths", submission.lengths, biometry_path(team, case)),
        ):
            target.unlink(missing_ok=True)
            try:
                _place(submission, locate(files, case_key(case.name), case.subject, only_case=alone, kind=kind), target)
            except RejectedError as error:
                messages.append(error.line)
                continue
            if kind == "label map":
                mapped.add(case_id(case))
    return mapped, messages


def _place(submission: Submission, name: PurePosixPath, target: Path) -> None:
    """Copy one file to its place, on the same file system, by a rename."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=submission.root.parent) as beside:
            taken = take(submission.root, name, Path(beside)).path
            with taken.open("rb") as file:
                os.fsync(file.fileno())
            taken.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise FetaError(target, f"can't be written ({error.strerror})", "see that there is room") from error

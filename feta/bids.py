"""The volumes that lie in a folder, as paths: no file is opened here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from feta.errors import FetaError

_ENDING = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
#: Results, masks and landmarks are never input.
_NOT_INPUT = ("_dseg", "_meas", "_mask", "_seg_result")


def is_volume_name(path: Path) -> bool:
    """Whether the name ends in .nii or .nii.gz."""
    return _ENDING.search(path.name) is not None


def stem(path: Path) -> str:
    """The name without .nii or .nii.gz."""
    return _ENDING.sub("", path.name)


def is_t2w(path: Path) -> bool:
    """Whether the name says that it is a T2-weighted volume."""
    return stem(path).endswith("_T2w")


def subject_of(path: Path) -> str:
    """The ``sub-…`` that a file's name begins with; its name without ending if there is none."""
    prefix = re.match(r"sub-[A-Za-z0-9]+", path.name)
    return prefix.group() if prefix else stem(path)


def subject_in(name: str) -> str:
    """The subject that a BIDS name begins with: ``sub-001`` of ``sub-001_rec-mial_T2w``, which may lack ``sub-``."""
    return name.split("_")[0]


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, by name, without hidden files.

    Raises:
        FetaError: the folder can't be listed.
    """
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise FetaError(folder, f"cannot be listed ({error.strerror})", "check its permissions") from error


def folders(folder: Path, prefix: str) -> list[Path]:
    """Subfolders by prefix. A link is not followed, so that no file is found twice or outside."""
    return [p for p in entries(folder) if p.name.startswith(prefix) and p.is_dir() and not p.is_symlink()]


def volumes(folder: Path) -> list[Path]:
    """Input volumes right in a folder; none where there is no such folder.

    Links to files are listed: the reader says why it refuses them.
    """
    if not folder.is_dir() or folder.is_symlink():
        return []
    files = [p for p in entries(folder) if is_volume_name(p) and not p.is_dir()]
    return [p for p in files if not stem(p).endswith(_NOT_INPUT)]


def subject_volumes(subject: Path) -> list[Path]:
    """T2w volumes of a subject's folder: ``[ses-*/]anat/*_T2w.nii[.gz]``, by path."""
    images = [image for folder in [subject, *folders(subject, "ses-")] for image in volumes(folder / "anat")]
    return sorted(image for image in images if is_t2w(image))


def without_twins(images: Iterable[Path]) -> tuple[list[Path], list[FetaError]]:
    """Leave out volumes that have a neighbour of the same name and another ending: which one is meant?

    Some readers silently take ``A.nii`` where they were told ``A.nii.gz``.
    """
    kept, problems = [], {}
    for image in images:
        name = image.parent / stem(image)
        twins = [p.name for p in entries(image.parent) if is_volume_name(p) and stem(p) == name.name]
        if len(twins) > 1:
            problems[name] = FetaError(name, f"{' and '.join(twins)} lie side by side", "remove one of them")
        else:
            kept.append(image)
    return kept, list(problems.values())

"""The volumes that lie in a folder, as paths: no file is opened here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from feta.errors import FetaError

_ENDING = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
#: What a name says of a volume that is no scan: as BIDS, this project and the field's tools (BOUNTI, dHCP, FreeSurfer,
#: SynthSeg, nnU-Net) end the names of label maps, masks, probabilities and landmarks.
_NO_SCAN = "(?:d|prob|a|synth)?seg|segmentation|parc|parcellation|labels?|labelmap|bounti|tissues?|(?:brain)?mask|meas"
#: What may follow: a number of labels or of the version, and who made it (``mask-bet-1``, ``_seg_result``).
_AFTER_IT = r"\d+|v\d+|bet|brain|manual|auto|final|result|corrected|edited|binary"
_NO_SCAN_NAME = re.compile(rf"(?:^|[-_. ])(?:{_NO_SCAN})s?(?:[-_. ]*(?:{_AFTER_IT}))*$", re.IGNORECASE)
#: Formats of volumes that are not read, by their endings.
_OTHER_FORMATS = {
    "FreeSurfer": (".mgz", ".mgh"),
    "MetaImage": (".mha", ".mhd"),
    "NRRD": (".nrrd", ".nhdr"),
    "Analyze or a pair of NIfTI files": (".img", ".hdr", ".img.gz", ".hdr.gz"),
    "MINC": (".mnc", ".minc"),
    "MRtrix": (".mif", ".mif.gz", ".mih"),
    "GIPL": (".gipl", ".gipl.gz"),
    "VTK": (".vtk", ".vti"),
    "Philips": (".par", ".rec"),
    "DICOM": (".dcm", ".ima"),
    "NIfTI, compressed otherwise than by gzip": (".nii.bz2", ".nii.xz", ".nii.zst", ".nii.zip", ".nii.z"),
}
_OTHER_ENDINGS = {ending: kind for kind, endings in _OTHER_FORMATS.items() for ending in endings}
#: How many names a line tells.
_NAMES_TOLD = 3
_CONVERT = "convert to .nii.gz, as mri_convert, dcm2niix or 3D Slicer do"


def is_volume_name(path: Path) -> bool:
    """Whether the name ends in .nii or .nii.gz."""
    return _ENDING.search(path.name) is not None


def stem(path: Path) -> str:
    """The name without .nii or .nii.gz."""
    return _ENDING.sub("", path.name)


def is_no_scan(path: Path) -> bool:
    """Whether the name says: a label map, a mask or landmarks, as ``mask.nii.gz``, ``a_seg``, ``a_bounti-19``."""
    return _NO_SCAN_NAME.search(stem(path)) is not None


def other_format(path: Path) -> str | None:
    """The format that a name's ending tells, if it is one of volumes that are not read; else None."""
    return _OTHER_ENDINGS.get(_other_ending(path))


def _other_ending(path: Path) -> str:
    """The longest ending that names another format, in small letters; "" where there is none."""
    name = path.name.lower()
    return max((ending for ending in _OTHER_ENDINGS if name.endswith(ending)), key=len, default="")


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

    Links to files are listed: the reader follows them, or says why it refuses them.
    """
    return [p for p in _files(folder) if is_volume_name(p) and not is_no_scan(p)]


def left_out_by_name(folder: Path) -> list[Path]:
    """Volumes right in a folder whose names say that they are no scans."""
    return [p for p in _files(folder) if is_volume_name(p) and is_no_scan(p)]


def unread_volumes(folder: Path) -> list[Path]:
    """Volumes right in a folder that are of another format, and by their names scans; one of a pair of files."""
    found: dict[tuple[Path, str], Path] = {}
    for path in _files(folder):
        ending = _other_ending(path)
        bare = path.with_name(path.name[: -len(ending)]) if ending else path
        if ending and not is_no_scan(bare):
            found.setdefault((bare, _OTHER_ENDINGS[ending]), path)
    return list(found.values())


def _files(folder: Path) -> list[Path]:
    """What isn't a folder right in a folder; nothing where there is no such folder, or only a link to one."""
    if not folder.is_dir() or folder.is_symlink():
        return []
    return [p for p in entries(folder) if not p.is_dir()]


def image_folders(subject: Path) -> list[Path]:
    """Where a subject's volumes lie: ``[ses-*/]anat``."""
    return [folder / "anat" for folder in [subject, *folders(subject, "ses-")]]


def subject_volumes(subject: Path) -> list[Path]:
    """T2w volumes of a subject's folder: ``[ses-*/]anat/*_T2w.nii[.gz]``, by path."""
    images = [image for folder in image_folders(subject) for image in volumes(folder)]
    return sorted(image for image in images if is_t2w(image))


def unread_t2w(subject: Path) -> list[Path]:
    """T2w volumes of a subject's folder that are of another format."""
    found = [path for folder in image_folders(subject) for path in unread_volumes(folder)]
    return [path for path in found if path.name[: -len(_other_ending(path))].endswith("_T2w")]


def stacks_beside_reconstructions(images: Iterable[Path]) -> list[Path]:
    """Raw stacks, ``run-*`` or ``chunk-*`` without ``rec-``, of subjects (and sessions) that have a ``rec-*``, too."""
    images = list(images)
    reconstructed = {_scanning(image) for image in images if "_rec-" in image.name}
    stacks = [image for image in images if re.search("_(run|chunk)-", image.name) and "_rec-" not in image.name]
    return [image for image in stacks if _scanning(image) in reconstructed]


def _scanning(image: Path) -> tuple[Path, str, str]:
    """What volumes of one subject in one session have in common."""
    return image.parent, subject_of(image), _session_in(image.name) or ""


def session_of(image: Path) -> str | None:
    """The session that a volume's folder or name tells: ``ses-01``."""
    told = next((part for part in image.parts[-3:-1] if part.startswith("ses-")), None)
    return told or _session_in(image.name)


def _session_in(name: str) -> str | None:
    found = re.search(r"_(ses-[A-Za-z0-9]+)", name)
    return found[1] if found else None


def some_names(names: Iterable[str]) -> str:
    """Such as ``a.mha, b.mha, c.mha, …``."""
    told = list(names)
    return ", ".join([*told[:_NAMES_TOLD], *(["…"] if len(told) > _NAMES_TOLD else [])])


@dataclass(frozen=True)
class Found:
    """Volumes, warnings about the others, and what can't be used."""

    images: list[Path]
    warnings: list[str]
    problems: list[FetaError]


def single_volume(path: Path) -> Path:
    """A volume that was named itself, whatever its name says. A link is for the reader to judge.

    Raises:
        FetaError: there is none, or its name says that it is none that is read.
    """
    if not path.exists() and not path.is_symlink():
        raise FetaError(path, "does not exist")
    if kind := other_format(path):
        raise FetaError(path, f"is of a format that is not read ({kind})", _CONVERT)
    if not is_volume_name(path):
        raise FetaError(path, "is no volume", "give a .nii.gz file or a folder")
    return path


def volumes_below(root: Path) -> Found:
    """The volumes of a BIDS tree, else those right in the folder; what is left out is said.

    Raises:
        FetaError: there is no volume at all, or none that is read.
    """
    found, unread = _in_tree(root)
    beside = volumes(root)
    if found.images:
        if others := [*beside, *unread_volumes(root)]:
            found.warnings.append(f"{root}: {len(others)} volumes beside the sub-* folders are not read")
    else:
        found.images.extend(beside)
        unread += unread_volumes(root)
        if left := left_out_by_name(root):
            found.warnings.append(
                f"{root}: {len(left)} volumes are left out, since their names say that they are label maps or masks "
                f"({some_names(path.name for path in left)}); one that is a scan can be named itself"
            )
    if unread:
        kinds = ", ".join(dict.fromkeys(other_format(path) or "" for path in unread))
        named = some_names(path.name for path in unread)
        problem = f"holds volumes of a format that is not read ({len(unread)}, {kinds}: {named})"
        found.problems.append(FetaError(root, problem, _CONVERT))
        if not found.images and len(found.problems) == 1:
            raise found.problems[0]
    if not found.images and not found.problems:
        masks = [f"but label maps or masks by their names ({some_names(path.name for path in left)})"] if left else []
        remedy = "give a .nii.gz file, a folder of them, or a tree sub-*/anat/*_T2w.nii.gz"
        raise FetaError(root, " ".join(["holds no volume", *masks]), remedy)
    return found


def _in_tree(root: Path) -> tuple[Found, list[Path]]:
    """What a BIDS tree holds, and its volumes of other formats."""
    found, unread = Found([], [], []), []
    for subject in folders(root, "sub-"):
        try:
            images, other = subject_volumes(subject), unread_t2w(subject)
        except FetaError as error:
            found.problems.append(error)
            continue
        found.images.extend(images)
        unread += other
        if not images and not other:
            found.warnings.append(f"{subject}: holds no anat/*_T2w.nii.gz")
    links = [p for p in entries(root) if p.name.startswith("sub-") and p.is_symlink() and p.is_dir()]
    found.warnings.extend(f"{link}: is a link, not followed; put the folder itself there" for link in links)
    return found, unread


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

"""Whether a container's folders are what its user meant: results on a mount, and both folders open to who it runs as.

What a container writes beside its mounts is gone with it, hours of computing later. And Docker's own message, where a
folder is somebody else's, is of a permission that the user has.
"""

from __future__ import annotations

import os
from pathlib import Path

from feta.errors import FetaError

#: Set in the images, and nowhere else.
IMAGE_VARIABLE = "FETA_PROGRAM"
MOUNTS = Path("/proc/self/mountinfo")
#: Mounts of memory that an engine makes, or is told to make for what is temporary.
_TEMPORARY = ("/tmp", "/var/tmp", "/run", "/dev", "/dev/shm")
_AS_YOURSELF = 'add --user "$(id -u):$(id -g)" to docker run'


def check_folders(source: Path, output: Path, *, allow_unmounted: bool) -> None:
    """Refuse, in a container, folders that can't be meant; elsewhere do nothing.

    Args:
        source: the input, a folder or a file.
        output: the folder for results, which may not exist yet.
        allow_unmounted: results may go where they are lost with the container.

    Raises:
        FetaError: the output is on no mount, or one of the two is closed to who the container runs as.
    """
    if IMAGE_VARIABLE not in os.environ:
        return
    if not allow_unmounted and not is_mounted(output):
        problem = "lies on no mount: results would be gone with the container"
        raise FetaError(output, problem, f'add -v "$PWD/out":{output} to docker run, or --allow-unmounted to this call')
    existing = next(folder for folder in (output.absolute(), *output.absolute().parents) if folder.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise _closed(existing, "written")
    if source.exists() and not os.access(source, os.R_OK | os.X_OK if source.is_dir() else os.R_OK):
        raise _closed(source, "read")


def is_mounted(path: Path) -> bool:
    """Whether a path lies on a mount that outlives the container; True where that can't be told."""
    try:
        lines = MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return True
    place, kind = "", ""
    target = path.resolve()
    for line in lines:
        before, _, after = line.partition(" - ")
        mount = _unescaped(before.split()[4])
        # Of several at one place, the last hides the others.
        if target.is_relative_to(mount) and len(mount) >= len(place):
            place, kind = mount, after.split()[0]
    return place != "/" and not (place in _TEMPORARY and kind in ("tmpfs", "devtmpfs"))


def _unescaped(name: str) -> str:
    """A name in mountinfo, where blanks and backslashes are written as octal numbers."""
    for character in (" ", "\t", "\n", "\\"):
        name = name.replace(f"\\{ord(character):03o}", character)
    return name


def _closed(path: Path, done: str) -> FetaError:
    owner, me = path.stat().st_uid, os.geteuid()
    if done == "written" and os.statvfs(path).f_flag & os.ST_RDONLY:
        return FetaError(path, "is mounted read-only", "leave out the :ro of its -v")
    problem = f"belongs to user {owner} and can't be {done} by user {me}, who the container runs as"
    if owner == me:
        return FetaError(path, f"can't be {done} by user {me}, its owner", "change its permissions (chmod u+rwX)")
    if owner == 0 and done == "written":
        return FetaError(path, problem, "make the folder yourself: Docker makes a missing one as root")
    return FetaError(path, problem, _AS_YOURSELF)

"""Files that are opened without surprises, and written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shlex
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from zlib_ng import zlib_ng

from feta.errors import FetaError, error_kind

#: Deflate expands at most 1032-fold, so one block of this size never inflates beyond 34 MB.
_BLOCK = 1 << 15
#: A gzip file can consist of many; block compression, for one, makes them of 64 KiB. Millions of empty ones take a
#: minute to look through.
_FEW_MEMBERS, _SMALL_MEMBER = 1000, 256
GZIP_MAGIC = b"\x1f\x8b"
#: Tables and JSON files larger than this are not what they claim to be.
MAX_TEXT_BYTES = 16 << 20
#: A file that stands for content elsewhere is small (git-annex: at most 32 KiB), and begins so: of git-annex, the
#: second where a file system without links holds the link's target as a text; of git-lfs.
_LARGEST_POINTER = 32 << 10
_ANNEX_POINTER = re.compile(rb"/annex/objects/|(?:\.\./)*\.git/annex/objects/")
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_links_are_followed = False
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.part")


@contextmanager
def following_links() -> Iterator[None]:
    """Follow links to regular files, in the whole process: for programs that read their own user's data, since data
    sets of datalad are made of links; not for the evaluator, which reads what strangers hand in."""
    before = links_are_followed()
    follow_links(True)
    try:
        yield
    finally:
        follow_links(before)


def follow_links(follow: bool) -> None:
    """Follow links from now on, or refuse them; for a process that another one starts to do its work."""
    global _links_are_followed
    _links_are_followed = follow


def links_are_followed() -> bool:
    """Whether links are followed."""
    return _links_are_followed


def is_there(path: Path) -> bool:
    """Whether the name is taken, be it by a link to content that was not fetched: reading it says so."""
    return path.exists() or path.is_symlink()


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; a pipe, a device or a folder is refused, and a link where none is followed.

    The check is made on the opened file, so that nothing can be swapped in between.

    Raises:
        FetaError: the file is missing, unreadable, not a regular file, or stands for content that was not fetched.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe without a writer must not block
    try:
        if path.is_symlink():
            _judge_link(path)
        descriptor = os.open(path, flags if _links_are_followed else flags | os.O_NOFOLLOW)
    except (OSError, ValueError) as error:
        raise error_kind(error)(path, f"cannot be read ({_reason(error)})") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise FetaError(path, "is not a regular file")
    file = os.fdopen(descriptor, "rb")
    if status.st_size <= _LARGEST_POINTER and (program := _pointer(file.peek(len(_LFS_POINTER) + 64))):
        file.close()
        raise _not_fetched(path, program)
    return file


def _judge_link(path: Path) -> None:
    """Refuse a link that isn't to be followed, or that leads nowhere."""
    if not _links_are_followed:
        raise FetaError(path, "is a link", "put the file itself there (cp -L)")
    if not path.exists():
        target = os.fspath(path.readlink())
        if "annex/objects/" in target:
            raise _not_fetched(path, "datalad get")
        raise FetaError(path, f"is a link that leads nowhere ({target})", "put the file itself there")


def _pointer(beginning: bytes) -> str | None:
    """What fetches the content that a small file stands for, by its first bytes; None for any other file."""
    if _ANNEX_POINTER.match(beginning):
        return "datalad get"
    return "git lfs pull --include" if beginning.startswith(_LFS_POINTER) else None


def _not_fetched(path: Path, program: str) -> FetaError:
    return FetaError(path, "stands for content that was not fetched", f"{program} {shlex.quote(str(path))}")


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file's bytes in blocks of at most 32 KiB."""
    while block := file.read(_BLOCK):
        yield block


def fingerprint(path: Path) -> str:
    """SHA-256 of a regular file's bytes, in hexadecimal.

    Raises:
        FetaError: the file is missing or not a regular file.
    """
    digest = hashlib.sha256()
    with open_regular(path) as file:
        for block in blocks(file):
            digest.update(block)
    return digest.hexdigest()


def gunzip(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield the inflated bytes of a gzip file in bounded pieces, to its very end.

    zlib holds the trailer's CRC-32 and length of every member against what was inflated.

    Raises:
        FetaError: the data are damaged, end early, or are followed by something else.
    """
    member, complete = zlib_ng.decompressobj(wbits=31), False
    members, inflated = 1, 0
    for block in blocks(file):
        rest = block
        while rest and not (complete and not rest.strip(b"\0")):  # zero padding after the end is allowed, as gzip does
            if complete:
                member, complete, members = zlib_ng.decompressobj(wbits=31), False, members + 1
            if members > _FEW_MEMBERS + inflated // _SMALL_MEMBER:
                raise FetaError(path, "gzip data are in too many pieces of next to nothing", "compress the file anew")
            try:
                piece = member.decompress(rest)
            except zlib_ng.error as error:  # type: ignore[misc]  # its stub says nothing of the class
                raise FetaError(path, f"gzip data are damaged ({error})", "copy the file again") from error
            yield piece
            inflated += len(piece)
            complete, rest = member.eof, member.unused_data
    if not complete:
        raise FetaError(path, "gzip data end too early (truncated file)", "copy the file again")


def read_text(path: Path, limit: int = MAX_TEXT_BYTES) -> str:
    """Text of a small file: UTF-8 with or without a byte-order mark, UTF-16 with one, or else Latin-1.

    Raises:
        FetaError: the file can't be opened, or is larger than ``limit`` bytes.
    """
    try:
        with open_regular(path) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise error_kind(error)(path, f"cannot be read ({_reason(error)})") from error
    if len(data) > limit:
        raise FetaError(path, f"is larger than {limit >> 20} MiB, too large for a table")
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def make_writable(folder: Path) -> None:
    """Make a folder for results where there is none, before minutes or hours of work.

    Raises:
        FetaError: it can't be made, or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FetaError(folder, f"can't be made ({_reason(error)})", "choose a folder you can write to") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FetaError(folder, "can't be written", "choose a folder you can write to")


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file under a hidden temporary name beside it, then rename: it is whole or absent.

    Missing folders are made. Text is written as UTF-8 (bytes of odd file names as they are).
    A link at ``path`` is replaced, not followed.

    Raises:
        FetaError: the folder or the file can't be written.
    """
    write_together({path: data})


def write_together(files: Mapping[Path, bytes | str]) -> None:
    """Write files that belong together as `write_atomically` does: none takes its name before all are on the disk.

    Args:
        files: their contents, in the order in which they take their names.

    Raises:
        FetaError: one of them can't be written; unless it was the last step that failed, all are as they were.
    """
    temporaries: dict[Path, Path] = {}
    path = Path()
    try:
        try:
            for path, data in files.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                temporaries[path] = path.parent / f".{secrets.token_hex(8)}.part"
                with temporaries[path].open("xb") as file:
                    file.write(data.encode(errors="surrogateescape") if isinstance(data, str) else data)
                    file.flush()
                    os.fsync(file.fileno())
            for path in files:
                if path.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            for path, temporary in temporaries.items():
                temporary.replace(path)
        finally:
            for temporary in temporaries.values():
                temporary.unlink(missing_ok=True)
        for folder in dict.fromkeys(path.parent for path in files):
            sync_folder(folder)
    except (OSError, ValueError) as error:
        raise error_kind(error)(
            path, f"cannot be written ({_reason(error)})", "choose a folder you can write to"
        ) from error


def remove_unfinished(folder: Path) -> None:
    """Remove what a process that was killed while it wrote has left, in a folder where nobody else writes now."""
    for temporary in folder.glob(".*.part"):
        if _TEMPORARY.fullmatch(temporary.name) and temporary.is_file():
            temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)

"""A team's label map of one case: on the grid of its image, and readable as labels."""

from __future__ import annotations

import math
import zlib
from pathlib import Path, PurePosixPath

import numpy as np

from evaluation.submissions.intake import HEAD_BYTES, Identity, PrivateCopy, RejectedError, take
from evaluation.submissions.reasons import Reason
from feta.errors import FetaError, HostError, printable
from feta.files import GZIP_MAGIC
from feta.grid import GRID_TOLERANCE_MM, Grid, box_corners, transformed
from feta.nifti import HEADER_BYTES, MAX_OFFSET, Header, forms_in_mm, parse_header
from feta.volumes import Volume, read_label_map

#: What single precision does to a grid isn't worth a message.
_NEGLIGIBLE_MM = 1e-5
#: Bytes of the widest type that voxels can have.
_WIDEST_VOXEL = 8


def take_label_map(
    root: Path, name: PurePosixPath, folder: Path, grid: Grid, truth: frozenset[Identity] = frozenset()
) -> PrivateCopy:
    """Copy a submitted label map into a private folder, once its header fits the grid of its case.

    Of a file that is larger than a label map of that grid can be, or lies on another grid, no more is read.

    Raises:
        RejectedError: as ``take``; or it is no volume on that grid.
        HostError: as ``take``.
    """
    largest = math.prod(grid.size) * _WIDEST_VOXEL + MAX_OFFSET + HEADER_BYTES

    def check(head: bytes) -> None:
        try:
            _check_grid(parse_header(_inflated(head, Path(name)), Path(name)), grid, name)
        except HostError:
            raise
        except FetaError as error:
            raise RejectedError(Reason.INVALID_FILE, _reworded(error, name)) from error

    return take(root, name, folder, truth, largest=largest, check=check)


def check_label_map(copy: PrivateCopy, grid: Grid) -> tuple[Volume, tuple[str, ...]]:
    """Read a submitted label map and hold it against the grid of its case.

    Returns:
        The map, and one line for each thing that is accepted with a remark.

    Raises:
        RejectedError: it can't be read, isn't a label map, or lies on another grid.
    """
    try:
        header = read_header(copy.path)
        _check_grid(header, grid, copy.name)
        volume = read_label_map(copy.path)
    except HostError:
        raise
    except FetaError as error:
        raise RejectedError(Reason.INVALID_FILE, _reworded(error, copy.name)) from error
    return volume, tuple(printable(f"{copy.name}: {remark}") for remark in _messages(header, grid))


def read_header(path: Path) -> Header:
    """Header of a volume, without reading its voxels.

    Raises:
        FetaError: it is no NIfTI header that can be used.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise FetaError(path, f"cannot be read ({error.strerror})") from error
    return parse_header(_inflated(head, path), path)


def _inflated(head: bytes, path: Path) -> bytes:
    """The first bytes of a file, inflated where it is gzipped.

    Raises:
        FetaError: the gzip data are damaged.
    """
    if not head.startswith(GZIP_MAGIC):
        return head[:HEADER_BYTES]
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEADER_BYTES)
    except zlib.error as error:
        raise FetaError(path, "gzip data are damaged or end too early", "copy the file again") from error


def _check_grid(header: Header, grid: Grid, name: PurePosixPath) -> None:
    gap = grid.difference(header.grid)
    if gap and not _on_other_form(header.grid, grid):
        raise RejectedError(Reason.WRONG_GRID, f"{name}: not on the grid of its image: {gap}; resample it to the T2w")


def _on_other_form(submitted: Grid, grid: Grid) -> bool:
    """Whether a map lies where the other form of its image's header says, of two that disagree.

    Which of them a program takes isn't the team's choice: ITK takes one, nibabel may take the other.
    """
    header = grid.header
    if header is None or submitted.size != grid.size or header.disagreement(grid.size) == 0:
        return False
    corners = box_corners((0, 0, 0), np.subtract(grid.size, 1))
    places = [transformed(form, corners) for form in forms_in_mm(header)]
    return min(float(np.abs(place - submitted.corners()).max()) for place in places) <= GRID_TOLERANCE_MM


def _messages(header: Header, grid: Grid) -> list[str]:
    messages = list(header.warnings) + ([header.contradiction] if header.contradiction else [])
    if header.scaled:
        messages.append("voxels are scaled by the header (scl_slope); accepted, since all values are whole")
    elif header.dtype.kind == "f":
        messages.append("labels are stored as floating-point numbers; accepted, since all are whole")
    small = grid.difference(header.grid, _NEGLIGIBLE_MM)
    if small and grid.difference(header.grid):
        messages.append("lies where one of two forms says that disagree in the header of its image; accepted")
    elif small:
        messages.append(f"grid differs within the tolerance ({small}); accepted")
    return messages


def _reworded(error: FetaError, name: PurePosixPath) -> str:
    """The message with the file's own name in place of the copy's."""
    return str(FetaError(str(name), error.problem, error.remedy))

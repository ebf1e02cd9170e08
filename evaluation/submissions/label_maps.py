"""A team's label map of one case: on the grid of its image, and readable as labels."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path, PurePosixPath

from evaluation.submissions.intake import PrivateCopy, RejectedError, printable
from evaluation.submissions.reasons import Reason
from feta.errors import FetaError
from feta.files import GZIP_MAGIC
from feta.grid import Grid
from feta.nifti import HEADER_BYTES, Header, parse_header
from feta.volumes import Volume, read_label_map

#: What single precision does to a grid isn't worth a message.
_NEGLIGIBLE_MM = 1e-5


def check_label_map(copy: PrivateCopy, grid: Grid) -> tuple[Volume, tuple[str, ...]]:
    """Read a submitted label map and hold it against the grid of its case.

    Returns:
        The map, and one line for each thing that is accepted with a remark.

    Raises:
        RejectedError: it can't be read, isn't a label map, or lies on another grid.
    """
    try:
        header = read_header(copy.path)
        gap = grid.difference(header.grid)
        if gap:
            raise RejectedError(
                Reason.WRONG_GRID, f"{copy.name}: not on the grid of its image: {gap}; resample it to the T2w"
            )
        volume = read_label_map(copy.path)
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
            zipped = file.read(2) == GZIP_MAGIC
            file.seek(0)
            head = gzip.GzipFile(fileobj=file).read(HEADER_BYTES) if zipped else file.read(HEADER_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise FetaError(path, "gzip data are damaged or end too early", "copy the file again") from error
    return parse_header(head, path)


def _messages(header: Header, grid: Grid) -> list[str]:
    messages = []
    if header.scaled:
        messages.append("voxels are scaled by the header (scl_slope); accepted, since all values are whole")
    elif header.dtype.kind == "f":
        messages.append("labels are stored as floating-point numbers; accepted, since all are whole")
    small = grid.difference(header.grid, _NEGLIGIBLE_MM)
    if small:
        messages.append(f"grid differs within the tolerance ({small}); accepted")
    return messages


def _reworded(error: FetaError, name: PurePosixPath) -> str:
    """The message with the file's own name in place of the copy's."""
    return str(FetaError(str(name), error.problem, error.remedy))

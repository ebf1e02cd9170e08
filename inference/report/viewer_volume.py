"""What the viewer of a page scrolls through: the head in the brain's frame, 8 bit, as NIfTI in base64."""

from __future__ import annotations

import base64
import math
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from zlib_ng import gzip_ng

from feta.grid import StoredGeometry
from feta.nifti import write_header
from inference.report.sampling import Scene

#: Voxels are never finer than this, mm.
FINEST_MM = 0.5
#: Voxels of the box, which bounds what a browser must hold; larger heads are read more coarsely.
MOST_VOXELS = 9_000_000
#: Characters of both volumes in base64. With the viewer and the pictures a page stays below 8 MB.
MOST_CHARACTERS = 4_800_000
#: Each try at a page that is too large makes voxels so much larger.
_COARSER = 1.2
_LEVEL = 3
#: NIfTI-1's intent code, where it stands, and its value for labels, of which the viewer draws outlines.
_INTENT_AT, _LABEL = 68, 1002


@dataclass(frozen=True)
class ViewerVolume:
    """The image and the label map of the head.

    Attributes:
        image: gzipped NIfTI-1, uint8, in base64.
        labels: likewise.
        spacing: side of a voxel, mm.
        size: voxels along (x, y, z).
    """

    image: str
    labels: str
    spacing: float
    size: tuple[int, int, int]


def viewer_volume(scene: Scene) -> ViewerVolume:
    """Read the head's box in one pass; more coarsely than ``FINEST_MM`` where the image is, or where it must be."""
    extent = scene.high - scene.low
    spacing = max(FINEST_MM, float(min(scene.volume.grid.spacing)), (float(np.prod(extent)) / MOST_VOXELS) ** (1 / 3))
    while True:
        # Rounded up, so that the page can name it.
        spacing = math.ceil(spacing * 100 - 1e-6) / 100
        found = _read(scene, spacing)
        if len(found.image) + len(found.labels) <= MOST_CHARACTERS:
            return found
        spacing *= _COARSER


def _read(scene: Scene, spacing: float) -> ViewerVolume:
    x, y, z = (int(n) for n in np.ceil((scene.high - scene.low) / spacing).astype(int) + 1)
    grey, labels = scene.read(scene.low, np.eye(3) * spacing, (x, y, z))
    zipped = [_nifti(array, spacing, scene.low, intent) for array, intent in ((grey, 0), (labels, _LABEL))]
    return ViewerVolume(zipped[0], zipped[1], spacing, (x, y, z))


def _nifti(array: npt.NDArray[np.uint8], spacing: float, corner: npt.NDArray[np.float64], intent: int) -> str:
    rows = np.eye(4)[:3] * spacing
    rows[:, 3] = corner
    # The sform alone, "aligned": the frame is the brain's own.
    pixdim = (1.0, spacing, spacing, spacing, 1.0, 0.0, 0.0, 0.0)
    geometry = StoredGeometry((0, 2), pixdim, (0.0,) * 6, tuple(float(v) for v in rows.ravel()), 2)
    z, y, x = array.shape
    header = bytearray(write_header(geometry, (x, y, z), array.dtype))
    struct.pack_into("<h", header, _INTENT_AT, intent)
    return base64.b64encode(gzip_ng.compress(bytes(header) + array.tobytes(), _LEVEL, mtime=0)).decode("ascii")

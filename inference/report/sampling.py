"""A case read on grids to be looked at: the box of its head, planes through it, and grey values of 8 bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feta.grid import Grid, Matrix, transformed
from feta.volumes import Volume
from inference.geometry.display_kernel import shown

#: Around the label map, mm: what lies there is the skull and what the label map may have missed.
MARGIN_MM = 12.0
#: Intensities inside the brain that become black and white, percent.
WINDOW = (0.5, 99.5)
#: As many voxels are enough to find the window.
_SOME = 100_000


@dataclass(frozen=True)
class Scene:
    """A volume and its label map, with what is needed to read planes and boxes of them.

    Attributes:
        volume: (z, y, x) float32.
        labels: uint8 on the same grid.
        to_index: 4×4 from the brain frame's mm (x right, y anterior, z superior) to the volume's index (x, y, z).
        low: corner (x, y, z) of the head's box in the brain frame, mm.
        high: the opposite corner.
        window: intensities shown as black and white.
    """

    volume: Volume
    labels: Volume
    to_index: Matrix
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    window: tuple[float, float]

    @classmethod
    def of(cls, volume: Volume, labels: Volume, frame: Matrix) -> Scene:
        """The scene of a case.

        Args:
            volume: (z, y, x) float32.
            labels: uint8 on the same grid; where it is empty, the whole image is shown.
            frame: 4×4 from physical LPS mm to the brain frame.
        """
        to_index = np.asarray(np.linalg.inv(frame @ volume.grid.affine()), np.float64)
        return cls(volume, labels, to_index, *_box(labels, frame), _window(volume, labels))

    def read(
        self, corner: npt.ArrayLike, steps: npt.NDArray[np.float64], size: tuple[int, int, int]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Grey values (linear interpolation) and labels (nearest neighbour) on a grid; 0 outside the image.

        Args:
            corner: (x, y, z) of its first voxel in the brain frame, mm.
            steps: (3, 3), columns: from one voxel to the next along the grid's x, y and z, mm.
            size: voxels along (x, y, z).

        Returns:
            two arrays (z, y, x) uint8.
        """
        grid = np.eye(4)
        grid[:3, :3], grid[:3, 3] = steps, corner
        grey, drawn = np.empty(size[::-1], np.uint8), np.empty(size[::-1], np.uint8)
        low, high = self.window
        matrix = np.ascontiguousarray((self.to_index @ grid)[:3])
        shown(self.volume.array, self.labels.array, matrix, low, 255.0 / (high - low), grey, drawn)
        return grey, drawn


def _box(labels: Volume, frame: Matrix) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Corners of the label map with a margin in the brain frame, mm; of the image if the map is empty."""
    coarse = tuple(slice(None, None, max(1, n // 48)) for n in labels.array.shape)
    index = np.argwhere(labels.array[coarse]) * [s.step for s in coarse]
    if not len(index):
        points = transformed(frame, labels.grid.corners())
        return points.min(axis=0), points.max(axis=0)
    points = transformed(frame, transformed(labels.grid.affine(), index[:, ::-1]))
    return points.min(axis=0) - MARGIN_MM, points.max(axis=0) + MARGIN_MM


def _window(volume: Volume, labels: Volume) -> tuple[float, float]:
    step = max(1, volume.array.size // (20 * _SOME))
    values, tissue = volume.array.ravel()[::step], labels.array.ravel()[::step] > 0
    inside = values[tissue] if tissue.any() else values
    low, high = np.percentile(inside[:: max(1, inside.size // _SOME)], WINDOW)
    low = min(0.0, float(low))
    return low, max(float(high), low + 1e-6)


def warm_up() -> None:
    """Compile the loop that reads a case, for an image whose containers then need not."""
    volume = Volume(
        np.zeros((4, 4, 4), np.float32), Grid((4, 4, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    )
    labels = Volume(np.zeros((4, 4, 4), np.uint8), volume.grid)
    Scene.of(volume, labels, np.eye(4)).read((0.0, 0.0, 0.0), np.eye(3), (2, 2, 2))

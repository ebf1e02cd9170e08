"""The planes in which a radiologist measures, read from a case as they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feta.labels import TISSUE_COLOURS, TISSUES
from feta.measurements import Measurement
from inference.biometry.line import Line
from inference.report.convention import Convention
from inference.report.sampling import MARGIN_MM, Scene

Array = npt.NDArray[np.uint8]
#: What the sides of a panel are, by the axis that goes to the right; the first is where its coordinate is smallest.
SIDES = {0: "LR", 1: "PA"}
#: Where further slices may lie along the brain: the two that are farther from the lengths' plane are shown.
QUARTERS = (0.25, 0.5, 0.75)
_COLOURS = np.zeros((256, 3), np.uint8)
_COLOURS[list(TISSUES)] = np.rint(255 * np.array([TISSUE_COLOURS[t] for t in TISSUES]))


@dataclass(frozen=True)
class Plane:
    """A kind of plane: its name, the axis across it, those to the right and up (0 x, 1 y, 2 z), and its lengths.

    The first length that was measured says where the plane lies.
    """

    name: str
    across: int
    right: int
    up: int
    measurements: tuple[Measurement, ...]

    def mirrored(self, convention: Convention) -> bool:
        """Whether the axis to the right runs against its coordinate."""
        return self.right == 0 and convention is Convention.RADIOLOGICAL

    def sides(self, convention: Convention) -> str:
        """Letters of its left and right border, such as ``RL``."""
        letters = SIDES[self.right]
        return letters[::-1] if self.mirrored(convention) else letters


PLANES = (
    Plane("sagittal", 0, 1, 2, (Measurement.LCC, Measurement.HV)),
    Plane("coronal", 1, 0, 2, (Measurement.TCD,)),
    Plane("axial", 2, 0, 1, (Measurement.BBIP, Measurement.SBIP)),
)


@dataclass(frozen=True)
class Slice:
    """One plane of the brain frame as it is shown.

    Attributes:
        plane: its kind.
        grey: (row, column) uint8, the upper row first.
        labels: likewise.
        corner: (x, y, z) of the middle of the upper left pixel, mm.
        steps: (3, 2), from one pixel to the next to the right and downwards, mm.
    """

    plane: Plane
    grey: Array
    labels: Array
    corner: npt.NDArray[np.float64]
    steps: npt.NDArray[np.float64]

    def place(self, point: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Where a point (x, y, z) in mm falls: column and row of the picture."""
        away = np.asarray(point, np.float64) - self.corner
        return np.asarray(away @ self.steps / (self.steps**2).sum(axis=0))

    def outlined(self) -> Array:
        """The image (row, column, RGB) with each tissue's border in its colour."""
        picture = np.repeat(self.grey[..., None], 3, axis=2)
        edge = np.zeros(self.labels.shape, bool)
        for axis in (0, 1):
            differs = np.diff(self.labels, axis=axis) != 0
            for before in (False, True):
                edge |= np.pad(differs, [((1, 0) if before else (0, 1)) if a == axis else (0, 0) for a in (0, 1)])
        edge &= self.labels > 0
        picture[edge] = _COLOURS[self.labels[edge]]
        return picture

    def washed(self) -> Array:
        """The image (row, column, RGB) at half its size with tissues as a wash of colour."""
        grey, labels = self.grey[::2, ::2, None], self.labels[::2, ::2]
        colour = np.where(labels[..., None] > 0, _COLOURS[labels], grey)
        return np.asarray(grey * np.float32(0.55) + colour * np.float32(0.45), np.uint8)


def positions(plane: Plane, lines: Mapping[Measurement, Line], scene: Scene) -> tuple[float, float, float]:
    """Three positions along the axis across it, mm: where its lengths are, and two others within the brain.

    The plane lies through the first of its lengths that was measured, else in the middle.
    """
    low, high = scene.low[plane.across] + MARGIN_MM, scene.high[plane.across] - MARGIN_MM
    quarters = [float(low + share * (high - low)) for share in QUARTERS]
    found = [lines[m] for m in plane.measurements if m in lines]
    main = (found[0].start[plane.across] + found[0].end[plane.across]) / 2 if found else quarters[1]
    nearest = min(quarters, key=lambda at: abs(at - main))
    first, second = (at for at in quarters if at != nearest)
    return main, first, second


def cut(scene: Scene, plane: Plane, position: float, pixel: float, convention: Convention) -> Slice:
    """Read one plane.

    Args:
        position: along the axis across it, mm.
        pixel: side of a pixel, mm.
    """
    extent = scene.high - scene.low
    size = (int(extent[plane.right] / pixel) + 1, int(extent[plane.up] / pixel) + 1, 1)
    corner, steps = scene.low.copy(), np.zeros((3, 3))
    corner[plane.across], corner[plane.up] = position, scene.high[plane.up]
    steps[plane.right, 0], steps[plane.up, 1], steps[plane.across, 2] = pixel, -pixel, pixel
    if plane.mirrored(convention):
        corner[plane.right], steps[plane.right, 0] = scene.high[plane.right], -pixel
    grey, labels = scene.read(corner, steps, size)
    return Slice(plane, grey[0], labels[0], corner, steps[:, :2])

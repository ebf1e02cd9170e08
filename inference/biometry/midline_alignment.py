"""The label map brought upright: x to the right, y anterior, z superior, and the midline at x = 0.

The brain frame that comes with a segmentation may be some degrees off. The label map
itself knows better: the mid-sagittal plane is the one about which it is most symmetric.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from feta.grid import Matrix, transformed
from feta.labels import foreground_box
from feta.volumes import Volume
from inference.geometry.interpolation import affine_sample
from inference.geometry.orientation import Reorientation

Labels = npt.NDArray[np.uint8]

SPACING = 0.6
#: Symmetry is judged on points this far apart (mm).
POINT_STEP = 3.0
#: The upright voxels lie off the frame's origin by some such length (mm): else those of an aligned volume lie right
#: between its own, and rounding would decide which they take.
UNEVEN_MM = 0.0619
#: The plane is not sought further than this from the frame given: degrees of roll and yaw, mm.
LIMITS = (20.0, 20.0, 10.0)


@dataclass(frozen=True)
class AlignedLabels:
    """A label map in the brain frame.

    Attributes:
        labels: uint8 (z, y, x), ascending to superior, anterior and right.
        origin: position (x, y, z) in mm of voxel (0, 0, 0) in the upright frame.
        to_physical: 4×4 from the upright frame to the image's physical LPS mm.
        spacing: mm from voxel to voxel, along each axis.
    """

    labels: Labels
    origin: npt.NDArray[np.float64]
    to_physical: Matrix
    spacing: float = SPACING

    @property
    def from_physical(self) -> Matrix:
        """4×4 from the image's physical LPS mm to the upright frame."""
        return np.asarray(np.linalg.inv(self.to_physical), np.float64)

    def positions(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """Positions (N, 3), (x, y, z) in mm, of the true voxels of a mask shaped like the labels."""
        return np.argwhere(mask)[:, ::-1] * self.spacing + self.origin

    def extent(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Least and greatest position (x, y, z) in mm of labelled voxels, of which there are some."""
        box = foreground_box(self.labels)
        assert box is not None
        first, last = ([at.start for at in box[::-1]], [at.stop - 1 for at in box[::-1]])
        return np.array(first) * self.spacing + self.origin, np.array(last) * self.spacing + self.origin

    def index(self, axis: int, position: float) -> int:
        """Nearest voxel along an axis (0 x, 1 y, 2 z), within the array."""
        return int(np.clip(round((position - self.origin[axis]) / self.spacing), 0, self.labels.shape[2 - axis] - 1))

    def resample_like(self, volume: Volume) -> npt.NDArray[np.uint8]:
        """Another label map or mask of the same case, (z, y, x) uint8 on this one's voxels (nearest neighbour)."""
        step = np.diag([self.spacing] * 3 + [1.0])
        step[:3, 3] = self.origin
        to_index = np.linalg.inv(volume.grid.affine()) @ self.to_physical @ step
        found = affine_sample(volume.array, to_index[:3, :3], to_index[:3, 3], self.labels.shape, order=0)
        return np.asarray(found, np.uint8)


def align_to_midline(labels: Volume, to_canonical: Matrix) -> AlignedLabels | None:
    """Resample a label map's brain into the brain frame, its midline at x = 0.

    Args:
        labels: uint8 (z, y, x).
        to_canonical: 4×4 from physical LPS mm to the brain frame.

    Returns:
        the upright map; None where the map is empty, or so small that no voxel of the upright map hits it.
    """
    # However it is stored, the same voxels are judged.
    crop = _crop(Reorientation.by_content(labels).apply(labels))
    if crop is None:
        return None
    array, to_physical = crop
    to_frame = to_canonical @ to_physical
    index = _sample(array, np.linalg.norm(to_frame[:3, :3], axis=0))
    symmetric = _symmetry(array, index, to_frame)
    to_physical = np.asarray(np.linalg.inv(symmetric @ to_canonical), np.float64)
    aligned = _resample(array, index, symmetric @ to_frame, to_physical)
    return aligned if aligned.labels.any() else None


def onto_symmetry(array: Labels, to_frame: Matrix) -> Matrix:
    """4×4 that moves a frame, by a roll, a yaw and a shift, so that a label map is most symmetric about x = 0.

    Args:
        array: labels (z, y, x).
        to_frame: from the array's index (x, y, z) to that frame, in mm, upright to some degrees.
    """
    return _symmetry(array, _sample(array, np.linalg.norm(to_frame[:3, :3], axis=0)), to_frame)


def _sample(array: Labels, spacing: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Index (N, 3), (x, y, z), of labelled voxels about ``POINT_STEP`` mm apart; of all where none lies so.

    Args:
        array: labels (z, y, x).
        spacing: mm along (x, y, z).
    """
    steps = np.maximum(1, np.rint(POINT_STEP / spacing)).astype(np.int64)
    x, y, z = (int(s) for s in steps)
    found = np.argwhere(array[::z, ::y, ::x])[:, ::-1] * steps
    return found if found.size else np.argwhere(array)[:, ::-1]


def _crop(labels: Volume) -> tuple[Labels, Matrix] | None:
    """The box that holds all labels, and the matrix from its index (x, y, z) to physical mm."""
    box = foreground_box(labels.array)
    if box is None:
        return None
    start = [s.start for s in box][::-1]
    matrix = labels.grid.affine()
    matrix[:3, 3] += matrix[:3, :3] @ start
    return np.ascontiguousarray(labels.array[box]), matrix


def _resample(array: Labels, index: npt.NDArray[np.int64], to_frame: Matrix, to_physical: Matrix) -> AlignedLabels:
    """Nearest-neighbour resampling into an upright box that holds the array's labels.

    Args:
        array: labels (z, y, x).
        index: (N, 3) some labelled voxels, (x, y, z).
        to_frame: from the array's index (x, y, z) to the upright frame.
        to_physical: from the upright frame to physical mm; only passed on.
    """
    points = transformed(to_frame, index)
    # The points skip voxels, and every structure needs an outside.
    margin = POINT_STEP + 2 * SPACING + UNEVEN_MM
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    size = np.ceil((high - low) / SPACING).astype(int) + 1
    to_index = np.linalg.inv(to_frame)
    step, offset = to_index[:3, :3] * SPACING, to_index[:3, :3] @ low + to_index[:3, 3]
    resampled = affine_sample(array, step, offset, tuple(size[::-1]), order=0)
    return AlignedLabels(resampled, low, to_physical)


def _symmetry(array: Labels, index: npt.NDArray[np.int64], to_frame: Matrix) -> Matrix:
    """4×4 that moves the brain frame so that the plane of best symmetry is x = 0.

    Args:
        array: labels (z, y, x).
        index: (N, 3) the labelled voxels on which symmetry is judged, (x, y, z).
        to_frame: from the array's index (x, y, z) to the brain frame.
    """
    values = array[tuple(index[:, ::-1].T)]
    points = transformed(to_frame, index)
    to_index = np.linalg.inv(to_frame)
    bounds = np.array(array.shape[::-1])

    def mismatch(parameters: npt.NDArray[np.float64]) -> float:
        move = _move(parameters)
        moved = transformed(move, points)
        back = np.linalg.inv(move)
        mirrored = transformed(back, moved * [-1, 1, 1])
        landed = np.rint(transformed(to_index, mirrored)).astype(int)
        inside = ((landed >= 0) & (landed < bounds)).all(axis=1)
        x, y, z = landed[inside].T
        return 1.0 - float((array[z, y, x] == values[inside]).sum()) / len(values)

    # Off a plain frame by a bit: from an aligned one points land right between voxels, and rounding would decide.
    start = np.array([0.0371, 0.0293, float(np.median(-points[:, 0])) + 0.0137])
    simplex = start + np.array([[0, 0, 0], [6, 0, 0], [0, 6, 0], [0, 0, 3.0]])
    best = minimize(
        mismatch,
        start,
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 0.1, "fatol": 1e-4, "maxfev": 120},
    ).x
    return _move(np.clip(best, np.negative(LIMITS), LIMITS))


def _move(parameters: npt.NDArray[np.float64]) -> Matrix:
    """4×4 of a roll about y and a yaw about z (degrees), then a shift along x (mm)."""
    roll, yaw = np.deg2rad(parameters[:2])
    about_y = np.array([[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]])
    about_z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = about_z @ about_y
    matrix[0, 3] = parameters[2]
    return matrix

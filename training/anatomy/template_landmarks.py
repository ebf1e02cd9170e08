"""Where the structures of a template and the landmarks of its five lengths lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from feta.errors import FetaError
from feta.grid import box_corners, transformed
from feta.labels import Tissue
from feta.measurements import MEASUREMENTS, Measurement
from inference.biometry.landmark_definitions import landmark_lines
from training.anatomy.template import CALLOSUM, CHANNELS, Template, tissue_of
from training.anatomy.velocity_field import Points
from training.imaging.lattice import Lattice

#: Labels are sampled this finely (mm), which is how finely landmarks are placed.
SPACING = 0.5
#: The head is found on samples this coarse (mm); around it stays this much (mm) of background.
_COARSE, _MARGIN = 3.0, 9.0
CEREBRUM = (Tissue.GM, Tissue.WM, Tissue.VM, Tissue.SGM, CALLOSUM)

Labels = npt.NDArray[np.uint8]
Weights = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TemplateLandmarks:
    """Structures and landmarks of a template, found at full resolution.

    Attributes:
        lattice: where velocities are sampled.
        occupancy: (9, Z, Y, X) share of each label in the cell around each of its samples.
        landmarks: both ends (2, 3) of each length, template mm.
        length: foremost and hindmost point (2, 3) of the cerebrum.
        head: (N, 3) samples of the lattice that hold some of the head.
    """

    lattice: Lattice
    occupancy: Weights
    landmarks: Mapping[Measurement, Points]
    length: Points
    head: Points

    def mask(self, *labels: int) -> npt.NDArray[np.bool_]:
        """Cells of which some labels fill the half."""
        return self.occupancy[list(labels)].sum(axis=0) > 0.5


def locate_landmarks(template: Template, lattice_mm: float) -> TemplateLandmarks:
    """Find the structures and landmarks of a template.

    Args:
        template: in its canonical frame, RAS mm, the midline at x = 0.
        lattice_mm: distance of the velocities' samples, a multiple of 0.5.

    Raises:
        FetaError: a length can't be measured on it.
    """
    block = round(lattice_mm / SPACING)
    labels, origin = _fine_labels(template, block)
    callosum = labels == CALLOSUM
    lines = landmark_lines(tissue_of(labels), origin, SPACING, callosum)
    landmarks = {}
    for measurement in MEASUREMENTS:
        line = lines[measurement]
        if line is None:
            raise FetaError("anatomy", f"{measurement} can't be measured on what it drew", "draw with smaller latents")
        landmarks[measurement] = np.array([line.start, line.end], np.float64)
    shape = tuple(n // block for n in labels.shape)
    lattice = Lattice(origin + SPACING * (block - 1) / 2, lattice_mm, (shape[0], shape[1], shape[2]))
    occupancy = label_shares(labels, block)
    head = lattice.positions()[occupancy[0] < 1.0]
    return TemplateLandmarks(lattice, occupancy, landmarks, _farthest(labels, origin), head)


def _fine_labels(template: Template, block: int) -> tuple[Labels, Points]:
    """Labels (z, y, x) around the head, whole blocks of them, and the position of the first."""
    to_mm = np.linalg.inv(template.to_index)
    extent = np.array(template.signal.shape[:0:-1], np.float64) - 1
    ends = transformed(to_mm, box_corners((0, 0, 0), extent))
    coarse, origin = _sampled(template, ends.min(0), ends.max(0), _COARSE)
    used = np.argwhere(coarse > 0)[:, ::-1] * _COARSE + origin
    if not len(used):
        raise FetaError("anatomy", "drew an empty head")
    low, high = used.min(0) - _MARGIN, used.max(0) + _MARGIN
    size = np.ceil((high - low) / (SPACING * block)) * SPACING * block
    return _sampled(template, low, low + size - SPACING, SPACING)


def _sampled(template: Template, low: Points, high: Points, spacing: float) -> tuple[Labels, Points]:
    axes = [torch.arange(low[i], high[i] + spacing / 2, spacing, dtype=torch.float32) for i in range(3)]
    points = torch.stack(torch.meshgrid(*axes[::-1], indexing="ij")[::-1], dim=-1)
    return template.sampled(points)[0], np.asarray(low, np.float64)


def label_shares(labels: Labels, block: int) -> Weights:
    """Share (9, Z, Y, X) of each label 0–8 in each cell of so many samples along each axis."""
    z, y, x = (n // block for n in labels.shape)
    cell = np.arange(z * y * x, dtype=np.intp).reshape(z, 1, y, 1, x, 1)
    each = cell * CHANNELS + labels.reshape(z, block, y, block, x, block)
    counts = np.bincount(each.ravel(), minlength=z * y * x * CHANNELS)
    return np.ascontiguousarray(np.moveaxis(counts.reshape(z, y, x, CHANNELS), -1, 0) / block**3)


def _farthest(labels: Labels, origin: Points) -> Points:
    """Foremost and hindmost point (2, 3) of the cerebrum."""
    cerebrum = np.isin(labels, CEREBRUM)
    rows = np.flatnonzero(cerebrum.any(axis=(0, 2)))
    ends = []
    for y in (rows[-1], rows[0]):
        z, x = np.argwhere(cerebrum[:, y]).mean(axis=0)
        ends.append(np.array([x, y, z]) * SPACING + origin)
    return np.array(ends)

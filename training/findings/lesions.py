"""Haemorrhages and cysts: dark or bright regions of the image that keep the label of what they lie in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from feta.labels import Tissue
from training.anatomy.head_model import HeadModel
from training.anatomy.velocity_field import Field
from training.findings.scene import smooth_step
from training.imaging.lattice import Lattice

#: Places are sought on samples this fine (mm), this far (mm) from the ventricle's wall where they lie at it.
_SEEK_MM, _WALL_MM = 1.5, 3.0
#: A lesion's border is this wide, mm.
_BORDER_MM = 1.0


class Place(StrEnum):
    """Where lesions arise: germinal matrix, ventricle, white matter at its wall, cerebellum."""

    GERMINAL_MATRIX = "germinal matrix"
    VENTRICLE = "ventricle"
    WHITE_MATTER = "white matter"
    CEREBELLUM = "cerebellum"


class Kind(StrEnum):
    """Blood of the last weeks is dark on T2w; a cyst, and blood that was absorbed, as bright as fluid."""

    HAEMORRHAGE = "haemorrhage"
    CYST = "cyst"


@dataclass(frozen=True)
class Lesion:
    """One region. Sizes and brightness are choices of this project.

    Attributes:
        kind: dark or bright.
        place: where.
        centre: (x, y, z) mm.
        radii: of an ellipsoid along (x, y, z), mm.
        brightness: as a share of the fluid's in the ventricles.
    """

    kind: Kind
    place: Place
    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    brightness: float


def paint_lesions(
    image: npt.NDArray[np.float32],
    labels: npt.NDArray[np.uint8],
    places: Field,
    lesions: tuple[Lesion, ...],
    fluid: float,
) -> None:
    """Paint lesions into an image, in place; only where there is a brain.

    Args:
        image: (Z, Y, X) T2w intensities.
        labels: (Z, Y, X); external CSF and background stay as they are.
        places: (Z, Y, X, 3) mm of the voxels, (x, y, z).
        lesions: in the same frame.
        fluid: intensity of the ventricles.
    """
    inside = labels > Tissue.ECSF
    for lesion in lesions:
        distance = np.linalg.norm((places - np.array(lesion.centre)) / np.array(lesion.radii), axis=-1)
        depth = (1 - distance) * min(lesion.radii)
        weight = smooth_step(depth / _BORDER_MM + 0.5) * inside
        image += (weight * (lesion.brightness * fluid - image)).astype(np.float32)


def find_centre(rng: np.random.Generator, head: HeadModel, place: Place) -> tuple[float, float, float] | None:
    """A random centre (x, y, z) in mm of a lesion at a place; None where the brain has no such place."""
    low, high = head.box
    x, y, z = (int(n) for n in np.ceil((high - low) / _SEEK_MM) + 1)
    positions = Lattice(low, _SEEK_MM, (z, y, x)).positions()
    labels = head.at(torch.from_numpy(positions).float())[0]
    chosen = np.argwhere(_region(labels, positions, place))
    if not len(chosen):
        return None
    x, y, z = positions[tuple(chosen[int(rng.integers(len(chosen)))])]
    return float(x), float(y), float(z)


def _region(labels: npt.NDArray[np.uint8], positions: Field, place: Place) -> npt.NDArray[np.bool_]:
    def near(tissue: Tissue) -> npt.NDArray[np.bool_]:
        return np.asarray(ndimage.distance_transform_edt(labels != tissue) * _SEEK_MM <= _WALL_MM)

    lateral = np.abs(positions[..., 0]) > _WALL_MM
    if place is Place.CEREBELLUM:
        return np.asarray((labels == Tissue.CBM) & lateral)
    if place is Place.VENTRICLE:
        return np.asarray((labels == Tissue.VM) & lateral)
    if place is Place.WHITE_MATTER:
        return np.asarray((labels == Tissue.WM) & near(Tissue.VM) & lateral)
    # The caudothalamic groove: where deep grey matter and the lateral ventricle meet.
    return np.asarray(np.isin(labels, (Tissue.SGM, Tissue.WM)) & near(Tissue.VM) & near(Tissue.SGM) & lateral)

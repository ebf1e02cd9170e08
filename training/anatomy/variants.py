"""New brains from labelled ones: on the way from healthy to ill and beyond, with wider ventricles, deformed at random.

Each is one labelled volume warped by three flows, one after another: part of the way (or back, or beyond the end)
to a brain of near age of the other kind, a swelling of the ventricles, and a random one. Flows are
diffeomorphisms, so that no tissue tears or merges (`training/anatomy/velocity_field.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feta.labels import LABEL_COUNT, Tissue
from feta.volumes import Volume
from training.anatomy.kernels import interpolate, label_points
from training.anatomy.registration import RegistrationSettings
from training.anatomy.velocity_field import (
    Deformation,
    Field,
    Points,
    determinants,
    random_velocity,
    swelling_velocity,
)
from training.data.subject import centred
from training.imaging.lattice import Lattice

Range = tuple[float, float]
#: Random and swelling fields are sampled this finely; places are tabled this finely, and are linear in between, mm.
_FIELD_MM, _TABLE_MM = 2.0, 1.5
#: No cell of the table keeps less than this share of its volume.
LEAST_VOLUME = 0.05
#: Flows that fold a cell are followed for this much less time, and tried again.
_WEAKER = 0.8
#: Ventricles are smoothed (mm) before they become the source of a swelling.
_SOURCE_MM = 1.5


@dataclass(frozen=True)
class VariantSettings:
    """How variants differ from the brains that they come from; ranges are (least, most).

    Attributes:
        weeks: largest difference in age to the brain of the other kind.
        way: how far towards it: 0 is the brain itself, 1 the other one's anatomy.
        dilated: share of variants whose ventricles swell.
        dilation: factor on the volume of a small piece of ventricle that stays within; of the whole, about its root.
        widths: of the random flow's two parts, mm.
        amplitudes: standard deviation of these, mm along each axis.
        registration: of the search for the flow between two brains.
    """

    weeks: float = 1.5
    way: Range = (-0.5, 1.5)
    dilated: float = 0.4
    dilation: Range = (0.6, 8.0)
    widths: Range = (18.0, 7.0)
    amplitudes: Range = (1.2, 0.5)
    registration: RegistrationSettings = field(default_factory=RegistrationSettings)

    def __post_init__(self) -> None:
        if not 0 < self.dilation[0] <= self.dilation[1] or not self.way[0] <= self.way[1]:
            raise ValueError("dilation must be two positive numbers and way two numbers, the least and the most")


@dataclass(frozen=True)
class SourceBrain:
    """A brain that variants come from.

    Attributes:
        name: ``sub-crl21``.
        age: weeks.
        pathology: what participants.tsv calls it.
    """

    name: str
    age: float
    pathology: str


@dataclass(frozen=True)
class VariantPlan:
    """What becomes of which brain.

    Attributes:
        base: whose volume is warped.
        partner: towards whose anatomy; None where there is none of near age.
        way: how far.
        dilation: of the ventricles.
    """

    base: SourceBrain
    partner: SourceBrain | None
    way: float
    dilation: float


def draw_plan(rng: np.random.Generator, sources: Sequence[SourceBrain], settings: VariantSettings) -> VariantPlan:
    """Draw a brain, another of the other kind, and how far to go."""
    base = sources[int(rng.integers(len(sources)))]
    near = [s for s in sources if s.pathology != base.pathology and abs(s.age - base.age) <= settings.weeks]
    partner = near[int(rng.integers(len(near)))] if near else None
    way = float(rng.uniform(*settings.way)) if partner else 0.0
    low, high = np.log(settings.dilation)
    dilation = float(np.exp(rng.uniform(low, high))) if rng.random() < settings.dilated else 1.0
    return VariantPlan(base, partner, way, dilation)


def warp_variant(
    image: Volume,
    labels: Volume,
    towards: Deformation | None,
    plan: VariantPlan,
    rng: np.random.Generator,
    settings: VariantSettings,
) -> tuple[Volume, Volume, float]:
    """The variant on its brain's own grid.

    Args:
        image: T2w of the base.
        labels: its label map on the same grid.
        towards: flow that maps places of the base's frame to where the partner's anatomy lies.
        plan: how far.
        rng: of the random flow.
        settings: of the random flow.

    Returns:
        image (float32), labels (uint8), and the share of each way that could be gone without a fold.
    """
    ras = centred(labels)
    lattice = _lattice(ras, labels.array.shape, _FIELD_MM)
    steps: list[tuple[Deformation, float]] = []
    if plan.dilation != 1.0:
        steps.append((Deformation(lattice, _swelling(labels, ras, lattice, plan.dilation)), -1.0))
    if towards is not None:
        steps.append((towards, plan.way))
    random = random_velocity(rng, lattice, settings.widths, settings.amplitudes)
    steps.append((Deformation(lattice, random), 1.0))
    table, share = _table(_lattice(ras, labels.array.shape, _TABLE_MM), steps[::-1])
    array, found = _warped(image, labels, ras, table)
    return Volume(array, image.grid), Volume(found, labels.grid), share


def _lattice(ras: npt.NDArray, shape: tuple[int, ...], spacing: float) -> Lattice:
    """Samples that cover a volume (Z, Y, X)."""
    ends = np.array([[0, 0, 0], np.array(shape[::-1]) - 1]) @ ras[:3, :3].T + ras[:3, 3]
    low, high = ends.min(axis=0), ends.max(axis=0)
    x, y, z = (int(n) for n in np.ceil((high - low) / spacing) + 1)
    return Lattice(low, spacing, (z, y, x))


def _swelling(labels: Volume, ras: npt.NDArray, lattice: Lattice, dilation: float) -> Field:
    """Velocity that widens ventricles, at the cost of white matter and the fluid outside."""
    index = (lattice.positions() - ras[:3, 3]) @ np.linalg.inv(ras[:3, :3]).T

    def share(tissues: Sequence[Tissue]) -> Field:
        smooth = ndimage.gaussian_filter(
            np.isin(labels.array, tissues).astype(np.float32), _SOURCE_MM / min(labels.grid.spacing)
        )
        return ndimage.map_coordinates(smooth, np.moveaxis(index[..., ::-1], -1, 0), order=1)

    ventricles, yielding = share((Tissue.VM,)), share((Tissue.WM, Tissue.ECSF))
    source = np.log(dilation) * ventricles
    return swelling_velocity(lattice, source - yielding * (source.sum() / max(yielding.sum(), 1e-6)))


def _table(lattice: Lattice, steps: Sequence[tuple[Deformation, float]]) -> tuple[tuple[Lattice, Field], float]:
    """Where each place of a lattice comes from after following flows in turn, none of its cells folded."""
    places, share = lattice.positions(), 1.0
    while True:
        points: Points = places.reshape(-1, 3)
        for deformation, time in steps:
            points = deformation.warp(points, share * time)
        table = points.reshape(places.shape)
        if determinants(table, lattice.spacing).min() > LEAST_VOLUME:
            return (lattice, table), share
        share *= _WEAKER


def _warped(
    image: Volume, labels: Volume, ras: npt.NDArray, table: tuple[Lattice, Field]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Image and labels at the places that a table gives for each voxel."""
    lattice, places = table
    signal = image.array.astype(np.float32)
    scores = (labels.array[..., None] == np.arange(LABEL_COUNT)).astype(np.float32)
    values, found = np.zeros_like(signal), np.zeros(signal.shape, np.uint8)
    back = np.linalg.inv(ras)
    y, x = np.meshgrid(np.arange(signal.shape[1]), np.arange(signal.shape[2]), indexing="ij")
    for z in range(len(signal)):
        voxels = np.stack([x, y, np.full_like(x, z)], axis=-1).reshape(-1, 3)
        index = lattice.index(voxels @ ras[:3, :3].T + ras[:3, 3])
        origins = interpolate(places, index) @ back[:3, :3].T + back[:3, 3]
        label, value = label_points(scores, labels.array, signal, origins)
        found[z], values[z] = label.reshape(x.shape), value.reshape(x.shape)
    return values, found

"""From an individual brain to a T2w volume as a hospital would make it: one case of a cohort from its plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feta.grid import Grid, transformed
from feta.volumes import Volume
from inference.geometry.frames import LPS_TO_RAS, coordinates
from training.anatomy.head_model import HeadModel
from training.anatomy.individual import draw_individual
from training.anatomy.model import Anatomy
from training.anatomy.template import tissue_of
from training.findings.draw import draw_ill_head
from training.findings.ill_head import IllHead
from training.findings.lesions import paint_lesions
from training.findings.settings import read_findings
from training.imaging.filters import SD_PER_FWHM
from training.imaging.lattice import Lattice
from training.scanner.acquisition import Object, acquire
from training.scanner.appearance import brain_image
from training.scanner.case_plan import CasePlan, SimulatedCase
from training.scanner.cohort_settings import COHORT, CohortSettings, read_cohort_settings
from training.scanner.degradation import degradation_at
from training.scanner.exact_topology import grow_tissues
from training.scanner.sites import Site, draw_grid, draw_rotation
from training.scanner.stored_volume import grid_box, store
from training.scanner.surroundings import head_distances, paint_surroundings

Points = npt.NDArray[np.float64]
#: The scanned object is finer than the pixels of a slice by this factor, but not than this many mm.
_OVERSAMPLED, _FINEST_MM = 0.65, 0.6
#: mm around the head that are painted and scanned: for a masked and for an unmasked site.
_NEAR, _FAR = 14.0, 34.0
#: mm around the brain that the slices' masks of a masked site leave.
_REACH = 6.0
#: Point spread function of single-shot slices in their plane against their pixel (full width at half maximum).
_IN_PLANE_SPREAD = 1.1


#: Draws the brain of a case.
DrawHead = Callable[[np.random.Generator, CasePlan], HeadModel]


@dataclass(frozen=True)
class IndividualMaker:
    """Draws cases whose brains come from the learned anatomy. It can be sent to another process.

    Attributes:
        anatomy: weights.
        config: settings of the cohort.
        findings: settings of the findings of pathological cases; None for those of ``config``.
    """

    anatomy: Path
    config: Path = COHORT
    findings: Path | None = None

    def __call__(self, plan: CasePlan) -> SimulatedCase:
        """Draw a case."""
        settings = read_cohort_settings(self.config)
        anatomy = loaded_anatomy(self.anatomy)
        findings = read_findings(self.findings) if self.findings and plan.pathological else None

        def draw(rng: np.random.Generator, plan: CasePlan) -> HeadModel:
            if findings is not None:
                return draw_ill_head(rng, plan.age, anatomy, settings.individuals, findings)
            return draw_individual(rng, plan.age, plan.pathological, anatomy, settings.individuals)

        return replace(scan_case(plan, draw, settings), source_subjects=anatomy.known)


@lru_cache(maxsize=1)
def loaded_anatomy(path: Path) -> Anatomy:
    """A learned anatomy, read once a process."""
    return Anatomy.load(path)


def scan_case(plan: CasePlan, draw_head: DrawHead, settings: CohortSettings) -> SimulatedCase:
    """Draw a case: a brain, its surroundings, stacks of slices, their fusion, the stored volume, the truth.

    Args:
        plan: what is drawn.
        draw_head: draws the brain.
        settings: of the cohort.
    """
    head_rng, grid_rng, paint_rng, scan_rng, store_rng = (np.random.default_rng([*plan.seed, i]) for i in range(5))
    head, site = draw_head(head_rng, plan), plan.site
    grid = draw_grid(site, grid_rng)
    pose = draw_pose(head.box, grid, site.turn, grid_rng)
    labels = true_labels(head, grid, pose)
    margin = _NEAR if site.masked else _FAR
    box = head.box + np.array([[-margin], [margin]])
    scanned = paint(head, box, site, settings, paint_rng)
    bad = degradation_at(plan.quality, site.noise, settings.degradation)
    reach = _REACH if site.masked else np.inf
    stacks = acquire(scanned, box, site.in_plane, site.thickness, site.bias, reach, bad, scan_rng)
    image = store(stacks, scanned, box, grid, pose, site, settings.storing, store_rng)
    landmarks = {m: transformed(pose, ends) for m, ends in head.landmarks.items()}
    findings = head.told() if isinstance(head, IllHead) else {}
    return SimulatedCase(Volume(image, grid), Volume(labels, grid), head.lengths, landmarks, findings=findings)


def true_labels(head: HeadModel, grid: Grid, pose: Points) -> npt.NDArray[np.uint8]:
    """Label map (z, y, x) with exactly the expected Betti numbers.

    Args:
        head: what is drawn.
        grid: where.
        pose: 4×4, from head-frame mm to the image's physical space (LPS), mm.
    """
    labels = np.zeros(grid.shape, np.uint8)
    box, drawn, left = drawn_labels(head, grid, pose)
    labels[box] = grow_tissues(drawn, left)
    return labels


def drawn_labels(
    head: HeadModel, grid: Grid, pose: Points
) -> tuple[tuple[slice, ...], npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Labels before their topology is made exact.

    Returns:
        The part (z, y, x) of the grid that holds the head; there labels 0–7, and whether voxels lie on the left.
    """
    box = grid_box(head.box, np.linalg.inv(grid.affine()) @ pose, grid)
    to_head = np.linalg.inv(pose) @ grid.affine()
    labels = np.empty([part.stop - part.start for part in box], np.uint8)
    left = np.empty(labels.shape, bool)
    size = (box[2].stop, box[1].stop, box[0].stop)
    for z in range(len(labels)):
        points = coordinates(to_head, size, slice(box[0].start + z, box[0].start + z + 1))[:, box[1], box[2]]
        labels[z] = tissue_of(head.at(points.contiguous())[0])[0]
        left[z] = (points[0, ..., 0] < 0).numpy()
    return box, labels, left


def paint(head: HeadModel, box: Points, site: Site, settings: CohortSettings, rng: np.random.Generator) -> Object:
    """The head as it would be seen without slices, motion and noise.

    Args:
        head: the brain.
        box: (2, 3) of what is painted, head-frame mm.
        site: for contrast and pixels.
        settings: of appearance and surroundings.
        rng: for what is random.
    """
    spacing = max(_OVERSAMPLED * site.in_plane, _FINEST_MM)
    x, y, z = (int(n) for n in np.ceil((box[1] - box[0]) / spacing) + 1)
    lattice = Lattice(box[0], spacing, (z, y, x))
    labels, signal = head.at(coordinates(np.linalg.inv(lattice.from_frame()), (x, y, z), slice(0, z)))
    labels = largest_piece(labels)
    image = brain_image(labels, signal, spacing, site.contrast, settings.appearance, rng)
    if isinstance(head, IllHead):
        paint_lesions(image, labels, lattice.positions(), head.lesions, site.contrast.vm)
    from_brain, from_vault, coarse = head_distances(labels > 0, lattice, settings.surroundings)
    paint_surroundings(image, labels, from_brain, from_vault, lattice, head.box, settings.surroundings, rng)
    blur = _IN_PLANE_SPREAD * site.in_plane * SD_PER_FWHM / spacing
    image = ndimage.gaussian_filter(image, blur, truncate=3.0)
    return Object(image, from_brain, lattice.from_frame(), coarse.from_frame())


def largest_piece(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Labels (z, y, x) without all but their largest piece: a learned template may have a second in a corner."""
    pieces, count = ndimage.label(labels > 0)
    if count < 2:
        return labels
    sizes = np.bincount(pieces.ravel())
    return np.where(pieces == 1 + int(sizes[1:].argmax()), labels, np.uint8(0))


def draw_pose(box: Points, grid: Grid, turn: float, rng: np.random.Generator) -> Points:
    """4×4 pose of the head in LPS: turned a little, near the middle of the grid."""
    pose = np.eye(4)
    pose[:3, :3] = draw_rotation(turn, rng) @ LPS_TO_RAS[:3, :3]
    pose[:3, 3] = grid.corners().mean(axis=0) + rng.uniform(-2, 2, 3) - pose[:3, :3] @ box.mean(axis=0)
    return pose

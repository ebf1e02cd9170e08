"""Heads of individuals with everything around them: painted once, then augmented (deformed, scanned) for each sample.

The synthesis of `training/synthesis/sample.py` paints surroundings by distance from the brain alone. Those painted here
have a face with eyes, a neck, a spinal canal, a womb (`training/scanner/surroundings.py`): networks that look for the
brain in an unmasked volume have to have learned from such things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from feta.bids import subject_in
from feta.grid import Grid
from feta.volumes import Volume, read_label_map, read_volume
from inference.geometry.frames import box_to_frame, coordinates, sample
from training.anatomy.individual import draw_individual
from training.anatomy.model import Anatomy
from training.anatomy.template import tissue_of
from training.data.provenance import read_source_subjects
from training.data.subject import Subject, centred, distance_matrix, pairs, read_subject
from training.imaging.affine import apply_affine
from training.imaging.lattice import Lattice
from training.imaging.random_source import RandomSource
from training.scanner.appearance import brain_image
from training.scanner.case import largest_piece
from training.scanner.cohort_settings import CohortSettings
from training.scanner.surroundings import SurroundingsSettings, head_distances, paint_surroundings
from training.synthesis.intensity import brain
from training.synthesis.random_convolution import gin
from training.synthesis.real_surroundings import RealStack, with_real_surroundings
from training.synthesis.sample import Sample, to_labels
from training.synthesis.scan import simulate_scan
from training.synthesis.settings import SynthesisSettings
from training.synthesis.spatial import deformed_frame

#: mm around the head that are painted.
AROUND_MM = 45.0
#: Stored intensities: the ventricles' fluid has about this many.
GAIN = 800.0
#: A RAS grid, as the atlases': x to the right and y to the front are negative in LPS.
_RAS = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
#: Shares of the samples whose brain gets another contrast, and whose intensities pass through a random network.
REPAINTED, NONLINEAR = 0.35, 0.3
#: Share of the samples with real surroundings, where there are stacks of them.
REAL = 0.6
#: Standard deviations of the brain from its mean down to no signal, about.
SHIFT = 2.5
#: Least and greatest half side (mm) of the box beyond which an unmasked volume ends, and how often it does.
VIEW_MM, VIEW_ENDS = (42.0, 85.0), 0.6


@dataclass(frozen=True)
class PaintedHead:
    """A brain and what lies around it.

    Attributes:
        subject: the brain.
        image: (1, Z, Y, X) float16, brain mean 0 and standard deviation 1.
        to_index: 4×4 matrix from the subject's canonical mm to voxel index (x, y, z) of ``image``.
    """

    subject: Subject
    image: Tensor
    to_index: np.ndarray


def paint_head(
    rng: np.random.Generator, age: float, pathological: bool, anatomy: Anatomy, settings: CohortSettings, spacing: float
) -> tuple[Volume, Volume]:
    """Draw an individual and everything around it, upright: T2w volume and label map on one RAS grid.

    Args:
        rng: of everything random.
        age: weeks.
        pathological: whether anything is wrong.
        anatomy: gives the brain.
        settings: of individuals, appearance, surroundings and sites, one of which gives the contrast.
        spacing: mm.
    """
    head = draw_individual(rng, age, pathological, anatomy, settings.individuals)
    site = settings.sites[rng.integers(len(settings.sites))]
    low, high = head.box[0] - AROUND_MM, head.box[1] + AROUND_MM
    x, y, z = (int(n) for n in np.ceil((high - low) / spacing) + 1)
    lattice = Lattice(low, spacing, (z, y, x))
    labels, signal = head.at(coordinates(np.linalg.inv(lattice.from_frame()), (x, y, z), slice(0, z)))
    labels = largest_piece(labels)
    image = brain_image(labels, signal, spacing, site.contrast, settings.appearance, rng)
    around = varied(settings.surroundings, rng)
    from_brain, from_vault, _ = head_distances(labels > 0, lattice, around)
    paint_surroundings(image, labels, from_brain, from_vault, lattice, head.box, around, rng)
    grid = Grid((x, y, z), (spacing,) * 3, (-float(low[0]), -float(low[1]), float(low[2])), _RAS)
    stored = np.round(np.clip(GAIN * image, 1, 30_000)).astype(np.float32)
    return Volume(stored, grid), Volume(tissue_of(labels).astype(np.uint8), grid)


def varied(settings: SurroundingsSettings, rng: np.random.Generator) -> SurroundingsSettings:
    """Other surroundings: intensities, thicknesses and how much fluid there is differ from head to head."""
    return replace(
        settings,
        bone=settings.bone * rng.uniform(0.5, 1.8),
        scalp=settings.scalp * rng.uniform(0.6, 1.6),
        flesh=settings.flesh * rng.uniform(0.6, 1.6),
        fluid=settings.fluid * rng.uniform(0.7, 1.3),
        mother=settings.mother * rng.uniform(0.5, 1.8),
        bone_mm=settings.bone_mm * rng.uniform(0.7, 2.0),
        scalp_mm=settings.scalp_mm * rng.uniform(0.5, 1.6),
        closing_mm=settings.closing_mm * rng.uniform(0.5, 1.1),
        fluid_share=float(rng.uniform(0.05, 0.85)),
        texture=settings.texture * rng.uniform(0.5, 1.8),
    )


def read_heads(root: Path) -> list[PaintedHead]:
    """Read the folder that ``feta-train data heads`` wrote."""
    (source_subjects,) = read_source_subjects([root])
    found = ((subject_in(name), files) for name, files in pairs(root).items())
    return [_read(subject, *files, source_subjects.get(subject, frozenset())) for subject, files in found]


def _read(name: str, image_path: Path, label_path: Path, source_subjects: frozenset[str]) -> PaintedHead:
    image, labels = read_volume(image_path), read_label_map(label_path)
    inside = image.array[labels.array > 0]
    standard = (image.array - inside.mean()) / max(float(inside.std()), 1e-6)
    subject = replace(read_subject(name, image_path, label_path), source_subjects=source_subjects)
    return PaintedHead(subject, torch.from_numpy(standard.astype(np.float16))[None], np.linalg.inv(centred(labels)))


def generate_head_sample(
    head: PaintedHead, settings: SynthesisSettings, seed: int, stacks: Sequence[RealStack] = ()
) -> Sample:
    """Make one volume, as `training.synthesis.sample.generate_sample` does; a pure function of its arguments.

    Args:
        head: a brain with painted surroundings.
        settings: of the sample.
        seed: of everything random.
        stacks: whose real surroundings some samples have, where there are any.
    """
    draw = RandomSource(seed)
    atlas, rotation = deformed_frame(draw, settings)
    tissues = sample(head.subject.tissues.float(), apply_affine(head.subject.to_index, atlas))
    labels, fractions = to_labels(tissues[:-1])
    border = "border" if draw.bernoulli(0.5) else "zeros"
    image = sample(head.image.float() + SHIFT, apply_affine(head.to_index, atlas), padding=border)[0] - SHIFT
    if draw.bernoulli(REPAINTED):
        image = image * fractions[0] + brain(draw, settings.intensity, head.subject, fractions, labels, tissues[-1])
    if draw.bernoulli(NONLINEAR):
        image = gin(draw, image, labels > 0)
    distance = sample(head.subject.distance, apply_affine(distance_matrix(), atlas), padding="border")[0]
    if stacks and draw.bernoulli(REAL):
        image = with_real_surroundings(draw, stacks, image, distance, atlas)
    image = simulate_scan(draw, settings, image, distance, labels)
    return Sample(image[None], labels, atlas, rotation)


def crop_field_of_view(draw: RandomSource, image: Tensor, spacing: float) -> Tensor:
    """An image (1, Z, Y, X) that ends, as stored volumes do: beyond a rotated box around the middle it is 0.

    Args:
        draw: of whether it ends, where, and of the box's rotation.
        image: positive.
        spacing: mm.
    """
    if not draw.bernoulli(VIEW_ENDS):
        return image
    rotation = draw.rotation(None).double().numpy()
    half = torch.tensor([draw.uniform(*VIEW_MM) for _ in range(3)])
    middle = [draw.uniform(-12, 12) for _ in range(3)]
    frame = np.eye(4)
    frame[:3, :3] = rotation
    size = (image.shape[3], image.shape[2], image.shape[1])
    place = coordinates(frame @ box_to_frame(size, spacing, middle), size, slice(None))
    return image * (place.abs() < half).all(-1)

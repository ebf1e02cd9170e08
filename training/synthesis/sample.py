"""T2w volumes made from label maps: deformed anatomy, drawn contrast, a head around it, an imperfect scan.

After SynthSeg (Billot et al., MedIA 2023) and FetalSynthSeg (Zalevskyi et al., 2024): intensities are
drawn for each tissue, within and beyond what T2w imaging gives, so that a network learns shapes. The
atlas's own fine structure within a tissue is added with a random weight, positive or negative.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from feta.labels import LABEL_COUNT, Tissue
from inference.geometry.frames import box_to_frame, coordinates, rotation_degrees, sample
from training.data.subject import Subject, distance_matrix
from training.imaging.elastic import lattice, on_grid
from training.imaging.random_source import Draw
from training.synthesis.artefacts import ArtefactSettings, blur, degraded
from training.synthesis.random_convolution import gin
from training.synthesis.sublabels import regional_offsets

#: Mean T2w intensity (brain mean 0, sd 1) of background, eCSF, GM, WM, VM, CBM, SGM, BSM in fetal T2w.
T2_PRIOR = torch.tensor([0.0, 1.4, -1.0, 0.1, 1.5, -0.9, -0.6, -0.6])
T2_PRIOR_SD = torch.tensor([0.0, 0.5, 0.4, 0.4, 0.5, 0.4, 0.4, 0.4])
#: Half the side (mm) of the cube about the brain's centre that the fine displacement covers, and its knots' spacing.
WRINKLED_MM, WRINKLE_SPACING = 80.0, (8.0, 16.0)
#: Width (mm) of the blur that rounds a mask cut into the brain.
MASK_BLUR_MM = 2.0


@dataclass(frozen=True)
class SynthesisSettings:
    """What is drawn, and from which range. Lengths in mm, angles in degrees.

    Attributes:
        size: voxels of a sample along each axis.
        spacing: mm.
        any_turn: share of the samples that are turned by any angle; the others by up to ``turn``.
        turn: largest angle of the others.
        shift: largest offset of the brain's centre along each axis.
        zoom: range of the common scale; each axis differs by up to ``stretch`` besides.
        stretch: relative.
        bend: largest standard deviation of the elastic displacement; less where it would fold.
        wrinkle: likewise of the fine displacement with features of 8–16 mm, which varies cortex and folding.
        masked: share of brain-masked samples; the others have a head and a mother around.
        tight: share of the masks that cut into the brain; what they cut away keeps its label.
        tight_mm: how deep they cut at most.
        exact: share of the masks that end where the labels do, or one voxel beyond, as those of atlases.
        soft: share of the masks whose edge is blurred, by up to ``soft_mm``, so that outer CSF is dim.
        soft_mm: standard deviation of that blur.
        crowded: share of the samples whose external CSF ends within ``crowded_mm`` of the brain proper, as in open
            spina bifida, where it is all but absent.
        crowded_mm: range of what is left of it.
        blur: largest standard deviation of the point spread.
        coarse: largest spacing of the simulated acquisition.
        noise: largest standard deviation of the noise, in units of the brain's.
        bias: largest log gain of the bias field.
        real: share of the samples whose brain is the subject's own image, before the scan.
        contrasts: of the others, shares of the atlas's own contrast and of the T2w prior; the rest is any at all.
        regions: share of the samples whose tissues consist of regions with intensities of their own.
        region: largest standard deviation of a region's offset.
        gin: share of the samples that pass through a random network.
        inverted: share of the samples in which bright is dark.
        artefacts: of scanner and reconstruction.
    """

    size: int = 80
    spacing: float = 1.0
    any_turn: float = 0.0
    turn: float = 25.0
    shift: float = 18.0
    zoom: tuple[float, float] = (0.82, 1.15)
    stretch: float = 0.08
    bend: float = 2.5
    wrinkle: float = 0.8
    masked: float = 0.5
    tight: float = 0.3
    tight_mm: float = 2.5
    exact: float = 0.3
    soft: float = 0.0
    soft_mm: float = 2.5
    crowded: float = 0.0
    crowded_mm: tuple[float, float] = (0.0, 4.0)
    blur: float = 0.9
    coarse: float = 1.5
    noise: float = 0.35
    bias: float = 0.5
    real: float = 0.0
    contrasts: tuple[float, float] = (0.35, 0.5)
    regions: float = 0.6
    region: float = 0.5
    gin: float = 0.25
    inverted: float = 0.04
    artefacts: ArtefactSettings = field(default_factory=ArtefactSettings)

    def __post_init__(self) -> None:
        if self.size < 2 or not self.spacing > 0:
            raise ValueError("size must be 2 or more, and spacing more than 0")


@dataclass(frozen=True)
class Sample:
    """One synthetic volume.

    Attributes:
        image: (1, Z, Y, X) float32, not normalised.
        labels: (Z, Y, X) int64, 0–7.
        atlas: (Z, Y, X, 3) float32, where each voxel lies in the subject's canonical frame, mm (x, y, z).
        turn: angle in degrees by which the brain is turned from upright.
    """

    image: Tensor
    labels: Tensor
    atlas: Tensor
    turn: float


def synthesise(subject: Subject, settings: SynthesisSettings, seed: int) -> Sample:
    """Make one volume on the subject's device; a pure function of its arguments, the same on all but for rounding."""
    device = subject.tissues.device
    with device:  # whatever is made lands there
        return _synthesised(Draw(seed, device), subject, settings)


def _synthesised(draw: Draw, subject: Subject, settings: SynthesisSettings) -> Sample:
    atlas, turn = deformed_frame(draw, settings)
    tissues = sample(subject.tissues.float(), at(subject.to_index, atlas))
    labels, fractions = to_labels(tissues[: LABEL_COUNT - 1])
    distance = sample(subject.distance, at(distance_matrix(), atlas), padding="border")[0]
    if draw.chance(settings.crowded):
        labels, fractions, distance = _crowded(draw, settings, labels, fractions, distance)
    image = brain(draw, settings, subject, fractions, labels, tissues[LABEL_COUNT - 1])
    image = scanned(draw, settings, _surroundings(draw, settings, image, distance), distance, labels)
    return Sample(image[None], labels, atlas, turn)


def scanned(draw: Draw, settings: SynthesisSettings, image: Tensor, distance: Tensor, labels: Tensor) -> Tensor:
    """What becomes of a head (Z, Y, X) that is scanned, masked (or not) and reconstructed; the result is not negative.

    Args:
        draw: of everything random.
        settings: ranges.
        image: the brain with mean 0 and standard deviation 1, and its surroundings.
        distance: mm outside the brain.
        labels: int64, 0–7.
    """
    image = _scan(draw, settings, image)
    mask = _mask(draw, settings, distance, labels) if draw.chance(settings.masked) else None
    early = draw.chance(0.5)  # masks are drawn before the reconstruction or after it
    if mask is not None and early:
        image = image * mask
    image = degraded(draw, settings.artefacts, image, settings.spacing)
    if mask is not None and not early:
        image = image * mask
    if draw.chance(0.3):
        image = _noise_floor(draw, settings, image)
    return image


def at(matrix: np.ndarray, points: Tensor) -> Tensor:
    """Points (..., 3) float32 after an affine transform (4×4)."""
    m = torch.as_tensor(matrix[:3], dtype=torch.float32)
    return points @ m[:, :3].T + m[:, 3]


def deformed_frame(draw: Draw, s: SynthesisSettings) -> tuple[Tensor, float]:
    """Position in the subject's canonical frame of every voxel, (Z, Y, X, 3) mm, and the angle turned by."""
    size = (s.size,) * 3
    turn = draw.rotation(None if draw.chance(s.any_turn) else s.turn)
    zoom = draw.uniform(*s.zoom) * (1 + s.stretch * (2 * draw.uniforms(3).cpu() - 1))
    shift = [draw.uniform(-s.shift, s.shift) for _ in range(3)]
    linear = np.eye(4)
    linear[:3, :3] = (turn / zoom[:, None]).numpy()
    position = coordinates(linear @ box_to_frame(size, s.spacing, shift), size, slice(None))
    knots = 3 + draw.integer(5)
    # Displacements are added in the brain's frame, in which the box's voxels lie spacing/zoom mm apart.
    apart = s.spacing * (s.size - 1) / (knots - 1) / float(zoom.max())
    position += on_grid(lattice(draw, knots, apart, draw.uniform(0, s.bend)), size)
    return _wrinkled(draw, s, position), rotation_degrees(turn.numpy())


def _wrinkled(draw: Draw, s: SynthesisSettings, position: Tensor) -> Tensor:
    """Positions (Z, Y, X, 3), mm, displaced a little more, with features of 8–16 mm in the brain's own frame."""
    apart = draw.uniform(*WRINKLE_SPACING)
    knots = int(2 * WRINKLED_MM / apart) + 2
    reach = apart * (knots - 1) / 2
    fine = lattice(draw, knots, apart, draw.uniform(0, s.wrinkle))
    return position + sample(fine, (position + reach) / apart, padding="border").permute(1, 2, 3, 0)


def to_labels(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Interpolated indicator maps (7, Z, Y, X) → labels (Z, Y, X) int64 and fractions (8, Z, Y, X) summing to 1."""
    rest = (1 - maps.sum(0, keepdim=True)).clamp_min(0)
    fractions = torch.cat((rest, maps))
    # Tensor.argmax over the first axis takes five times as long as this running maximum.
    labels, best = torch.zeros(maps.shape[1:], dtype=torch.uint8), rest[0].clone()
    for label, values in enumerate(maps, start=1):
        labels.masked_fill_(values > best, label)
        torch.maximum(best, values, out=best)
    return labels.long(), fractions


def _crowded(
    draw: Draw, s: SynthesisSettings, labels: Tensor, fractions: Tensor, distance: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Labels, fractions and distance of a head whose skull lies close to the brain: external CSF ends early.

    The brain proper is blurred; how far a voxel lies from its surface is read from the blurred value.
    """
    width = draw.uniform(2.0, 3.0)
    proper = blur((labels > Tissue.ECSF).float(), [width / s.spacing] * 3).clamp(1e-6, 1 - 1e-6)
    shape = (labels.shape[0], labels.shape[1], labels.shape[2])
    room = draw.uniform(*s.crowded_mm) + draw.uniform(0, 1) * draw.smooth(shape, knots=4)[0]
    beyond = -width * torch.special.ndtri(proper) - room
    lost = (beyond > 0) & (labels == Tissue.ECSF)
    fractions = fractions.masked_fill(lost, 0)
    fractions[0].masked_fill_(lost, 1)
    return labels.masked_fill(lost, 0), fractions, torch.where(labels > Tissue.ECSF, distance, distance.maximum(beyond))


def brain(
    draw: Draw, s: SynthesisSettings, subject: Subject, fractions: Tensor, labels: Tensor, residual: Tensor
) -> Tensor:
    """Intensities (Z, Y, X) of the brain; background 0. Partial volume comes with the fractions."""
    if s.real and draw.chance(s.real):
        return torch.einsum("c,czyx->zyx", subject.means, fractions) + residual
    means = _contrast(draw, s, subject)
    image = torch.einsum("c,czyx->zyx", means, fractions)
    detail = draw.uniform(0.0, 1.3) if draw.chance(0.7) else draw.uniform(-1.0, 1.0)
    texture = draw.smooth((image.shape[0], image.shape[1], image.shape[2]), knots=8 + draw.integer(16))[0]
    within = detail * residual + draw.uniform(0, 0.25) * texture
    if draw.chance(s.regions):
        within += regional_offsets(draw, labels, residual, draw.uniform(0, s.region))
    image = image + (1 - fractions[0]) * within
    if draw.chance(s.gin):
        image = gin(draw, image, labels > 0)
    return -image if draw.chance(s.inverted) else image


def _contrast(draw: Draw, s: SynthesisSettings, subject: Subject) -> Tensor:
    """Mean intensity (8,) of each label: the atlas's own, the T2w prior, or (seldom) anything at all."""
    kind = draw.uniform(0, 1)
    if kind < s.contrasts[0]:
        return subject.means * draw.uniform(0.7, 1.2) + 0.15 * draw.normals(LABEL_COUNT)
    if kind < sum(s.contrasts):
        mean, sd = (prior.to(draw.device) for prior in (T2_PRIOR, T2_PRIOR_SD))
        return mean + sd * draw.normals(LABEL_COUNT)
    return 1.2 * draw.normals(LABEL_COUNT)


def _surroundings(draw: Draw, s: SynthesisSettings, image: Tensor, distance: Tensor) -> Tensor:
    """Put skull, scalp, amniotic fluid and mother around the brain; image and distance (Z, Y, X)."""
    shape = (image.shape[0], image.shape[1], image.shape[2])
    uneven = draw.smooth(shape, knots=5)[0]
    skull = draw.uniform(1.0, 4.0) + 0.5 * uneven
    scalp = skull + draw.uniform(1.0, 5.0) + 0.5 * uneven.flip(0)
    beyond = scalp + draw.uniform(0.0, 25.0) + 4.0 * draw.smooth(shape, knots=4)[0]
    fluid = draw.uniform(0.5, 2.5)
    mother = draw.uniform(-1.5, 1.0) + draw.uniform(0.2, 1.0) * draw.smooth(shape, knots=4 + draw.integer(12))[0]
    if draw.chance(0.5):  # organs with borders, rather than clouds
        mother = (mother * 1.5).round() / 1.5 + 0.15 * draw.smooth(shape, knots=16)[0]
    around = torch.where(distance < beyond, torch.full_like(image, fluid), mother)
    around = torch.where(distance < scalp, torch.full_like(image, draw.uniform(-1.2, 1.2)), around)
    around = torch.where(distance < skull, torch.full_like(image, draw.uniform(-2.0, -0.5)), around)
    return torch.where(distance > 0.5 * s.spacing, around, image)


def _mask(draw: Draw, s: SynthesisSettings, distance: Tensor, labels: Tensor) -> Tensor:
    """A brain mask (Z, Y, X) as tools leave it: too wide, ragged, or cutting into the brain; with islands."""
    shape = (labels.shape[0], labels.shape[1], labels.shape[2])
    wide = draw.uniform(-0.5, 4.0) if draw.chance(0.8) else draw.uniform(3.0, 12.0)
    ragged = draw.uniform(0.0, 1.5) * draw.smooth(shape, knots=8)[0]
    kind = draw.uniform(0, 1)
    if kind < s.tight:
        mask = _cut(labels, draw.uniform(0, s.tight_mm) + (0.5 * ragged).clamp(-1, 1), s.spacing)
    elif kind < s.tight + s.exact:
        mask = _grown((labels > 0).float(), draw.integer(2))
    else:
        mask = ((labels > 0) | (distance < wide + ragged)).float()
    if draw.chance(0.4):  # stray islands, rounded or blocky, some of them touching the brain
        knots = 5 + draw.integer(8)
        field = draw.smooth(shape, knots)[0] if draw.chance(0.5) else draw.blocks(shape, knots)
        islands = field > draw.uniform(1.4, 2.6)
        mask = torch.maximum(mask, (islands & (distance > draw.uniform(0.5, 8))).float())
    return blur(mask, [draw.uniform(0.5, s.soft_mm) / s.spacing] * 3) if draw.chance(s.soft) else mask


def _grown(mask: Tensor, voxels: int) -> Tensor:
    """A mask (Z, Y, X) wider by some voxels all around."""
    return F.max_pool3d(mask[None, None], 2 * voxels + 1, stride=1, padding=voxels)[0, 0]


def _cut(labels: Tensor, depth: Tensor, spacing: float) -> Tensor:
    """The brain (Z, Y, X) without its outer ``depth`` mm (Z, Y, X), its surface rounded."""
    soft = blur((labels > 0).float(), [MASK_BLUR_MM / spacing] * 3)
    return (soft > torch.special.ndtr(depth / MASK_BLUR_MM)).float()


def _scan(draw: Draw, s: SynthesisSettings, image: Tensor) -> Tensor:
    """What the scanner and the reconstruction do to the image (Z, Y, X); the result is not negative."""
    shape = (image.shape[0], image.shape[1], image.shape[2])
    image = blur(image, [draw.uniform(0, s.blur) / s.spacing for _ in range(3)])
    coarse = draw.uniform(s.spacing, max(s.coarse, s.spacing))
    small = [max(8, round(n * s.spacing / coarse)) for n in shape]
    low = F.interpolate(image[None, None], size=small, mode="trilinear", align_corners=True)
    low = low + draw.uniform(0, s.noise) * draw.normals(*low.shape)
    image = F.interpolate(low, size=shape, mode="trilinear", align_corners=True)[0, 0]
    gain = torch.exp(draw.uniform(0, s.bias) * draw.smooth(shape, knots=2 + draw.integer(3))[0].clamp(-2, 2))
    image = (image + draw.uniform(2.5, 4.0)).clamp_min(0) * gain  # magnitude images are positive
    return (image / 3) ** draw.uniform(0.7, 1.4)


def _noise_floor(draw: Draw, s: SynthesisSettings, image: Tensor) -> Tensor:
    """The floor that Rician noise gives a magnitude image (Z, Y, X), smoother the larger the voxels are."""
    level = draw.uniform(0, 0.2) * float(image[image > 0].mean())
    floor = level * (1.25 + 0.65 / s.spacing**1.5 * draw.normals(*image.shape))
    return torch.sqrt(image**2 + floor.clamp_min(0) ** 2)

"""T2w intensity of a brain before it is scanned: its tissues at a site's contrast, and their own variation."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

from training.anatomy.template import CHANNELS
from training.imaging.random_fields import Image, smooth_noise


@dataclass(frozen=True)
class Contrast:
    """One number for each tissue: mean T2w intensity against the ventricles' fluid, or a factor."""

    ecsf: float
    gm: float
    wm: float
    vm: float
    cbm: float
    sgm: float
    bsm: float
    callosum: float

    def by_label(self) -> npt.NDArray[np.float32]:
        """(9,) float32, by template label; 0 for background."""
        return np.array([0.0, *(getattr(self, f.name) for f in fields(self))], np.float32)


@dataclass(frozen=True)
class AppearanceSettings:
    """How much the intensities within a tissue vary.

    Attributes:
        jitter: spread of a tissue's mean from fetus to fetus, as a share.
        own: share of the individual's own signal (units of its standard deviation over the brain) that is added.
        most: standard deviations within its tissue beyond which the own signal is cut off.
        patches: strength of random patches, as a share, and
        patch_mm: their size.
        fluid_patches: strength of patches in the fluid, where vessels and flow darken it.
    """

    jitter: float = 0.03
    own: Contrast = field(default_factory=lambda: Contrast(*[0.1] * 8))
    most: float = 2.0
    patches: float = 0.03
    patch_mm: float = 2.0
    fluid_patches: float = 0.1


def brain_image(
    labels: npt.NDArray[np.uint8],
    signal: npt.NDArray[np.float32],
    spacing: float,
    contrast: Contrast,
    settings: AppearanceSettings,
    rng: np.random.Generator,
) -> Image:
    """Intensities (z, y, x) float32 of a brain; 0 outside.

    Args:
        labels: (z, y, x) uint8, template labels 0–8.
        signal: (z, y, x) float32, the individual's own T2w signal, standardised over its brain.
        spacing: mm.
        contrast: mean of each tissue.
        settings: variation within tissues.
        rng: for what is random.
    """
    means = contrast.by_label() * (1 + settings.jitter * rng.standard_normal(CHANNELS)).astype(np.float32)
    image = means[labels]
    counts = np.maximum(np.bincount(labels.ravel(), minlength=CHANNELS), 1)
    centre = np.bincount(labels.ravel(), signal.ravel(), CHANNELS) / counts
    spread = np.sqrt(np.maximum(np.bincount(labels.ravel(), signal.ravel() ** 2, CHANNELS) / counts - centre**2, 0))
    reach = (settings.most * spread).astype(np.float32)[labels]
    own = np.clip(signal - centre.astype(np.float32)[labels], -reach, reach)
    image += settings.own.by_label()[labels] * own
    fluid = np.zeros(CHANNELS, np.float32)
    fluid[1:] = settings.patches
    fluid[1] = settings.fluid_patches
    image *= 1 + fluid[labels] * smooth_noise(labels.shape, settings.patch_mm / spacing, rng)
    return np.maximum(image, 0, out=image)

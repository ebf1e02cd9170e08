"""Settings of domain randomisation: the ranges and shares that a synthetic sample is drawn from.

Lengths are in mm, angles in degrees. A *share* is the probability that a sample, or what is named, has a property.
YAML files have the same sections and names (``synthesis`` in ``training/configs/segmentation.yaml``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from training.data import renamed_settings


@dataclass(frozen=True)
class SpatialSettings:
    """Spatial augmentation: pose and shape of the brain.

    Attributes:
        any_rotation: share of the samples that are rotated by any angle; the others by up to ``rotation``.
        rotation: largest angle of the others.
        shift: largest offset of the brain's centre along each axis.
        scale: range of the common scale factor; each axis differs by up to ``stretch`` besides.
        stretch: relative.
        elastic: largest standard deviation of the elastic displacement; less where it would fold.
        fine_displacement: likewise of the displacement with features of 8–16 mm, which varies cortex and folding.
        thin_csf: share of the samples whose external CSF ends within ``thin_csf_mm`` of the brain proper, as in open
            spina bifida, where it is all but absent.
        thin_csf_mm: range of what is left of it.
    """

    any_rotation: float = 0.0
    rotation: float = 25.0
    shift: float = 18.0
    scale: tuple[float, float] = (0.82, 1.15)
    stretch: float = 0.08
    elastic: float = 2.5
    fine_displacement: float = 0.8
    thin_csf: float = 0.0
    thin_csf_mm: tuple[float, float] = (0.0, 4.0)


@dataclass(frozen=True)
class MaskSettings:
    """Brain masks, with the errors of brain extraction.

    Attributes:
        masked: share of the samples that are masked; the others have a head and a mother around the brain.
        tight: share of the masks that cut into the brain; what they cut away keeps its label.
        tight_mm: how deep they cut at most.
        exact: share of the masks that end where the labels do, or one voxel beyond, as those of atlases.
        soft: share of the masks whose edge is blurred, by up to ``soft_mm``, so that outer CSF is dim.
        soft_mm: standard deviation of that blur.
    """

    masked: float = 0.5
    tight: float = 0.3
    tight_mm: float = 2.5
    exact: float = 0.3
    soft: float = 0.0
    soft_mm: float = 2.5


@dataclass(frozen=True)
class IntensitySettings:
    """Contrast of the tissues.

    Attributes:
        real: share of the samples whose brain is the subject's own image, before the scan.
        contrasts: of the others, shares of the atlas's own contrast and of the T2w prior; the rest is any at all.
        regions: share of the samples whose tissues consist of regions with intensities of their own.
        region: largest standard deviation of a region's offset.
        gin: share of the samples that pass through a random network (global intensity non-linearity).
        inverted: share of the samples in which bright is dark.
    """

    real: float = 0.0
    contrasts: tuple[float, float] = (0.35, 0.5)
    regions: float = 0.6
    region: float = 0.5
    gin: float = 0.25
    inverted: float = 0.04

    def __post_init__(self) -> None:
        if len(self.contrasts) != 2:
            raise ValueError("contrasts must be two shares: of the atlas's own contrast, and of the T2w prior")


@dataclass(frozen=True)
class ScanSettings:
    """Resolution, noise and shading of the scan.

    Attributes:
        blur: largest standard deviation of the point spread function.
        coarse: largest spacing of the simulated acquisition.
        noise: largest standard deviation of the noise, in units of the brain's.
        bias: largest log gain of the bias field.
    """

    blur: float = 0.9
    coarse: float = 1.5
    noise: float = 0.35
    bias: float = 0.5


@dataclass(frozen=True)
class ArtefactSettings:
    """How often each artefact comes, as a share of the samples, and how strong it is at most.

    Attributes:
        motion: poses that change while k-space is acquired, by up to ``shift`` and ``rotation``.
        shift: of ``motion``.
        rotation: of ``motion``.
        ghosts: periodic disturbance of k-space lines, up to ``ghost`` of the signal.
        ghost: share of the signal.
        stacks: slices moved within stacks of one to three orientations, by up to ``slice_shift`` and
            ``slice_rotation``.
        slice_shift: of ``stacks``.
        slice_rotation: of ``stacks``.
        bands: slices that are dark, or alternately bright.
        ringing: k-space cut off at ``kept`` of it at the least.
        kept: share of k-space.
        smoothing: fine detail flattened between edges, as strong regularisation leaves it.
        rician: noise of a magnitude image, of up to ``noise`` of its mean.
        noise: share of the image's mean.
    """

    motion: float = 0.15
    shift: float = 3.5
    rotation: float = 6.0
    ghosts: float = 0.08
    ghost: float = 0.25
    stacks: float = 0.15
    slice_shift: float = 1.2
    slice_rotation: float = 3.0
    bands: float = 0.1
    ringing: float = 0.12
    kept: float = 0.45
    smoothing: float = 0.12
    rician: float = 0.2
    noise: float = 0.16


@dataclass(frozen=True)
class SynthesisSettings:
    """Everything that a sample is drawn from.

    Attributes:
        size: voxels of a sample along each axis.
        spacing: mm.
        spatial: pose and shape.
        mask: brain masks.
        intensity: contrast.
        scan: resolution, noise and shading.
        artefacts: of scanner and reconstruction.
    """

    RENAMED: ClassVar[Mapping[str, str]] = renamed_settings.SYNTHESIS

    size: int = 80
    spacing: float = 1.0
    spatial: SpatialSettings = field(default_factory=SpatialSettings)
    mask: MaskSettings = field(default_factory=MaskSettings)
    intensity: IntensitySettings = field(default_factory=IntensitySettings)
    scan: ScanSettings = field(default_factory=ScanSettings)
    artefacts: ArtefactSettings = field(default_factory=ArtefactSettings)

    def __post_init__(self) -> None:
        if self.size < 2 or not self.spacing > 0:
            raise ValueError("size must be 2 or more, and spacing more than 0")

"""What a sample is drawn from: ranges and shares."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.synthesis.artefacts import ArtefactSettings


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

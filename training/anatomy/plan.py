"""What a simulated fetus should be like, drawn before there is any volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from feta.measurements import Measurement
from training.anatomy.growth import GrowthSettings, draw_lengths, draw_maturity
from training.anatomy.pathology import Pathology, PathologySettings, draw_pathology


@dataclass(frozen=True)
class IndividualSettings:
    """How individuals differ.

    Attributes:
        growth: in size.
        pathology: in what is wrong with them.
        latent_sd: spread of the anatomy's latent code, in which training brains have 1.
        latent_size: numbers in that code; 0 for an anatomy without.
        lattice_mm: distance of the velocities' samples, a multiple of 0.5.
        widths_mm: width of each part of the random deformation, in a brain of 70 mm; others in proportion.
        amplitudes_mm: standard deviation of each part along each axis, likewise.
        amplitude_spread: spread of the logarithm of a factor on all of them: some brains are more regular.
        ventricles_sd: spread of the logarithm of the ventricles' volume among healthy fetuses.
        height_sd: spread of the logarithm of the head's height where width and length are given.
        least_fluid_mm: a healthy skull leaves this much fluid on either side of the brain.
    """

    growth: GrowthSettings = field(default_factory=GrowthSettings)
    pathology: PathologySettings = field(default_factory=PathologySettings)
    latent_sd: float = 1.2
    latent_size: int = 8
    lattice_mm: float = 3.0
    widths_mm: tuple[float, ...] = (28.0, 14.0, 7.0)
    amplitudes_mm: tuple[float, ...] = (1.0, 0.7, 0.7)
    amplitude_spread: float = 0.2
    ventricles_sd: float = 0.25
    height_sd: float = 0.02
    least_fluid_mm: float = 1.5

    def __post_init__(self) -> None:
        if len(self.widths_mm) != len(self.amplitudes_mm):
            raise ValueError("each width of the random deformation needs its amplitude")
        if self.lattice_mm <= 0 or self.lattice_mm * 2 % 1:
            raise ValueError("lattice_mm must be a multiple of 0.5")


@dataclass(frozen=True)
class Plan:
    """What an individual should be like, before there is any volume.

    Attributes:
        maturity: weeks, as which it looks.
        pathology: what is wrong with it.
        lengths: mm.
        brain_length: fronto-occipital, mm.
        ventricles: factor on the volume of the template's ventricles.
    """

    maturity: float
    pathology: Pathology
    lengths: Mapping[Measurement, float]
    brain_length: float
    ventricles: float


def draw_plan(rng: np.random.Generator, age: float, pathological: bool, settings: IndividualSettings) -> Plan:
    """Draw how large the parts of a fetus are.

    Args:
        rng: it depends on nothing else that is random.
        age: weeks, as stated.
        pathological: whether anything is wrong.
        settings: how individuals differ.
    """
    maturity = draw_maturity(rng, age, settings.growth)
    lengths, brain_length = draw_lengths(rng, maturity, settings.growth)
    room = lengths[Measurement.BBIP] + 2 * settings.least_fluid_mm
    lengths[Measurement.SBIP] = max(lengths[Measurement.SBIP], room)
    pathology = draw_pathology(rng, settings.pathology) if pathological else Pathology()
    ventricles = pathology.ventricles * float(np.exp(rng.normal(0.0, settings.ventricles_sd)))
    return Plan(maturity, pathology, pathology.altered(lengths), brain_length, ventricles)

"""One simulated fetus: a template deformed into a brain of its own, with its true lengths.

Its size is drawn first, from published curves; the deformation is then adjusted until the landmarks, warped
by it, lie as far apart as they should. What is left of the difference stays: the truth is where they lie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from feta.grid import transformed
from feta.measurements import Measurement
from training.anatomy.kernels import interpolate
from training.anatomy.length_fitting import Fit, Fitter
from training.anatomy.plan import IndividualSettings, Plan, draw_plan
from training.anatomy.template import Template, aligned_to_midline
from training.anatomy.template_landmarks import TemplateLandmarks, locate_landmarks
from training.anatomy.velocity_field import Deformation, Points, determinants, random_velocity
from training.imaging.lattice import Lattice

#: Age, how far towards spina bifida, latent code → a template.
AnatomyModel = Callable[[float, float, npt.NDArray[np.floating] | None], Template]
#: The way back into the template is tabled this finely (mm) and linear in between, this far (mm) around the head.
_TABLE_MM, _TABLE_MARGIN = 1.0, 6.0
#: A cell of the table whose volume falls below this share of the usual is folded, or nearly so. Fluid in the middle of
#: ventricles that swell to a multiple comes from very little fluid.
_FOLDED = 0.003
#: Settings of the random deformation are for a brain of this width, mm.
_USUAL_WIDTH = 70.0
#: A deformation that folds is weakened by this factor, and tried again.
_WEAKER = 0.8


@dataclass(frozen=True)
class Individual:
    """A brain in its head frame: RAS mm, upright, the midline about x = 0, the origin near the brain's centre.

    Attributes:
        template: what it is cut from.
        plan: what it was meant to be.
        deformation: of template mm.
        scale: (3,) factors on the deformed mm about ``centre``; the first is negative in a mirrored brain.
        centre: (3,) deformed mm, what becomes the origin.
        landmarks: both ends (2, 3) of each length, head-frame mm.
        lengths: their distances, mm.
        box: (2, 3) least and greatest x, y, z of the head, head-frame mm.
    """

    template: Template
    plan: Plan
    deformation: Deformation
    scale: Points
    centre: Points
    landmarks: Mapping[Measurement, Points]
    lengths: Mapping[Measurement, float]
    box: Points
    _table: tuple[Lattice, npt.NDArray[np.float32]]

    def to_head(self, points: Points) -> Points:
        """Template positions (N, 3) in head-frame mm."""
        return np.asarray((self.deformation.warp(points) - self.centre) * self.scale)

    def to_template(self, points: Points) -> Points:
        """Head-frame positions (N, 3) in template mm."""
        return self.deformation.warp(points / self.scale + self.centre, -1.0)

    def at(self, points: torch.Tensor) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Labels and signal at head-frame positions.

        Args:
            points: (Z, Y, X, 3) float32, mm (x, y, z).

        Returns:
            labels (Z, Y, X) uint8, 0–7 and 8 for the corpus callosum, and signal (Z, Y, X) float32.
        """
        lattice, table = self._table
        labels = np.empty(points.shape[:3], np.uint8)
        signal = np.empty(points.shape[:3], np.float32)
        origin = lattice.origin.astype(np.float32)
        last = np.array(table.shape[2::-1], np.float32) - 1
        for z, plane in enumerate(points.numpy()):
            index = (plane.reshape(-1, 3) - origin) / np.float32(lattice.spacing)
            labels[z], signal[z] = self.template.sampled_index(interpolate(table, index), plane.shape[:2])
            # Beyond the table its border's values would hold: a second brain, where the first meets the border.
            x, y, up = ((index >= 0) & (index <= last)).T
            labels[z][~(x & y & up).reshape(plane.shape[:2])] = 0
        return labels, signal


def draw_individual(
    rng: np.random.Generator, age: float, pathological: bool, anatomy: AnatomyModel, settings: IndividualSettings
) -> Individual:
    """Draw one fetus.

    Args:
        rng: it depends on nothing else that is random.
        age: weeks, as stated.
        pathological: whether anything is wrong.
        anatomy: gives the template, in its canonical frame.
        settings: how individuals differ.
    """
    return planned_individual(rng, draw_plan(rng, age, pathological, settings), anatomy, settings)


def planned_individual(
    rng: np.random.Generator,
    plan: Plan,
    anatomy: AnatomyModel,
    settings: IndividualSettings,
    folding_delay: float = 0.0,
) -> Individual:
    """Draw one fetus of a plan.

    Args:
        rng: it depends on nothing else that is random.
        plan: how large its parts are.
        anatomy: gives the template, in its canonical frame.
        settings: how individuals differ.
        folding_delay: weeks by which its cortex is folded less than those of its size.
    """
    latent = settings.latent_sd * rng.standard_normal(settings.latent_size) if settings.latent_size else None
    template = aligned_to_midline(anatomy(plan.maturity - folding_delay, plan.pathology.anatomy, latent))
    found = locate_landmarks(template, settings.lattice_mm)
    regularity = float(np.exp(rng.normal(0.0, settings.amplitude_spread)))
    size = plan.lengths[Measurement.BBIP] / _USUAL_WIDTH
    widths, amplitudes = (tuple(size * v for v in values) for values in (settings.widths_mm, settings.amplitudes_mm))
    chance = regularity * random_velocity(rng, found.lattice, widths, amplitudes)
    height = float(np.exp(rng.normal(0.0, settings.height_sd)))
    mirrored = bool(rng.random() < 0.5)
    fitter = Fitter(found, plan, height)
    strength = 1.0
    while True:
        individual, smallest = _individual(template, found, plan, fitter.fit(chance, strength), mirrored)
        if smallest > _FOLDED:
            return individual
        strength *= _WEAKER


def _individual(
    template: Template, found: TemplateLandmarks, plan: Plan, fit: Fit, mirrored: bool
) -> tuple[Individual, float]:
    """The individual of a fitted deformation, and the least volume of a cell of its way back."""
    scale = fit.scale * np.array([-1.0 if mirrored else 1.0, 1.0, 1.0])
    middle = fit.deformation.warp(found.length).mean(axis=0)
    centre = np.array([0.0, middle[1], middle[2]])

    def to_head(points: Points) -> Points:
        return np.asarray((fit.deformation.warp(points) - centre) * scale)

    landmarks = {measurement: to_head(ends) for measurement, ends in found.landmarks.items()}
    head = to_head(found.head)
    box = np.array([head.min(axis=0), head.max(axis=0)])
    low, high = box[0] - _TABLE_MARGIN, box[1] + _TABLE_MARGIN
    x, y, z = np.ceil((high - low) / _TABLE_MM).astype(int) + 1
    lattice = Lattice(low, _TABLE_MM, (int(z), int(y), int(x)))
    places = lattice.positions()
    origins = fit.deformation.warp(places.reshape(-1, 3) / scale + centre, -1.0)
    smallest = float((determinants(origins.reshape(places.shape), _TABLE_MM) * np.prod(scale)).min())
    table = transformed(template.to_index, origins).reshape(places.shape).astype(np.float32)
    lengths = {measurement: float(np.linalg.norm(ends[1] - ends[0])) for measurement, ends in landmarks.items()}
    individual = Individual(template, plan, fit.deformation, scale, centre, landmarks, lengths, box, (lattice, table))
    return individual, smallest

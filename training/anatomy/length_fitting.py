"""Adjusts a deformation until the landmarks warped by it lie as far apart as an individual's plan says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feta.measurements import MEASUREMENTS, Measurement
from training.anatomy.plan import Plan
from training.anatomy.structure_fields import StructureFields
from training.anatomy.template_landmarks import TemplateLandmarks
from training.anatomy.velocity_field import Deformation, Field, Points

#: Rounds in which sizes are adjusted, and how far one structure may be changed (logarithm) in all and in a round.
_ROUNDS, _LARGEST_CHANGE, _LARGEST_STEP = 8, 1.6, 0.7
#: Fluid narrower than this (mm) on either side is as good as none.
_LEAST_FLUID = 0.3
#: A structure answers a change of its field no less than this: its neighbours pull as well.
_LEAST_GAIN = 0.35
#: How many points of the ventricles tell how much they swell.
_VENTRICLE_POINTS = 400
#: Ventricles that grow leave the cells that drive them apart: these need driving for longer.
_LARGEST_SWELLING = 4.0
#: Places of two of the fields: that which widens the external CSF, and that which swells the ventricles.
_FLUID, _SWELLING = 3, 4
#: Share of the ventricles in a cell from which on it is looked at.
_VENTRICLE = 0.15


@dataclass(frozen=True)
class Fit:
    """A fitted deformation: ``deformation`` in template mm, then ``scale`` (3,), factors on what it gives."""

    deformation: Deformation
    scale: Points


class Fitter:
    """Fits one template to one plan.

    Args:
        template: what is deformed.
        plan: what should come out.
        height: factor on the head's height beside what width and length give.
    """

    def __init__(self, template: TemplateLandmarks, plan: Plan, height: float) -> None:
        self._template, self._plan, self._height = template, plan, height
        fields = StructureFields(template)
        swelling = fields.swelling(plan.pathology.behind, plan.pathology.sideways)
        self._fields = np.stack([fields.tcd, fields.hv, fields.lcc, fields.fluid, swelling])
        cells = fields.ventricles > _VENTRICLE
        step = max(1, int(cells.sum()) // _VENTRICLE_POINTS)
        self._ventricles = template.lattice.positions()[cells][::step]
        self._shares = fields.ventricles[cells][::step]
        # Fluid that spina bifida has taken away is not to be brought back, however wide a skull was drawn.
        most = np.full(len(self._fields), _LARGEST_CHANGE)
        most[_FLUID] = _LARGEST_CHANGE * (1 - plan.pathology.anatomy)
        most[_SWELLING] = _LARGEST_SWELLING
        self._limits = (np.full(len(most), -_LARGEST_CHANGE), most)
        self._ends = np.concatenate([*(template.landmarks[m] for m in MEASUREMENTS), template.length])

    def fit(self, chance: Field, strength: float = 1.0) -> Fit:
        """Adjust what the random part of the velocity leaves to be adjusted.

        Args:
            chance: (Z, Y, X, 3) mm a unit of time, on the template's lattice.
            strength: factor on it, and on how far structures may be changed.
        """
        chance = strength * chance
        low, high = (strength * limit for limit in self._limits)
        amounts, gains = np.zeros(len(self._fields)), np.ones(len(self._fields))
        before, step = None, np.zeros(len(self._fields))
        for _ in range(_ROUNDS):
            missing = self._tried(chance, amounts)[1]
            if before is not None:
                moved = np.abs(step) > 0.01
                answer = np.where(moved, (before - missing) / np.where(moved, step, 1.0), gains)
                gains = np.clip(answer, _LEAST_GAIN, 1.5)
            step = np.clip(missing / gains, -_LARGEST_STEP, _LARGEST_STEP)
            step = np.clip(amounts + step, low, high) - amounts
            amounts, before = amounts + step, missing
        return self._tried(chance, amounts)[0]

    def _tried(self, chance: Field, amounts: npt.NDArray[np.float64]) -> tuple[Fit, npt.NDArray[np.float64]]:
        """The deformation of some amounts of each field, and the logarithms by which sizes fall short."""
        velocity = chance + np.tensordot(amounts, self._fields, axes=1)
        deformation = Deformation(self._template.lattice, velocity)
        warped = deformation.warp(self._ends).reshape(-1, 2, 3)
        spans = dict(zip(MEASUREMENTS, warped[:, 1] - warped[:, 0], strict=False))
        wanted = self._plan.lengths
        width = wanted[Measurement.BBIP] / np.linalg.norm(spans[Measurement.BBIP])
        length = self._plan.brain_length / abs(warped[-1, 1, 1] - warped[-1, 0, 1])
        scale = np.array([width, length, np.sqrt(width * length) * self._height])
        found = {m: float(np.linalg.norm(scale * span)) for m, span in spans.items()}
        missing = [np.log(wanted[m] / found[m]) for m in (Measurement.TCD, Measurement.HV, Measurement.LCC)]
        missing += [np.log(_fluid(wanted) / _fluid(found)), np.log(self._plan.ventricles / self._swelling(deformation))]
        return Fit(deformation, scale), np.array(missing)

    def _swelling(self, deformation: Deformation) -> float:
        """How much the ventricles grow."""
        if not len(self._shares):
            return 1.0
        return float(np.average(deformation.volume_change(self._ventricles), weights=self._shares))


def _fluid(lengths: Mapping[Measurement, float]) -> float:
    """Width of the external CSF on either side, mm."""
    return max((lengths[Measurement.SBIP] - lengths[Measurement.BBIP]) / 2, _LEAST_FLUID)

"""Velocity fields each of which changes one structure of a template alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feta.labels import Tissue
from feta.measurements import Measurement
from training.anatomy.template import CALLOSUM, CHANNELS
from training.anatomy.template_landmarks import TemplateLandmarks, Weights
from training.anatomy.velocity_field import Field, Points, gradient, swelling_velocity

#: A change fades out over this distance (mm) around its structure.
_REACH = 9.0
#: Towards the skull a change of an inner structure fades to this share over this depth (mm).
_SKIN, _SKIN_MM = 0.35, 4.0
#: Sulci and fissures narrower than this (mm) belong to the brain where the fluid around it is widened.
_CLOSED_MM = 12.0
#: The fluid is widened evenly up to this distance (mm) from the brain.
_FLUID_MM = 9.0
#: How much less it is widened upwards, forwards and backwards than sideways.
_UPWARDS = 0.1
#: Lateral ventricles begin this far (mm) from the midline.
_LATERAL_MM = (1.5, 5.0)
#: Nowhere do they swell more than this many times as much as on the whole.
_PEAK = 1.5


def _smooth_step(values: npt.NDArray[np.floating]) -> Weights:
    t = np.clip(values, 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t))


class StructureFields:
    """Velocity fields (Z, Y, X, 3), mm a unit of time, each of which changes one structure of a template.

    One unit of a field changes the logarithm of a size by about one.

    Attributes:
        tcd: stretches the cerebellum from left to right.
        hv: stretches it in the sagittal plane.
        lcc: stretches the corpus callosum from front to back.
        fluid: widens the external CSF all around the brain.
        ventricles: (Z, Y, X) share of the ventricles in each cell, but for the fourth; not a field.
    """

    def __init__(self, template: TemplateLandmarks) -> None:
        self.template = template
        self._places = template.lattice.positions()
        depth = self._distance(template.occupancy[0] > 0.5)
        self._inner = _SKIN + (1 - _SKIN) * _smooth_step(depth / _SKIN_MM)
        cerebellum = self._near(template.occupancy[Tissue.CBM] > 0.3)
        self.tcd = self._stretch(cerebellum, np.zeros(3), (1, 0, 0))
        self.hv = self._stretch(cerebellum, self._hilum(), (0, 1, 1))
        ends = template.landmarks[Measurement.LCC]
        self.lcc = self._stretch(self._near(template.occupancy[CALLOSUM] > 0.15), ends.mean(axis=0), (0, 1, 0))
        self.fluid = self._fluid()
        # The fourth ventricle lies beside the cerebellum.
        above = self._places[..., 2] > template.landmarks[Measurement.TCD][:, 2].mean()
        self.ventricles = np.where(above, template.occupancy[Tissue.VM], 0.0)

    def swelling(self, behind: float, sideways: float) -> Field:
        """A field that swells the lateral ventricles.

        Args:
            behind: how much of the swelling lies in the back half rather than everywhere (0–1).
            sideways: which side swells more: −1 left only, 1 right only.
        """
        x, y, _ = np.moveaxis(self._places, -1, 0)
        low, high = _LATERAL_MM
        weights = self.ventricles * _smooth_step((np.abs(x) - low) / (high - low))
        total = max(float(weights.sum()), 1e-9)
        middle, spread = (weights * y).sum() / total, 12.0
        weights *= 1 - behind * _smooth_step((y - middle) / spread + 0.5)
        weights *= 1 + sideways * np.clip(x / 10.0, -1, 1)
        # What the ventricles gain, the tissue and the fluid around lose.
        occupancy = self.template.occupancy
        yielding = occupancy[Tissue.WM] + occupancy[Tissue.ECSF] + 0.5 * occupancy[Tissue.GM]
        source = ndimage.gaussian_filter(weights, 0.5)
        for _ in range(2):
            usual = float((source * self.ventricles).sum()) / max(float(self.ventricles.sum()), 1e-9)
            source = np.minimum(source / max(usual, 1e-9), _PEAK)
        source -= yielding * source.sum() / yielding.sum()
        return swelling_velocity(self.template.lattice, source)

    def _distance(self, mask: npt.NDArray[np.bool_]) -> Weights:
        """Distance (mm) of every cell from the cells of a mask."""
        return np.asarray(ndimage.distance_transform_edt(~mask) * self.template.lattice.spacing)

    def _near(self, mask: npt.NDArray[np.bool_]) -> Weights:
        """1 in and at a structure, 0 far from it, smoothly in between."""
        spacing = self.template.lattice.spacing
        window = _smooth_step(1 - (self._distance(mask) - spacing / 2) / _REACH)
        return np.asarray(ndimage.gaussian_filter(window, 0.6) * self._inner)

    def _stretch(self, window: Weights, centre: Points, axes: tuple[int, int, int]) -> Field:
        return np.asarray(window[..., None] * (self._places - centre) * np.array(axes))

    def _hilum(self) -> Points:
        """Between the middle of the vermis and the brainstem, where the cerebellum is held."""
        stem = self.template.occupancy[Tissue.BSM]
        centre = (self._places * stem[..., None]).sum(axis=(0, 1, 2)) / max(float(stem.sum()), 1e-9)
        return np.asarray((centre + self.template.landmarks[Measurement.HV].mean(axis=0)) / 2)

    def _fluid(self) -> Field:
        """Away from the brain, as fast as the brain is far, and most of all sideways.

        Skulls are as wide as they are without as much fluid all around: published volumes of the external CSF and
        published widths of brain and skull fit together only so.
        """
        brain = self.template.mask(*range(Tissue.GM, CHANNELS))
        closed = self._distance(brain) <= _CLOSED_MM / 2
        hull = brain | ~(self._distance(~closed) <= _CLOSED_MM / 2)
        # Between voxels: half a voxel less on either side of the surface.
        signed = self._distance(hull) - self._distance(~hull)
        signed = ndimage.gaussian_filter(signed - np.sign(signed) * self.template.lattice.spacing / 2, 1.0)
        outwards = gradient(signed, self.template.lattice.spacing)
        outwards /= np.maximum(np.linalg.norm(outwards, axis=-1, keepdims=True), 0.3)
        share = _UPWARDS + (1 - _UPWARDS) * outwards[..., :1] ** 2
        return np.asarray(outwards * share * np.clip(signed, 0.0, _FLUID_MM)[..., None])

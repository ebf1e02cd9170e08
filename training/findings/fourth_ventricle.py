"""The fluid between vermis and brainstem, which the atlases' labels leave out: there both touch.

A flow can't part what touches. In the Dandy–Walker spectrum that fluid is wide and open to the cisterna magna, whose
label it gets: a notch that comes from below changes no tissue's topology.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from feta.labels import Tissue
from feta.measurements import Measurement
from training.anatomy.head_model import HeadModel
from training.anatomy.kernels import interpolate
from training.anatomy.velocity_field import Points
from training.imaging.lattice import Lattice

#: The notch is tabled this finely; it is this wide on either side of where both touch, and of the midline, mm.
_TABLE_MM, _HALF_MM, _FROM_MIDLINE_MM = 0.75, 1.1, 7.0
#: It ends this share of the vermis's height below its top.
_ROOF = 0.25
#: mm around the hindbrain that the table covers.
_MARGIN = 3.0


@dataclass(frozen=True)
class NotchedHead:
    """A brain with fluid between vermis and brainstem; a ``HeadModel`` itself.

    Attributes:
        base: the brain before.
        lattice: of the table.
        depth: (Z, Y, X, 1) float32, above 0 in the notch.
        fluid: T2w signal of the fluid.
    """

    base: HeadModel
    lattice: Lattice
    depth: npt.NDArray[np.float32]
    fluid: float

    @property
    def landmarks(self) -> Mapping[Measurement, Points]:
        """Both ends (2, 3) of each length, mm."""
        return self.base.landmarks

    @property
    def lengths(self) -> Mapping[Measurement, float]:
        """The five lengths, mm."""
        return self.base.lengths

    @property
    def box(self) -> Points:
        """(2, 3) least and greatest x, y, z, mm."""
        return self.base.box

    def at(self, points: torch.Tensor) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Labels 0–8 and signal (Z, Y, X) at positions (Z, Y, X, 3), mm."""
        labels, signal = self.base.at(points)
        hindbrain = np.isin(labels, (Tissue.CBM, Tissue.BSM))
        if hindbrain.any():
            index = self.lattice.index(points.numpy()[hindbrain]).astype(np.float32)
            notch = np.zeros(labels.shape, bool)
            notch[hindbrain] = interpolate(self.depth, index)[:, 0] > 0
            labels, signal = labels.copy(), signal.copy()
            labels[notch], signal[notch] = Tissue.ECSF, self.fluid
        return labels, signal


def with_fourth_ventricle(base: HeadModel) -> HeadModel:
    """The brain with fluid between vermis and brainstem, open below."""
    top, bottom = base.landmarks[Measurement.HV]
    low, high = base.box[0] - _MARGIN, base.box[1] + _MARGIN
    high[2] = top[2] + _MARGIN
    low[0], high[0] = -2 * _FROM_MIDLINE_MM, 2 * _FROM_MIDLINE_MM
    x, y, z = (int(n) for n in np.ceil((high - low) / _TABLE_MM) + 1)
    lattice = Lattice(low, _TABLE_MM, (z, y, x))
    places = lattice.positions()
    labels, signal = base.at(torch.from_numpy(places).float())
    away = [ndimage.distance_transform_edt(labels != tissue) * _TABLE_MM for tissue in (Tissue.CBM, Tissue.BSM)]
    roof = top[2] - _ROOF * abs(top[2] - bottom[2])
    sides = [2 * _HALF_MM - (away[0] + away[1]), _FROM_MIDLINE_MM - np.abs(places[..., 0]), roof - places[..., 2]]
    depth = np.min(sides, axis=0)[..., None].astype(np.float32)
    # Beyond the table its border's values would hold.
    depth = np.pad(depth[1:-1, 1:-1, 1:-1], ((1, 1), (1, 1), (1, 1), (0, 0)), constant_values=-1.0)
    fluid = signal[labels == Tissue.ECSF]
    return NotchedHead(base, lattice, depth, float(np.quantile(fluid, 0.75)) if len(fluid) else 0.0)

"""A brain after some flows, one after another: where each place of it comes from in the brain that it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from feta.measurements import Measurement
from training.anatomy.head_model import HeadModel
from training.anatomy.kernels import flow, interpolate
from training.anatomy.velocity_field import Field, Points, determinants
from training.imaging.lattice import Lattice

#: Fields are sampled this finely, and places are tabled this finely and linear in between, mm.
LATTICE_MM = 2.0
#: The lattice reaches this far (mm) beyond the head, which may grow.
_MARGIN = 12.0
#: Steps of the integration of one flow, which is short.
_STEPS = 3
#: A cell of the table with less than this share of its volume is folded; what fills a ventricle comes from very little.
_FOLDED = 1e-5
#: Steps in which a landmark is sought about a guess.
_AROUND = np.stack(np.meshgrid(*[np.arange(-10.0, 11.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)


@dataclass(frozen=True)
class GrownHead:
    """A brain and the flows that it went through; a ``HeadModel`` itself.

    Attributes:
        base: the brain before.
        lattice: of the table.
        shifts: (Z, Y, X, 3) float32 mm: a place plus its shift is where it comes from in ``base``.
        landmarks: both ends (2, 3) of each length, mm, carried by the flows.
        surface: (N, 3) places at the head's border, mm, carried likewise.
    """

    base: HeadModel
    lattice: Lattice
    shifts: npt.NDArray[np.float32]
    landmarks: Mapping[Measurement, Points]
    surface: Points

    @classmethod
    def unchanged(cls, base: HeadModel) -> GrownHead:
        """A brain before any flow."""
        low, high = base.box[0] - _MARGIN, base.box[1] + _MARGIN
        x, y, z = (int(n) for n in np.ceil((high - low) / LATTICE_MM) + 1)
        lattice = Lattice(low, LATTICE_MM, (z, y, x))
        places = lattice.positions()
        head = base.at(torch.from_numpy(places).float())[0] > 0
        shifts = np.zeros((*lattice.shape, 3), np.float32)
        return cls(base, lattice, shifts, dict(base.landmarks), places[head])

    @property
    def lengths(self) -> dict[Measurement, float]:
        """Distances of the landmarks, mm."""
        return {m: float(np.linalg.norm(ends[1] - ends[0])) for m, ends in self.landmarks.items()}

    @cached_property
    def box(self) -> Points:
        """(2, 3) least and greatest x, y, z of the head, mm."""
        half = LATTICE_MM / 2
        return np.array([self.surface.min(axis=0) - half, self.surface.max(axis=0) + half])

    def at(self, points: torch.Tensor) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Labels 0–8 and signal (Z, Y, X) at positions (Z, Y, X, 3), mm."""
        places = points.numpy()
        index = self.lattice.index(places.reshape(-1, 3)).astype(np.float32)
        origins = places.reshape(-1, 3) + interpolate(self.shifts, index)
        return self.base.at(torch.from_numpy(origins.reshape(places.shape)).float())

    def flowed(self, velocity: Field) -> GrownHead | None:
        """This brain after one more flow.

        Args:
            velocity: (Z, Y, X, 3) mm a unit of time on the lattice; it is followed for one unit.

        Returns:
            None where a cell of the table would fold.
        """
        places = self.lattice.positions()
        step = velocity / self.lattice.spacing
        index = flow(step, self.lattice.index(places.reshape(-1, 3)), -1.0, _STEPS)
        before = index * self.lattice.spacing + self.lattice.origin
        table = (before + interpolate(self.shifts, index.astype(np.float32))).reshape(places.shape)
        if determinants(table, self.lattice.spacing).min() < _FOLDED:
            return None

        def moved(points: Points) -> Points:
            ahead = flow(step, self.lattice.index(points), 1.0, _STEPS)
            return np.asarray(ahead * self.lattice.spacing + self.lattice.origin)

        shifts = np.asarray(table - places, np.float32)
        landmarks = {}
        for m, ends in self.landmarks.items():
            pairs = zip(moved(ends), self.base.landmarks[m], strict=True)
            landmarks[m] = np.stack([self._settled(shifts, end, origin) for end, origin in pairs])
        return replace(self, shifts=shifts, landmarks=landmarks, surface=moved(self.surface))

    def _settled(self, shifts: npt.NDArray[np.float32], guess: Points, origin: Points) -> Points:
        """The place (3,) near a guess that the table says comes from a place of ``base``.

        Labels are drawn by the table. Where tissue is squeezed its linear pieces stray from the flows that it was
        made of, and landmarks must lie where the labels are.
        """
        for step in (0.25, 0.03):
            places = guess + step * _AROUND
            index = self.lattice.index(places).astype(np.float32)
            away = np.linalg.norm(places + interpolate(shifts, index) - origin, axis=1)
            guess = places[int(away.argmin())]
        return guess

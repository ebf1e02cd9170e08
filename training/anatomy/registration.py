"""Deformable registration of one labelled brain to another: the stationary velocity field whose flow does it.

Tissue maps are matched rather than intensities, since the two brains may come from different atlases. A field is
sought instead of a displacement (as SimpleITK's demons give it) because it can then be followed by any part of the
way, backwards, and beyond its end, and is a diffeomorphism each time (log-Euclidean framework: Arsigny et al.,
MICCAI 2006; the same search by gradients: Ashburner, NeuroImage 2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from feta.grid import box_corners, transformed
from feta.labels import TISSUES
from inference.geometry.frames import coordinates
from inference.geometry.frames import sample as interpolated
from training.anatomy.velocity_field import Deformation
from training.data.subject import Subject
from training.imaging.affine import apply_affine
from training.imaging.filters import blur
from training.imaging.lattice import Lattice

#: The brains are compared on a grid this fine, the field is sampled this finely, and this much lies around, mm.
IMAGE_MM, FIELD_MM, MARGIN_MM = 2.0, 4.0, 8.0
#: Doublings of the flow's time (scaling and squaring).
_SQUARINGS = 5


@dataclass(frozen=True)
class RegistrationSettings:
    """How a field is sought.

    Attributes:
        blurs: of the tissue maps, mm, the coarsest first.
        steps: of the search at each of them.
        rate: of Adam, mm a step.
        smooth: standard deviation of the field's smoothing, mm.
        stiffness: weight of the field's squared slopes against the squared differences.
    """

    blurs: tuple[float, ...] = (4.0, 2.0, 0.8)
    steps: int = 30
    rate: float = 0.25
    smooth: float = 5.0
    stiffness: float = 0.05


def register(moving: Subject, fixed: Subject, settings: RegistrationSettings | None = None) -> Deformation:
    """Find the flow that maps places of one brain to those of another, both in their canonical frames.

    Args:
        moving: sampled where the flow goes, ``moving(warp(x))``, it looks like ``fixed(x)``.
        fixed: of about the same size.
        settings: of the search.

    Returns:
        a deformation; its time −1 maps places the other way.
    """
    s = settings or RegistrationSettings()
    half = np.maximum(_half_size(moving), _half_size(fixed)) + MARGIN_MM
    x, y, z = (int(n) for n in np.ceil(2 * half / FIELD_MM) + 1)
    lattice = Lattice(-FIELD_MM * (np.array([x, y, z]) - 1) / 2, FIELD_MM, (z, y, x))
    maps = [_maps(subject, lattice) for subject in (moving, fixed)]
    field = torch.zeros(3, z, y, x, requires_grad=True)
    optimiser = torch.optim.Adam([field], lr=s.rate)
    for width in s.blurs:
        soft = [torch.stack([blur(channel, [width / IMAGE_MM] * 3) for channel in brain]) for brain in maps]
        for _ in range(s.steps):
            optimiser.zero_grad()
            loss = _difference(soft, _smooth(field, s.smooth), s.stiffness)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    velocity = _smooth(field.detach(), s.smooth).permute(1, 2, 3, 0)
    return Deformation(lattice, velocity.double().numpy())


def overlap(moving: Subject, fixed: Subject, deformation: Deformation, time: float) -> float:
    """Mean soft Dice of the tissues that either brain has, after following the flow for a time."""
    lattice = deformation.lattice
    fixed_maps = _maps(fixed, lattice)
    places = _places(lattice)
    warped = deformation.warp(places.reshape(-1, 3).double().numpy(), time).reshape(places.shape)
    index = apply_affine(moving.to_index, torch.from_numpy(warped).float())
    moved = interpolated(moving.tissues[: len(TISSUES)].float(), index)
    both, total = (moved * fixed_maps).flatten(1).sum(1), (moved**2 + fixed_maps**2).flatten(1).sum(1)
    return float((2 * both / total.clamp_min(1e-6))[total > 0].mean())


def _half_size(subject: Subject) -> np.ndarray:
    """Largest distance (x, y, z) of the subject's box from the brain's centre, mm."""
    shape = np.array(subject.tissues.shape[:0:-1]) - 1
    corners = transformed(np.linalg.inv(subject.to_index), box_corners((0, 0, 0), shape))
    return np.asarray(np.abs(corners).max(axis=0))


def _places(lattice: Lattice) -> Tensor:
    """Positions (Z, Y, X, 3), mm, of the finer grid that spans a lattice from end to end."""
    factor = round(lattice.spacing / IMAGE_MM)
    x, y, z = ((n - 1) * factor + 1 for n in reversed(lattice.shape))
    matrix = np.diag([lattice.spacing / factor] * 3 + [1.0])
    matrix[:3, 3] = lattice.origin
    return coordinates(matrix, (x, y, z), slice(None))


def _maps(subject: Subject, lattice: Lattice) -> Tensor:
    """Tissue maps (7, Z, Y, X) on the finer grid."""
    return interpolated(subject.tissues[: len(TISSUES)].float(), apply_affine(subject.to_index, _places(lattice)))


def _smooth(field: Tensor, width: float) -> Tensor:
    return torch.stack([blur(channel, [width / FIELD_MM] * 3) for channel in field])


def _difference(maps: Sequence[Tensor], velocity: Tensor, stiffness: float) -> Tensor:
    """Mean squared difference of the tissue maps after the flow, plus what the field's slopes cost."""
    moving, fixed = maps
    shape = fixed.shape[1:]
    displacement = F.interpolate(_flow(velocity)[None], size=shape, mode="trilinear", align_corners=True)[0]
    x, y, z = reversed(shape)
    index = coordinates(np.eye(4), (x, y, z), slice(None)) + displacement.permute(1, 2, 3, 0) / IMAGE_MM
    cells_last = moving[None].contiguous(memory_format=torch.channels_last_3d)[0]
    slopes = sum((velocity.diff(dim=axis) ** 2).mean() for axis in (1, 2, 3)) / FIELD_MM**2
    return ((interpolated(cells_last, index) - fixed) ** 2).sum(0).mean() + stiffness * slopes


def _flow(velocity: Tensor) -> Tensor:
    """Displacement (3, Z, Y, X), mm, at time 1 by scaling and squaring."""
    moved = velocity / 2**_SQUARINGS
    z, y, x = velocity.shape[1:]
    base = coordinates(np.eye(4), (x, y, z), slice(None))
    for _ in range(_SQUARINGS):
        index = base + moved.permute(1, 2, 3, 0) / FIELD_MM
        moved = moved + interpolated(moved, index, padding="border")
    return moved

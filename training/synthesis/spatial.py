"""Spatial augmentation: rotation, shift, scale and elastic deformation of a sample."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from inference.geometry.frames import box_to_frame, coordinates, rotation_degrees, sample
from training.imaging.elastic import on_grid, random_displacement
from training.imaging.random_source import RandomSource
from training.synthesis.settings import SpatialSettings, SynthesisSettings

#: Half the side (mm) of the cube about the brain's centre that the fine displacement covers.
FINE_REACH_MM = 80.0
#: Range of the spacing (mm) of its knots.
FINE_SPACING_MM = (8.0, 16.0)


def deformed_frame(draw: RandomSource, s: SynthesisSettings) -> tuple[Tensor, float]:
    """Where the voxels of a sample lie in the subject's canonical frame.

    Args:
        draw: of everything random.
        s: ranges, and the sample's size and spacing.

    Returns:
        positions (Z, Y, X, 3), mm (x, y, z), and the angle of the rotation in degrees.
    """
    size = (s.size,) * 3
    rotation = draw.rotation(None if draw.bernoulli(s.spatial.any_rotation) else s.spatial.rotation)
    scale = draw.uniform(*s.spatial.scale) * (1 + s.spatial.stretch * (2 * draw.uniforms(3).cpu() - 1))
    shift = [draw.uniform(-s.spatial.shift, s.spatial.shift) for _ in range(3)]
    linear = np.eye(4)
    linear[:3, :3] = (rotation / scale[:, None]).numpy()
    position = coordinates(linear @ box_to_frame(size, s.spacing, shift), size, slice(None))
    knots = 3 + draw.integer(5)
    # Displacements are added in the brain's frame, in which the box's voxels lie spacing/scale mm apart.
    apart = s.spacing * (s.size - 1) / (knots - 1) / float(scale.max())
    position += on_grid(random_displacement(draw, knots, apart, draw.uniform(0, s.spatial.elastic)), size)
    return _finely_displaced(draw, s.spatial, position), rotation_degrees(rotation.numpy())


def _finely_displaced(draw: RandomSource, s: SpatialSettings, position: Tensor) -> Tensor:
    """Positions (Z, Y, X, 3), mm, displaced a little more, with features of 8–16 mm in the brain's own frame."""
    apart = draw.uniform(*FINE_SPACING_MM)
    knots = int(2 * FINE_REACH_MM / apart) + 2
    reach = apart * (knots - 1) / 2
    fine = random_displacement(draw, knots, apart, draw.uniform(0, s.fine_displacement))
    return position + sample(fine, (position + reach) / apart, padding="border").permute(1, 2, 3, 0)

"""Real surroundings for training heads: unprocessed stacks of a mother and her fetus, whose own head is covered.

What is painted around heads (`training/scanner/surroundings.py`) is simpler than a placenta, a face or a bladder. In a
sample that has real surroundings, what lies farther from the brain than its scalp comes from a stack, at the place of
that stack's fetal head or anywhere else; nothing of the stack's own head is ever shown, since nobody labelled it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from feta.errors import FetaError
from feta.grid import Grid, Matrix
from feta.settings import read_settings
from feta.volumes import read_volume
from inference.geometry.frames import index_to_ras, sample
from training.imaging.affine import apply_affine
from training.imaging.fluid import fluid_intensity
from training.imaging.random_source import RandomSource

#: Standard deviations of the brain from its mean down to no signal, and up to fluid, about.
NO_SIGNAL, FLUID = -2.5, 2.5
#: What is brighter than so many times the fluid is shown as bright as that.
BRIGHTEST = 2.0
#: How far from the brain (mm) a stack begins, from one sample to another: beyond skull and scalp, or beyond the fluid.
BEGINS_MM = (4.0, 22.0)
#: A stack begins within so many mm rather than at once.
SOFT_MM = 3.0
#: How often a sample's head lies where the stack's own does, and by how much (mm) it may be off there.
AT_ITS_HEAD, OFF_MM = 0.7, 12.0
#: Least and greatest gain of a stack's intensities.
GAIN = (0.6, 1.3)


@dataclass(frozen=True)
class StackEntry:
    """One stack of a list.

    Attributes:
        file: its name, in the folder of stacks.
        head: voxel (x, y, z) in the middle of the fetus's head.
        radius: mm; nothing of the head lies farther from its middle.
    """

    file: str
    head: tuple[float, float, float]
    radius: float


@dataclass(frozen=True)
class StackList:
    """Which stacks there are, and where the heads lie in them (``training/configs/surroundings.yaml``)."""

    stacks: tuple[StackEntry, ...]

    def __post_init__(self) -> None:
        if not self.stacks:
            raise ValueError("names no stacks")


@dataclass(frozen=True)
class RealStack:
    """A stack, ready to be sampled.

    Attributes:
        name: of its file.
        image: (1, Z, Y, X) float16, in standard deviations of a brain: ``NO_SIGNAL`` in air, ``FLUID`` in fluid.
        to_index: 4×4 matrix from RAS mm about the middle of its head to voxel index (x, y, z).
        low, high: least and greatest x, y, z (mm, same frame) of what the stack holds.
        radius: of its head, mm.
    """

    name: str
    image: Tensor
    to_index: Matrix
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    radius: float


def read_stacks(folder: Path, settings: Path) -> list[RealStack]:
    """Read the stacks that a list names.

    Args:
        folder: holds them.
        settings: YAML file of the list.

    Raises:
        FetaError: the list can't be used, one of its stacks is missing or can't be read, or its head lies outside.
    """
    return [_read(folder / entry.file, entry) for entry in read_settings(StackList, settings).stacks]


def _read(path: Path, entry: StackEntry) -> RealStack:
    volume = read_volume(path)
    if not all(0 <= at < n for at, n in zip(entry.head, volume.grid.size, strict=True)):
        problem = f"has its head at voxel {entry.head}, but {volume.grid.size} voxels"
        raise FetaError(path, problem, "correct the list of stacks")
    ras = about_head(volume.grid, entry)
    corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    corners[:, :3] *= np.array(volume.grid.size) - 1
    ends = (corners @ ras.T)[:, :3]
    near = near_head(volume.array.shape, ras, entry.radius)
    fluid = fluid_intensity(volume.array[near])
    standard = NO_SIGNAL + (FLUID - NO_SIGNAL) * np.clip(volume.array / fluid, 0, BRIGHTEST)
    low, high = (tuple(float(v) for v in limit) for limit in (ends.min(0), ends.max(0)))
    image = torch.from_numpy(standard.astype(np.float16))[None]
    return RealStack(entry.file, image, np.linalg.inv(ras), low, high, entry.radius)  # type: ignore[arg-type]


def about_head(grid: Grid, entry: StackEntry) -> Matrix:
    """4×4 from a stack's index (x, y, z) to mm along RAS about the middle of the head."""
    ras = index_to_ras(grid)
    ras[:3, 3] = -ras[:3, :3] @ np.array(entry.head)
    return ras


def near_head(shape: tuple[int, ...], ras: Matrix, radius: float) -> np.ndarray:
    """Voxels (Z, Y, X) within a radius (mm) of the middle of the head."""
    z, y, x = np.indices(shape, dtype=np.float32)
    place = [ras[i, 0] * x + ras[i, 1] * y + ras[i, 2] * z + ras[i, 3] for i in range(3)]
    return np.asarray(place[0] ** 2 + place[1] ** 2 + place[2] ** 2 < radius**2)


def with_real_surroundings(
    draw: RandomSource, stacks: Sequence[RealStack], image: Tensor, distance: Tensor, place: Tensor
) -> Tensor:
    """Put a stack around a head.

    Args:
        draw: of which stack, where in it, in which rotation, and where it begins.
        stacks: at least one.
        image: (Z, Y, X) of a head with painted surroundings, brain mean 0 and standard deviation 1.
        distance: (Z, Y, X) mm outside the brain.
        place: (Z, Y, X, 3) mm, x y z of each voxel about the middle of the brain.

    Returns:
        (Z, Y, X); unchanged near the brain, where the stack has nothing, and where its own head would be seen.
    """
    stack = stacks[draw.integer(len(stacks))]
    if draw.bernoulli(AT_ITS_HEAD):
        middle = torch.tensor([draw.uniform(-OFF_MM, OFF_MM) for _ in range(3)])
    else:
        middle = torch.tensor([draw.uniform(low, high) for low, high in zip(stack.low, stack.high, strict=True)])
    begins, gain = draw.uniform(*BEGINS_MM), draw.uniform(*GAIN)
    around = place @ draw.rotation(None).to(place).T + middle.to(place)
    index = apply_affine(stack.to_index, around)
    # Where nothing is stored nothing is known: the painted surroundings stay.
    seen = sample(stack.image.float() - NO_SIGNAL, index)[0]
    inside = sample(torch.ones_like(stack.image, dtype=torch.float32), index)[0]
    shown = ((distance - begins) / SOFT_MM).clamp(0, 1) * inside
    shown = shown * ((around.norm(dim=-1) - stack.radius) / SOFT_MM).clamp(0, 1)
    return image * (1 - shown) + (gain * seen + NO_SIGNAL) * shown

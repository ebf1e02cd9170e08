"""The volume that a site keeps: fused on the stored axes, interpolated to its voxels, masked, scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feta.grid import Grid, box_corners, transformed
from training.imaging.random_fields import Image, shading, smooth_noise, stretched
from training.scanner.acquisition import Object, Stack
from training.scanner.reconstruction import fuse
from training.scanner.sites import Site
from training.scanner.slice_kernels import resampled

Points = npt.NDArray[np.float64]
#: What lies this near the brain, mm, belongs to every mask.
_INSIDE_MM = 0.3


@dataclass(frozen=True)
class StoringSettings:
    """How volumes are kept.

    Attributes:
        mask_mm: least and greatest distance from the brain at which a mask is cut.
        mask_noise_mm: how ragged its edge is.
        island_mm: least and greatest half size of an island that masking left over.
        gain: least and greatest stored value of the ventricles' fluid.
        residual_bias: share of a site's shading that is left in its volumes.
    """

    mask_mm: tuple[float, float] = (0.5, 3.0)
    mask_noise_mm: float = 0.8
    island_mm: tuple[float, float] = (2.0, 9.0)
    gain: tuple[float, float] = (500.0, 1500.0)
    residual_bias: float = 0.5

    def __post_init__(self) -> None:
        for name in ("mask_mm", "island_mm", "gain"):
            pair = getattr(self, name)
            if len(pair) != 2 or not 0 < pair[0] <= pair[1]:
                raise ValueError(f"{name} must be two numbers above 0, least and greatest")


def store(
    stacks: Sequence[Stack],
    scanned: Object,
    head_box: Points,
    grid: Grid,
    pose: Points,
    site: Site,
    settings: StoringSettings,
    rng: np.random.Generator,
) -> Image:
    """Reconstruct and keep one volume.

    Args:
        stacks: what was scanned.
        scanned: the head, for its mask.
        head_box: (2, 3) least and greatest x, y, z in head-frame mm beyond which a masked volume is empty.
        grid: the stored one.
        pose: 4×4 from head-frame mm to the image's physical space.
        site: how it reconstructs and stores.
        settings: how volumes are kept.
        rng: for what is random.

    Returns:
        (z, y, x) float32 on the grid, whole numbers, 0 or more.
    """
    to_index = np.linalg.inv(grid.affine()) @ pose
    box = grid_box(head_box, to_index, grid) if site.masked else tuple(slice(0, n) for n in grid.shape)
    low, size = (np.array(v[::-1]) for v in ([part.start for part in box], [part.stop - part.start for part in box]))
    ratio = site.voxel / site.fusion.spacing
    from_head = np.diag([ratio] * 3 + [1.0]) @ _shifted(-low) @ to_index
    nx, ny, nz = (int(np.ceil((n - 1) * ratio)) + 1 for n in size)
    volume = fuse(stacks, from_head, (nz, ny, nx), site.fusion)
    if ratio != 1:
        volume = np.maximum(stretched(volume, tuple(ratio * np.arange(n) for n in size[::-1]), cubic=True), 0)
    volume *= shading(volume.shape, settings.residual_bias * site.bias, rng)
    whole = np.zeros(grid.shape, np.float32)
    if site.masked:
        to_distance = scanned.distance_from_head @ np.linalg.inv(_shifted(-low) @ to_index)
        away = resampled(scanned.distance, to_distance[:3], *volume.shape)
        edge = rng.uniform(*settings.mask_mm) + settings.mask_noise_mm * smooth_noise(volume.shape, 3 / site.voxel, rng)
        # A ragged mask may run along the brain's surface; it has no holes.
        volume = np.where((away < _INSIDE_MM) | (away < edge), volume, np.float32(0))
    whole[box] = volume
    _add_islands(whole, int(rng.poisson(site.stray)), site, settings, rng)
    whole *= np.float32(rng.uniform(*settings.gain))
    return np.round(whole, out=whole)


def _shifted(by: npt.NDArray) -> Points:
    matrix = np.eye(4)
    matrix[:3, 3] = by
    return matrix


def grid_box(head_box: Points, to_index: Points, grid: Grid) -> tuple[slice, slice, slice]:
    """Part (z, y, x) of a grid that holds a box of the head frame.

    Args:
        head_box: (2, 3) least and greatest x, y, z, mm.
        to_index: 4×4 from head-frame mm to index (x, y, z).
        grid: parts beyond it are left out.
    """
    index = transformed(to_index, box_corners(*head_box))
    low = np.clip(np.floor(index.min(axis=0)), 0, None).astype(int)
    high = np.minimum(np.ceil(index.max(axis=0)).astype(int) + 1, grid.size)
    x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x


def _add_islands(image: Image, count: int, site: Site, settings: StoringSettings, rng: np.random.Generator) -> None:
    """Pieces of the surroundings that the masks left over, in place, never on what is there already.

    Half are ragged lumps, as the volume's own mask leaves them; half are blocks of stripes, as those of slices do.
    """
    for _ in range(count):
        block = rng.random() < 0.5
        half = rng.uniform(*settings.island_mm, 3) / site.voxel
        centre = rng.uniform(0.08, 0.92, 3) * image.shape
        low = np.maximum((centre - 1.5 * half).astype(int), 0)
        high = np.minimum((centre + 1.5 * half).astype(int) + 2, image.shape)
        part = image[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        places = np.ogrid[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        away = [np.abs(p - c) / h for p, c, h in zip(places, centre, half, strict=True)]
        value = rng.uniform(0.25, 0.9) * (1 + 0.2 * smooth_noise(part.shape, 1.2 / site.voxel, rng))
        if block:
            inside = np.maximum(np.maximum(away[0], away[1]), away[2]) < 1
            axis = int(rng.integers(3))
            stripes = rng.uniform(0.3, 1.1, 64).astype(np.float32)
            value = value * stripes[(places[axis] * site.voxel / site.thickness).astype(int) % 64]
        else:
            gone = np.sqrt(away[0] ** 2 + away[1] ** 2 + away[2] ** 2)
            inside = gone + 0.2 * smooth_noise(part.shape, 1.5 / site.voxel, rng) < 1
        chosen = inside & (part == 0)
        part[chosen] = np.maximum(value, 0.05)[chosen]

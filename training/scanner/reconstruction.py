"""Fusion of stacks into one volume: slices are spread by their profile, then differences are projected back.

A plain member of the family that SVRTK, NiftyMIC and MIALSRTK belong to (Gholipour et al., IEEE TMI 2010;
Kuklisova-Murgasova et al., Medical Image Analysis 2012; Tourbier et al., NeuroImage 2015); its settings make it
resemble one or the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from training.imaging.random_fields import Image
from training.scanner.acquisition import Stack, in_voxels, profile
from training.scanner.slice_kernels import cut, diffuse, spread

#: Weights below this share of the usual one count as nothing seen there.
_UNSEEN = 0.02
#: In place of the weights, where they are known already.
_KNOWN = np.zeros((0, 0, 0), np.float32)
#: Slices that fit this many times worse than the usual one lose most of their say.
_OUTLYING = 1.5


@dataclass(frozen=True)
class FusionSettings:
    """How a site's software reconstructs.

    Attributes:
        spacing: mm, of the reconstruction; it is interpolated to the stored voxel.
        iterations: of back-projection.
        step: share of each correction that is applied; above 1 it sharpens faster, and rings.
        profile: believed thickness of a slice against the true one; above 1 the result is over-sharpened.
        smoothing: strength of the regularisation after each iteration, below 1/6.
        edge: difference (share of the fluid's intensity) beyond which it no longer smooths more.
        robust: whether slices' brightness is matched, and slices that fit badly are put down.
    """

    spacing: float = 0.8
    iterations: int = 5
    step: float = 1.0
    profile: float = 1.0
    smoothing: float = 0.05
    edge: float = 0.1
    robust: bool = True

    def __post_init__(self) -> None:
        if self.iterations < 0 or self.spacing <= 0 or self.edge <= 0 or not 0 <= self.smoothing < 1 / 6:
            raise ValueError("fusion: iterations ≥ 0, spacing and edge above 0, smoothing below 1/6")


def fuse(
    stacks: Sequence[Stack],
    from_head: npt.NDArray[np.float64],
    shape: tuple[int, int, int],
    settings: FusionSettings,
) -> Image:
    """Reconstruct a volume.

    Args:
        stacks: what was scanned.
        from_head: 4×4 from head-frame mm to voxels (x, y, z) of the volume.
        shape: of the volume, (z, y, x).
        settings: how.

    Returns:
        (z, y, x) float32; 0 where nothing was seen.
    """
    views = [
        (stack, in_voxels(from_head, stack.believed), *profile(stack.thickness * settings.profile)) for stack in stacks
    ]
    values = [stack.values.copy() for stack in stacks]
    trusts = [stack.near.astype(np.float32) for stack in stacks]
    total, weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for (_, maps, offsets, weights), value, trust in zip(views, values, trusts, strict=True):
        spread(value, maps, offsets, weights, trust, total, weight)
    floor = _UNSEEN * float(weight[weight > 0].mean())
    seen = weight > floor
    volume = _filled(np.where(seen, total / np.maximum(weight, floor), 0), seen)
    for iteration in range(settings.iterations):
        matched = settings.robust and iteration < 2
        total[:] = 0
        if matched:  # else trusts, and with them the weights, are those of before
            weight[:] = 0
        for (stack, maps, offsets, weights), value, trust in zip(views, values, trusts, strict=True):
            expected = cut(volume, maps, offsets, weights, stack.near)
            if matched:
                _match(value, expected, trust, stack)
            spread(value - expected, maps, offsets, weights, trust, total, weight if matched else _KNOWN)
        volume += np.float32(settings.step) * total / np.maximum(weight, floor)
        volume = diffuse(volume, settings.smoothing, settings.edge)
    return np.where(_holes_closed(seen), np.maximum(volume, 0), np.float32(0))


def _match(values: Image, expected: Image, trust: Image, stack: Stack) -> None:
    """Scale each slice, in place, to what is expected of it, and trust it by how well it then fits."""
    misfits = np.full(len(values), np.nan)
    for s, near in enumerate(stack.near):
        if near.sum() < 20:
            continue
        seen, wanted = values[s][near], expected[s][near]
        values[s] *= np.float32(np.clip((seen @ wanted) / max(float(seen @ seen), 1e-6), 0.7, 1.6))
        misfits[s] = float(np.sqrt(np.mean((values[s][near] - wanted) ** 2)))
    usual = np.nanmedian(misfits)
    for s, misfit in enumerate(misfits):
        share = 1 / (1 + (misfit / (_OUTLYING * usual)) ** 6) if np.isfinite(misfit) else 1.0
        trust[s] = stack.near[s] * np.float32(share)


def _filled(volume: Image, seen: npt.NDArray[np.bool_]) -> Image:
    """Gaps between slices take what lies around them."""
    around = ndimage.gaussian_filter(volume, 2.0, truncate=2.5)
    share = ndimage.gaussian_filter(seen.astype(np.float32), 2.0, truncate=2.5)
    return np.where(seen, volume, around / np.maximum(share, 0.05)).astype(np.float32)


def _holes_closed(seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return np.asarray(ndimage.uniform_filter(seen.astype(np.float32), 5) > 0.4)

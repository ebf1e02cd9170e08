"""What an image compiles when it is built is all that a case needs."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from feta.grid import Grid
from feta.volumes import Volume
from inference.geometry import blur, native_kernel, profiles
from inference.geometry.native_grid import resample_to_native
from inference.geometry.orientation import CanonicalVolume, Reorientation
from inference.geometry.view import view
from inference.runs.warm_up import warm_up
from inference.topology import flips, growth, start, swelling
from inference.topology.correction import construct

KERNELS = {
    blur: ("_slab",),
    profiles: ("profiles",),
    native_kernel: ("interpolate",),
    growth: ("spread",),
    flips: ("flip",),
    start: ("tissue_voxels", "support", "deepest"),
    swelling: ("zones", "open_zone", "settle", "hand_over"),
}
#: Of the grid of 24 voxels a side, how much lies in the box that networks see.
WHOLE, PART = 30.0, 12.0


def signatures(kernels: dict[ModuleType, tuple[str, ...]]) -> dict[str, Any]:
    return {name: list(getattr(module, name).signatures) for module, names in kernels.items() for name in names}


@pytest.mark.parametrize("size", [WHOLE, PART])
def test_a_case_leaves_nothing_to_compile(size: float) -> None:
    warm_up()
    before = signatures(KERNELS)
    assert all(before.values())
    rng = np.random.default_rng(0)
    grid = Grid((24, 24, 24), (0.5, 0.5, 0.5), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    canonical = CanonicalVolume.of(Volume(rng.random((24, 24, 24), dtype=np.float32), grid))
    view(canonical.volume, np.eye(4), 2.0, (5, 5, 5))
    probabilities = torch.from_numpy(rng.random((8, 16, 16, 16), dtype=np.float32)).softmax(0)
    matrix = np.diag([16 / size] * 3 + [1.0])
    matrix[:3, 3] = (1.0, 1.0, 1.0) if size == WHOLE else (-3.0, -3.0, -3.0)
    native = resample_to_native(probabilities, matrix, (24, 24, 24), scores=True)
    assert native.scores is not None
    construct(native.labels[native.part], native.scores, np.zeros(native.scores.shape[1:], bool))
    Reorientation.by_content(Volume(native.labels, grid))
    assert signatures(KERNELS) == before

"""A head whose right half can be told: its right ventricle is larger."""

from __future__ import annotations

import numpy as np

from feta.labels import Tissue
from feta.volumes import Volume
from tests.support.heads import make_head


def lopsided_head(spacing: tuple[float, float, float] = (1.0, 1.2, 1.5)) -> Volume:
    """Labels (axis codes R-A-S) with a ventricle on the right of twice the width of that on the left."""
    labels = make_head(spacing).labels
    index = np.stack(np.meshgrid(*[np.arange(n) for n in labels.array.shape], indexing="ij")[::-1], axis=-1)
    matrix = labels.grid.affine()
    lps = index @ matrix[:3, :3].T + matrix[:3, 3]
    x, y, z = np.moveaxis((lps - [3.0, -5.0, 7.0]) * [-1, -1, 1], -1, 0)
    larger = ((x - 14) / 9) ** 2 + ((y + 12) / 10) ** 2 + ((z - 1) / 7) ** 2 < 1
    array = labels.array.copy()
    array[larger & np.isin(array, (Tissue.WM, Tissue.VM))] = Tissue.VM
    return Volume(array, labels.grid)

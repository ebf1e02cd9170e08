"""What an installation compiles is all that a score needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.metrics import backend, numba_backend, numba_components, numba_distances
from evaluation.metrics.measurements import measure
from evaluation.metrics.warm_up import warm_up
from feta.grid import Grid
from feta.volumes import Volume, read_label_map, write_label_map

LOOPS = {
    numba_backend: ("_mark",),
    numba_components: ("_joined",),
    numba_distances: ("_row_distances", "_search", "_sweep"),
}


def signatures() -> dict[str, Any]:
    return {name: list(getattr(module, name).signatures) for module, names in LOOPS.items() for name in names}


def test_a_score_leaves_nothing_to_compile(tmp_path: Path) -> None:
    if backend.load() is not numba_backend:
        pytest.skip("the metrics are NumPy's here")
    warm_up()
    before = signatures()
    assert all(before.values())
    rng = np.random.default_rng(0)
    grid = Grid((30, 26, 22), (0.8, 0.5, 1.1), (1.0, 2.0, 3.0), tuple(np.eye(3).ravel().tolist()))
    blocks = rng.integers(8, size=(2, 6, 7, 8), dtype=np.uint8).repeat(4, 1).repeat(4, 2).repeat(4, 3)
    paths = tmp_path / "truth.nii.gz", tmp_path / "prediction.nii.gz"
    for path, labels in zip(paths, blocks, strict=True):
        write_label_map(path, Volume(labels[:22, :26, :30].copy(), grid))
    truth = read_label_map(paths[0])
    measure(truth, read_label_map(paths[1], truth.grid))
    assert signatures() == before

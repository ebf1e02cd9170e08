"""The three phantoms: topology, contrast, the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluation.metrics.measurements import analyse
from evaluation.rehearsal.phantoms import SIGNAL, SIZES, draw_labels, draw_signal, write_phantoms
from feta.cases import find_cases
from feta.labels import EXPECTED_BETTI, TISSUES, Tissue
from feta.volumes import read_label_map, read_volume
from tests.support.rivals import files


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantoms(tmp_path_factory.mktemp("phantoms")).parent


@pytest.mark.parametrize("size", SIZES.values())
def test_every_tissue_has_the_topology_of_a_healthy_brain(size: float) -> None:
    """By the evaluator's Betti numbers, which tests of their own hold against gudhi's."""
    assert analyse(draw_labels(size)).betti.tolist() == [list(EXPECTED_BETTI[tissue]) for tissue in TISSUES]


def test_each_tissue_has_its_signal_and_nothing_lies_outside() -> None:
    labels = draw_labels(0.62)
    signal = draw_signal(labels, 1).array
    assert not signal[labels.array == 0].any()
    assert (signal[labels.array > 0] > 0).all()
    for tissue in (Tissue.WM, Tissue.VM, Tissue.CBM, Tissue.SGM):  # thick enough to have an inside
        assert np.median(signal[labels.array == tissue]) == pytest.approx(SIGNAL[tissue], rel=0.05)


def test_they_are_cases_of_three_ages_on_the_grid_of_their_label_maps(written: Path) -> None:
    cases = find_cases(written / "input").cases
    assert [case.age for case in cases] == list(SIZES)
    sizes = []
    for case in cases:
        grid = read_volume(case.image).grid
        name = case.name.replace("_T2w", "_dseg.nii.gz")
        sizes.append(int((read_label_map(written / "truth" / case.folder / name, grid).array > 0).sum()))
    assert sizes == sorted(set(sizes))


def test_they_are_the_same_every_time(written: Path, tmp_path: Path) -> None:
    write_phantoms(tmp_path)
    assert files(tmp_path) == files(written)

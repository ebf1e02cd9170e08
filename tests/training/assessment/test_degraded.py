"""A real volume made worse: what is done to it, and how far results move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from feta.labels import Tissue
from feta.measurements import Measurement
from feta.volumes import Volume, write_volume
from tests.support.small_brains import brain, volume
from training.assessment import degraded
from training.assessment.degraded import DEGRADED, LEFT_MM, SLICE_MM, Found, cut, measure_degraded, row, thick

LENGTHS = {Measurement.LCC: 30.0, Measurement.TCD: 20.0}


def shown(labels: Volume) -> Volume:
    return Volume(100.0 * labels.array.astype(np.float32), labels.grid)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[1:-1]]


@pytest.mark.parametrize("seed", range(6))
def test_slices_leave_a_ramp_what_it_was_between_the_outer_ones(seed: int) -> None:
    labels = volume(brain())
    ramp = np.indices(labels.array.shape).sum(0).astype(np.float32)
    made = thick((Volume(ramp, labels.grid), labels), np.random.default_rng(seed))[0].array
    edge = int(np.ceil(2 * SLICE_MM / min(labels.grid.spacing)))
    inner = (slice(edge, -edge),) * 3
    assert np.abs(made - ramp)[inner].max() < 0.51  # an even number of voxels has no middle one


def test_a_thin_bright_sheet_is_as_thick_as_a_slice() -> None:
    labels = volume(brain())
    for seed in range(6):
        axis = int(np.random.default_rng(seed).integers(3))
        sheet = np.zeros(labels.array.shape, np.float32)
        np.moveaxis(sheet, axis, 0)[sheet.shape[axis] // 2] = 1.0
        made = thick((Volume(sheet, labels.grid), labels), np.random.default_rng(seed))[0].array
        count = max(1, round(SLICE_MM / labels.grid.spacing[::-1][axis]))
        assert made.max() == pytest.approx(1 / count, rel=1e-5)


def test_a_cut_volume_keeps_its_brain_and_ends_near_it() -> None:
    labels = volume(brain())
    image = Volume(np.full(labels.array.shape, 7.0, np.float32), labels.grid)
    made = cut((image, labels), np.random.default_rng(0))[0].array
    assert (made[labels.array > 0] == 7.0).all()
    for axis in range(3):
        kept = np.flatnonzero(made.any(axis=tuple(a for a in range(3) if a != axis)))
        there = np.flatnonzero(labels.array.any(axis=tuple(a for a in range(3) if a != axis)))
        room = int(np.ceil(LEFT_MM / labels.grid.spacing[::-1][axis]))
        assert kept[0] == max(0, there[0] - room)
        assert kept[-1] == min(made.shape[axis] - 1, there[-1] + room)


def test_what_did_not_change_differs_by_nothing() -> None:
    found = Found(volume(brain()), LENGTHS)
    assert cells(row("a", found, found))[1:-1] == ["0.0%", "0.0% (ECSF)", "0.0%", "0.0%", "0.0% (LCC)"]


def test_differences_are_shares_of_what_was() -> None:
    first = Found(volume(brain()), LENGTHS)
    labels = brain().copy()
    there = np.argwhere(labels == Tissue.VM)
    lost = there[: len(there) // 2]
    labels[tuple(lost.T)] = 0
    line = cells(row("a", first, Found(volume(labels), {**LENGTHS, Measurement.TCD: 22.0})))
    share = len(lost) / len(there)
    assert line[1] == f"{share / 7:.1%}"
    assert line[2] == f"{share:.1%} (VM)"
    assert line[3] == f"{len(lost) / np.count_nonzero(brain()):.1%}"
    assert line[4:6] == ["5.0%", "10.0% (TCD)"]


def test_a_length_that_is_lost_differs_wholly() -> None:
    first = Found(volume(brain()), LENGTHS)
    assert cells(row("a", first, Found(first.labels, {Measurement.LCC: 30.0})))[4:6] == ["50.0%", "100.0% (TCD)"]


def test_a_stray_voxel_shows_in_the_topology() -> None:
    first, apart = Found(volume(brain()), LENGTHS), brain()
    apart[0, 0, 0] = Tissue.WM  # one piece more than white matter has, of seven tissues
    more, before = (float(cells(row("a", first, Found(volume(a), LENGTHS)))[-1]) for a in (apart, brain()))
    assert more - before == pytest.approx(1 / 7, abs=0.011)


def test_every_way_is_measured_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Volume] = []

    class Finder:
        def __init__(self, path: Path, weights: Path) -> None: ...

        def __call__(self, image: Volume) -> Found:
            seen.append(image)
            return Found(volume(brain()), LENGTHS)

    monkeypatch.setattr(degraded, "_Finder", Finder)
    write_volume(tmp_path / "a.nii.gz", shown(volume(brain())))
    lines: Iterator[str] = measure_degraded(tmp_path / "a.nii.gz", tmp_path, tmp_path / "table.md")
    printed = list(lines)
    assert (tmp_path / "table.md").read_text().splitlines() == printed
    assert [cells(line)[0] for line in printed[2:]] == list(DEGRADED)
    assert len(seen) == len(DEGRADED)  # the first counts for "as it is"
    assert not any(np.array_equal(seen[0].array, image.array) for image in seen[1:4])

"""Volumes and sides: which are the fetus's, whichever way a volume is stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from feta.grid import Grid
from feta.labels import TISSUES, Tissue
from feta.volumes import Volume, read_label_map, write_label_map
from inference.biometry.midline_alignment import align_to_midline
from inference.geometry.orientation import Reorientation
from inference.morphometry.label_frame import frame_of
from inference.morphometry.measured import Measured
from inference.morphometry.sides import halves
from inference.morphometry.sizes import measure_sizes
from inference.morphometry.volumes import SUMS, measure_volumes
from tests.support.heads import make_head
from tests.support.lopsided import lopsided_head
from tests.support.orientations import WAYS


def measured(labels: Volume) -> dict[str, Measured]:
    """By key, in the frame that the labels themselves tell."""
    frame = frame_of(labels)
    aligned = None if frame is None else align_to_midline(labels, frame.to_canonical)
    return {size.key: size for size in measure_volumes(labels, aligned)[0]}


def ventricles(labels: Volume) -> tuple[float, float]:
    """Left and right, ml."""
    found = measured(labels)
    left, right = found["VM_left"].value, found["VM_right"].value
    assert left is not None
    assert right is not None
    return left, right


@pytest.fixture(scope="module")
def head() -> Volume:
    return lopsided_head()


def test_volumes_are_counts_times_the_voxel(head: Volume) -> None:
    found = measured(head)
    for tissue in TISSUES:
        assert found[tissue.name].value == pytest.approx((head.array == tissue).sum() * 1.0 * 1.2 * 1.5 / 1000)
    for key, (_, parts) in SUMS.items():
        assert found[key].value == pytest.approx(sum(found[p.name].value or 0 for p in parts))


@pytest.mark.parametrize("tissue", ["GM", "WM", "VM"])
def test_both_halves_make_the_whole(tissue: str, head: Volume) -> None:
    found = measured(head)
    assert (found[f"{tissue}_left"].value or 0) + (found[f"{tissue}_right"].value or 0) == pytest.approx(
        found[tissue].value
    )


def test_the_side_of_the_larger_ventricle_is_the_right_one(head: Volume) -> None:
    left, right = ventricles(head)
    assert right > 1.5 * left


@pytest.mark.parametrize("way", WAYS[::5], ids=str)
def test_array_and_affine_turned_together_keep_the_sides(
    way: tuple[tuple[int, int, int], tuple[bool, bool, bool]], head: Volume
) -> None:
    stored = Reorientation(*way).apply(head)
    assert not np.array_equal(stored.array, head.array) or way == WAYS[0]
    assert ventricles(stored) == pytest.approx(ventricles(head), rel=0.03)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_array_mirrored_without_its_affine_swaps_the_sides(axis: int, head: Volume) -> None:
    mirrored = Volume(np.ascontiguousarray(np.flip(head.array, axis)), head.grid)
    assert ventricles(mirrored) == pytest.approx(ventricles(head)[::-1], rel=0.03)


@pytest.mark.parametrize("seed", range(4))
def test_the_headers_directions_are_not_asked(seed: int, head: Volume) -> None:
    """A fetus lies in any direction: the same voxels under a header that is turned at random."""
    turn = Rotation.random(random_state=seed).as_matrix() @ np.reshape(head.grid.direction, (3, 3))
    turned = Volume(head.array, replace(head.grid, direction=tuple(turn.ravel().tolist())))
    assert ventricles(turned) == pytest.approx(ventricles(head), rel=0.03)


def stored_with_codes(head: Volume, path: Path, qform: int, sform: int) -> Volume:
    write_label_map(path, head)
    image = nibabel.load(path, mmap=False)
    image.header["qform_code"], image.header["sform_code"] = qform, sform
    image.header["vox_offset"] = 352  # nibabel's own writer would set the codes again
    path.write_bytes(image.header.binaryblock + bytes(4) + head.array.tobytes())
    return read_label_map(path)


@pytest.mark.parametrize(("codes", "known"), [((0, 0), False), ((1, 0), True), ((0, 2), True), ((1, 1), True)])
def test_without_an_orientation_in_the_header_no_side_is_named(
    codes: tuple[int, int], known: bool, head: Volume, tmp_path: Path
) -> None:
    labels = stored_with_codes(head, tmp_path / "a.nii", *codes)
    frame = frame_of(labels)
    assert frame is not None
    aligned = align_to_midline(labels, frame.to_canonical)
    sizes = measure_sizes(labels, aligned)
    sides = {s.key: s for s in sizes.placed({}, 30.0) if s.key.endswith(("_left", "_right"))}
    assert len(sides) == 10
    assert all((s.value is not None) == known for s in sides.values())
    assert all("left and right unknown" in s.flag or known for s in sides.values())
    assert bool(sizes.warnings) != known
    assert {s.key: s.value for s in sizes.volumes}["WM"] == pytest.approx(measured(head)["WM"].value)


def test_forms_that_mirror_each_other_tell_no_side(head: Volume, tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    write_label_map(path, head)
    image = nibabel.load(path, mmap=False)
    before = image.affine.copy()
    image.set_sform(before @ np.diag([-1, 1, 1, 1]), 1)
    image.set_qform(before, 1)
    image.to_filename(tmp_path / "b.nii")
    assert measured(read_label_map(tmp_path / "b.nii"))["WM_left"].value is None


@pytest.mark.parametrize("tissue", [t for t in TISSUES if t is not Tissue.ECSF])
def test_a_tissue_that_is_not_there_is_not_measured_nor_what_it_is_part_of(tissue: Tissue) -> None:
    found = measured(make_head((2.0, 2.0, 2.0), missing=(tissue,)).labels)
    assert found[tissue.name].value is None
    assert found[tissue.name].flag == "not in the label map"
    for key, (_, parts) in SUMS.items():
        assert (found[key].value is None) == (tissue in parts)


@pytest.mark.parametrize("off", [-1.5, 1.5])
def test_a_plane_that_is_off_hardly_moves_cortex_from_side_to_side(off: float, head: Volume) -> None:
    """The cortex between the hemispheres is 5 mm thick here: a plane alone would move some ten per cent of it."""
    frame = frame_of(head)
    assert frame is not None
    aligned = align_to_midline(head, frame.to_canonical)
    assert aligned is not None
    shift = np.eye(4)
    shift[0, 3] = off
    moved = replace(aligned, to_physical=aligned.to_physical @ shift)
    before, after = halves(head, aligned), halves(head, moved)
    whole = (head.array == Tissue.GM).sum()
    assert before[Tissue.GM, "left"] == pytest.approx(before[Tissue.GM, "right"], rel=0.02)
    assert abs(after[Tissue.GM, "left"] - before[Tissue.GM, "left"]) < 0.01 * whole


def test_an_empty_map_has_no_volume_at_all() -> None:
    grid = Grid((9, 9, 9), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    sizes, _ = measure_volumes(Volume(np.zeros((9, 9, 9), np.uint8), grid), None)
    assert [size.value for size in sizes] == [None] * len(sizes)

"""Surfaces of a head whose shape is known, and of heads in which something is wrong."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from feta.grid import Grid, StoredGeometry
from feta.labels import Tissue
from feta.volumes import Volume
from inference.biometry.midline_alignment import align_to_midline
from inference.surfaces.described import surface_description, surface_sizes, surface_warnings
from inference.surfaces.gifti import gifti
from inference.surfaces.surfaces import SURFACES, Found, Surface, make_surfaces
from tests.support.heads import BRAIN, TO_CANONICAL, make_head


def made(labels: Volume) -> dict[tuple[str, str], Found]:
    return make_surfaces(labels, align_to_midline(labels, TO_CANONICAL))


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, str], Found]:
    return made(make_head().labels)


def surface(found: dict[tuple[str, str], Found], side: str, kind: str) -> Surface:
    one = found[side, kind]
    assert isinstance(one, Surface)
    return one


def test_all_four_have_genus_0_and_do_not_meet_themselves(found: dict[tuple[str, str], Found]) -> None:
    for key in SURFACES:
        one = surface(found, *key)
        assert (one.euler, one.self_intersections) == (2, 0)


def test_pial_surfaces_enclose_half_the_ellipsoid_each(found: dict[tuple[str, str], Found]) -> None:
    """But for brainstem and cerebellum below, which the head draws over it."""
    labels = make_head().labels.array
    half = 4 / 3 * np.pi * np.prod(BRAIN) / 2 - np.isin(labels, (Tissue.BSM, Tissue.CBM)).sum() / 2
    for side in ("left", "right"):
        assert half * 0.97 < surface(found, side, "pial").shape.volume < half * 1.08


def test_left_lies_on_the_fetus_left(found: dict[tuple[str, str], Found]) -> None:
    """The image's axes are R-A-S and the head's middle lies at LPS (3, −5, 7)."""
    assert surface(found, "left", "white").mesh.points[:, 0].mean() < -3 - 5
    assert surface(found, "right", "white").mesh.points[:, 0].mean() > -3 + 5


def test_a_turned_image_in_other_voxels_gives_the_same_places(found: dict[tuple[str, str], Found]) -> None:
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    labels = make_head((1.0, 1.2, 0.9), turn).labels
    frame = TO_CANONICAL.copy()
    other = make_surfaces(labels, align_to_midline(labels, frame))
    for key in SURFACES:
        here, there = surface(found, *key), surface(other, *key)
        assert there.shape.area == pytest.approx(here.shape.area, rel=0.03)
        np.testing.assert_allclose(there.mesh.points.mean(axis=0), here.mesh.points.mean(axis=0), atol=0.7)


def test_a_vertex_lies_between_a_voxel_in_and_one_out(found: dict[tuple[str, str], Found]) -> None:
    """Read back by nibabel's affine of the same grid."""
    head = make_head().labels
    to_index = np.linalg.inv(np.diag([-1.0, -1, 1, 1]) @ head.grid.affine())
    points = surface(found, "left", "pial").mesh.points
    index = np.rint(nib.affines.apply_affine(to_index, points)).astype(int)
    tissue = np.array([head.array[z, y, x] for x, y, z in index])
    # On the voxels' border about half of them are in.
    assert 0.2 < np.isin(tissue, (Tissue.GM, Tissue.WM, Tissue.SGM, Tissue.VM)).mean() < 0.95


def test_holes_loops_and_islands_do_not_change_the_genus() -> None:
    labels = make_head().labels
    array = labels.array.copy()
    noise = np.random.default_rng(3)
    brain = np.argwhere(np.isin(array, (Tissue.WM, Tissue.GM)))
    for z, y, x in brain[noise.integers(0, len(brain), 300)]:
        array[z, y, x] = noise.integers(0, 8)
    array[20:90, 50, 28] = Tissue.ECSF  # a tunnel
    found = made(Volume(array, labels.grid))
    for key in SURFACES:
        assert surface(found, *key).euler == 2
    assert surface(found, "left", "white").filled_ml + surface(found, "right", "white").filled_ml > 0


def test_hemispheres_share_no_place() -> None:
    found = made(make_head().labels)
    left, right = (surface(found, side, "pial").mesh.points[:, 0] for side in ("left", "right"))
    assert left.max() < right.min() + 1.5


def test_without_an_orientation_in_the_header_there_are_none_and_why() -> None:
    labels = make_head((2.0, 2.0, 2.0)).labels
    stored = StoredGeometry((0, 0), (1.0,) * 8, (0.0,) * 6, (0.0,) * 12, 2)
    found = made(Volume(labels.array, labels.grid.with_header(stored)))
    assert all(isinstance(one, str) for one in found.values())
    (said,) = surface_warnings(found)
    assert "left and right are unknown" in said
    assert all(size.value is None and "unknown" in size.flag for size in surface_sizes(found))


def test_without_cortex_there_are_white_surfaces_alone() -> None:
    found = made(make_head((2.0, 2.0, 2.0), missing=(Tissue.GM,)).labels)
    assert isinstance(found["left", "white"], Surface)
    assert found["left", "pial"] == "no cortex on that side"


@pytest.mark.parametrize("missing", [t for t in Tissue if t not in (Tissue.BACKGROUND, Tissue.GM, Tissue.WM)])
def test_any_other_tissue_may_be_missing(missing: Tissue) -> None:
    found = made(make_head((2.0, 2.0, 2.0), missing=(missing,)).labels)
    assert all(surface(found, *key).euler == 2 for key in SURFACES)


def test_half_a_brain_has_none() -> None:
    labels = make_head((2.0, 2.0, 2.0)).labels
    array = labels.array.copy()
    array[:, :, :26] = 0
    assert set(made(Volume(array, labels.grid)).values()) == {"half a brain, or one that is cut"}


def test_an_empty_map_and_one_without_white_matter_have_none() -> None:
    labels = make_head((2.0, 2.0, 2.0), missing=(Tissue.WM,)).labels
    assert set(made(labels).values()) == {"no white matter in the label map"}
    empty = replace(labels, array=np.zeros_like(labels.array))
    assert set(made(empty).values()) == {"the label map is empty, or doesn't tell how the brain lies"}


def test_self_intersections_are_said(found: dict[tuple[str, str], Found]) -> None:
    met = found | {("left", "pial"): replace(surface(found, "left", "pial"), self_intersections=3)}
    assert surface_warnings(met) == ("the left pial surface meets itself: 3 pairs of triangles",)
    files = {key: "_".join(key) for key in SURFACES}
    described = surface_description(met, files)["Surfaces"]
    assert described["left_pial"]["SelfIntersections"] == 3
    assert described["left_pial"]["Genus"] == 0


def test_nibabel_reads_what_was_written(found: dict[tuple[str, str], Found]) -> None:
    mesh = surface(found, "right", "pial").mesh
    image = nib.GiftiImage.from_bytes(gifti(mesh, "right", "pial"))
    points, triangles = image.agg_data("pointset"), image.agg_data("triangle")
    np.testing.assert_allclose(points, mesh.points, atol=1e-4)
    np.testing.assert_array_equal(triangles, mesh.triangles)
    first = image.darrays[0]
    assert first.meta["AnatomicalStructurePrimary"] == "CortexRight"
    assert first.meta["GeometricType"] == "Anatomical"
    assert image.darrays[1].meta["TopologicalType"] == "Closed"
    assert first.coordsys.dataspace == nib.nifti1.xform_codes["NIFTI_XFORM_SCANNER_ANAT"]


def test_a_tiny_grid_is_no_brain() -> None:
    grid = Grid((2, 2, 2), (1.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel().tolist()))
    labels = Volume(np.full((2, 2, 2), Tissue.WM, np.uint8), grid)
    assert all(isinstance(one, str) for one in make_surfaces(labels, align_to_midline(labels, np.eye(4))).values())

"""The analytic brain is the oracle of other tests: its topology and its lengths must be exactly what it says."""

from __future__ import annotations

import gudhi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.metrics.measurements import analyse
from feta.labels import EXPECTED_BETTI, TISSUES, Tissue
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import Volume
from training.phantom.case import PhantomHead, PhantomMaker
from training.phantom.phantom import draw_phantom
from training.phantom.tissues import draw_tissues
from training.scanner.case import draw_pose, true_labels
from training.scanner.case_plan import CasePlan, SimulatedCase, plan_cases
from training.scanner.cohort_settings import read_cohort_settings
from training.scanner.exact_topology import grow_tissues
from training.scanner.sites import draw_grid, draw_rotation, draw_sites

SITES = read_cohort_settings().sites


def betti_numbers(mask: np.ndarray) -> tuple[int, int, int]:
    """Betti numbers of a mask by gudhi, voxels as vertices: 6-connected foreground."""
    filled = np.argwhere(mask)
    box = tuple(slice(a, b + 1) for a, b in zip(filled.min(0), filled.max(0), strict=True)) if len(filled) else ()
    padded = np.pad(mask[box], 1)
    cells = gudhi.CubicalComplex(vertices=np.where(padded, 0.0, 1.0))
    cells.compute_persistence(homology_coeff_field=2, min_persistence=0)
    numbers = cells.persistent_betti_numbers(0.0, 0.0)
    return tuple(int(n) for n in (*numbers, 0, 0, 0)[:3])


def drawn(site: int, voxel: float, seed: int, age: float, pathological: bool) -> tuple[CasePlan, SimulatedCase]:
    plan = CasePlan("sub-001", draw_sites(SITES, site + 1, voxel)[site], age, pathological, 3.0, (seed,))
    return plan, PhantomMaker()(plan)


def drawn_labels(site: int, voxel: float, seed: int, age: float, pathological: bool) -> Volume:
    """The label map alone, without an image."""
    rng = np.random.default_rng(seed)
    head = PhantomHead(draw_phantom(rng, age, pathological, voxel))
    place = draw_sites(SITES, site + 1, voxel)[site]
    grid = draw_grid(place, rng)
    return Volume(true_labels(head, grid, draw_pose(head.box, grid, place.turn, rng)), grid)


@pytest.fixture(scope="module")
def fine() -> tuple[CasePlan, SimulatedCase]:
    """An upright brain of 30 weeks at 0.8 mm."""
    return drawn(0, 0.8, 5, 30.0, False)


def check_topology(labels: Volume) -> None:
    """By gudhi where it answers in seconds, else by the evaluator's own count, which its tests hold to gudhi."""
    counted = analyse(labels).betti if labels.array.size > 70**3 else None
    for i, tissue in enumerate(TISSUES):
        found = tuple(counted[i]) if counted is not None else betti_numbers(labels.array == tissue)
        assert found == EXPECTED_BETTI[tissue], tissue.name


@pytest.mark.parametrize(
    ("site", "voxel", "age", "pathological"),
    [(1, 1.0, 35.5, False), (2, 1.0, 21.0, True), (3, 2.0, 24.0, True), (4, 2.0, 33.0, False), (0, 1.4, 28.0, True)],
)
def test_every_tissue_has_its_betti_numbers_at_every_site(
    site: int, voxel: float, age: float, pathological: bool
) -> None:
    check_topology(drawn_labels(site, voxel, 11, age, pathological))


def test_betti_numbers_at_fine_voxels(fine: tuple[CasePlan, SimulatedCase]) -> None:
    check_topology(fine[1].labels)


@pytest.mark.parametrize("seed", range(3))
def test_growth_changes_little_of_what_was_drawn(seed: int) -> None:
    """Topology is made exact by moving few voxels: the drawn solids are nearly right by themselves."""
    rng = np.random.default_rng(seed)
    brain = draw_phantom(rng, 23.0 + 5 * seed, False, 1.5)
    axis = np.arange(-66, 67, 1.5, dtype=np.float32)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    target = draw_tissues(brain, (x, y, z))
    grown = grow_tissues(target, x < 0)
    assert (grown != target).sum() < 0.02 * (target > 0).sum()
    assert ((grown == 0) & (target > 0)).sum() < 0.005 * (target > 0).sum()
    assert not grown[target == 0].any()


def widths(plan: CasePlan, case: SimulatedCase, mask: np.ndarray, measurement: Measurement) -> float:
    """Extent of a mask along a length's own direction, mm, voxels counted whole."""
    ends = case.landmarks[measurement]
    direction = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    affine = case.labels.grid.affine()
    positions = np.argwhere(mask)[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]
    along = positions @ direction
    return float(along.max() - along.min()) + plan.site.voxel * float(np.abs(affine[:3, :3].T @ direction).max()) / (
        plan.site.voxel
    )


@pytest.mark.parametrize(
    ("measurement", "tissues"),
    [
        (Measurement.BBIP, (Tissue.GM, Tissue.WM)),
        (Measurement.TCD, (Tissue.CBM,)),
        (Measurement.SBIP, tuple(TISSUES)),
    ],
)
def test_widths_are_those_of_the_label_map(
    fine: tuple[CasePlan, SimulatedCase], measurement: Measurement, tissues: tuple[Tissue, ...]
) -> None:
    plan, case = fine
    mask = np.isin(case.labels.array, [int(t) for t in tissues])
    assert widths(plan, case, mask, measurement) == pytest.approx(case.lengths[measurement], abs=1.6 * plan.site.voxel)


@pytest.mark.parametrize(
    ("measurement", "tissue"), [(Measurement.LCC, Tissue.WM), (Measurement.HV, Tissue.CBM)], ids=["LCC", "HV"]
)
def test_midline_lengths_end_where_their_tissue_ends(
    fine: tuple[CasePlan, SimulatedCase], measurement: Measurement, tissue: Tissue
) -> None:
    """Two voxels inside each end lies the tissue, two voxels outside it does not."""
    plan, case = fine
    ends = case.landmarks[measurement]
    outwards = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    inverse = np.linalg.inv(case.labels.grid.affine())
    for end, sign in ((ends[0], -1), (ends[1], 1)):
        for step, inside in ((-1.2, True), (1.6, False)):
            point = end + sign * step * plan.site.voxel * outwards
            x, y, z = np.rint(inverse[:3, :3] @ point + inverse[:3, 3]).astype(int)
            assert (case.labels.array[z, y, x] == tissue) == inside, (measurement, sign, step)


def test_landmarks_are_as_far_apart_as_the_lengths_say(fine: tuple[CasePlan, SimulatedCase]) -> None:
    for measurement, ends in fine[1].landmarks.items():
        assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(fine[1].lengths[measurement], abs=1e-9)


def test_a_pathological_brain_has_large_ventricles_and_a_small_cerebellum() -> None:
    healthy, ill = (drawn_labels(0, 1.5, 3, 29.0, pathological).array for pathological in (False, True))
    assert (ill == Tissue.VM).sum() > 1.3 * (healthy == Tissue.VM).sum()
    assert (ill == Tissue.CBM).sum() < 0.8 * (healthy == Tissue.CBM).sum()


def test_fetuses_of_one_age_differ_and_no_line_in_age_fits() -> None:
    plans = plan_cases(SITES[:1], 40, 0)
    ages = np.array([plan.age for plan in plans])
    for measurement in MEASUREMENTS:
        lengths = [
            draw_phantom(np.random.default_rng(p.seed), p.age, p.pathological, 0.8).lengths[measurement] for p in plans
        ]
        residual = lengths - np.polyval(np.polyfit(ages, lengths, 1), ages)
        assert 0.01 < np.std(residual) / np.mean(lengths) < 0.25, measurement
        assert np.corrcoef(ages, lengths)[0, 1] > 0.6, measurement


def test_the_skull_always_leaves_room_for_fluid() -> None:
    for seed in range(200):
        brain = draw_phantom(np.random.default_rng(seed), 20.5 + seed % 16, False, 1.0)
        assert brain.subarachnoid >= 1.8


def test_fluid_is_bright_and_cortex_darker_than_white_matter(fine: tuple[CasePlan, SimulatedCase]) -> None:
    _, case = fine
    mean = {t: case.image.array[case.labels.array == t].mean() for t in TISSUES}
    assert mean[Tissue.VM] > mean[Tissue.WM] > mean[Tissue.GM]
    assert mean[Tissue.ECSF] > mean[Tissue.WM] > mean[Tissue.SGM]


def test_masked_sites_are_black_outside_and_others_are_not() -> None:
    for site in range(3):
        plan, case = drawn(site, 2.0, 1, 28.0, False)
        outside = case.image.array[case.labels.array == 0]
        assert (np.median(outside) == 0) == plan.site.masked


@given(st.integers(0, 2**32 - 1), st.floats(1, 90))
@settings(max_examples=30, deadline=None)
def test_rotations_are_rotations(seed: int, degrees: float) -> None:
    matrix = draw_rotation(degrees, np.random.default_rng(seed))
    assert np.allclose(matrix @ matrix.T, np.eye(3))
    assert np.linalg.det(matrix) == pytest.approx(1)

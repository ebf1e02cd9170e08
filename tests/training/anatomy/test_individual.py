"""Individuals are as large as they were drawn, bent without a fold, and their landmarks lie where the map says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.spatial.transform import Rotation

from feta.age_model import PUBLISHED_CURVES
from feta.labels import Tissue
from feta.measurements import MEASUREMENTS, Measurement
from tests.support.phantom_template import VOXEL, phantom_template
from training.anatomy.growth import GrowthSettings, draw_lengths, draw_maturity
from training.anatomy.individual import Individual, draw_individual
from training.anatomy.kernels import interpolate
from training.anatomy.pathology import Finding, PathologySettings, draw_pathology
from training.anatomy.plan import IndividualSettings
from training.anatomy.template import CALLOSUM, Template, aligned_to_midline
from training.anatomy.template_landmarks import locate_landmarks
from training.anatomy.velocity_field import determinants
from training.assessment.age_lines import draw_table, score_line
from training.imaging.lattice import Lattice
from training.scanner.cohort_settings import read_cohort_settings

AGE = 23.0
TEMPLATE = phantom_template(AGE)
SETTINGS = replace(read_cohort_settings().individuals, latent_size=0)


def anatomy(age: float, pathology: float, latent: npt.NDArray[np.floating] | None) -> Template:
    return TEMPLATE


def only(finding: Finding) -> IndividualSettings:
    weights = {kind.name.lower(): float(kind is finding) for kind in Finding}
    return replace(SETTINGS, pathology=replace(SETTINGS.pathology, second=0.0, **weights))


def drawn(seed: int, settings: IndividualSettings = SETTINGS, pathological: bool = False) -> Individual:
    return draw_individual(np.random.default_rng(seed), AGE, pathological, anatomy, settings)


@pytest.fixture(scope="module")
def healthy() -> list[Individual]:
    return [drawn(seed) for seed in range(3)]


@pytest.fixture(scope="module")
def ill() -> dict[Finding, Individual]:
    return {finding: drawn(1, only(finding), True) for finding in Finding}


def box(individual: Individual, spacing: float) -> torch.Tensor:
    axes = [torch.arange(*individual.box[:, i], spacing, dtype=torch.float32) for i in range(3)]
    return torch.stack(torch.meshgrid(*axes[::-1], indexing="ij")[::-1], dim=-1)


def volume(individual: Individual, tissue: Tissue) -> float:
    labels, _ = individual.at(box(individual, 0.8))
    return float((labels == tissue).sum()) * 0.8**3


def test_lengths_are_those_drawn(healthy: list[Individual], ill: dict[Finding, Individual]) -> None:
    for individual in [*healthy, *ill.values()]:
        for m in MEASUREMENTS:
            ends = individual.landmarks[m]
            assert individual.lengths[m] == pytest.approx(np.linalg.norm(ends[1] - ends[0]), abs=1e-9)
            assert individual.lengths[m] == pytest.approx(individual.plan.lengths[m], rel=0.02), m


def test_the_same_seed_draws_the_same_and_another_does_not(healthy: list[Individual]) -> None:
    again = drawn(1)
    points = box(again, 2.5)
    for a, b in zip(again.at(points), healthy[1].at(points), strict=True):
        assert np.array_equal(a, b)
    assert again.lengths == healthy[1].lengths
    assert not np.array_equal(again.at(points)[0], healthy[2].at(points)[0])


def test_some_are_mirrored_and_no_two_are_alike(healthy: list[Individual]) -> None:
    assert {bool(i.scale[0] < 0) for i in healthy} == {True, False}
    assert len({tuple(i.lengths.values()) for i in healthy}) == len(healthy)


def test_sides_differ(healthy: list[Individual]) -> None:
    points = box(healthy[0], 1.5)
    labels = healthy[0].at(points)[0]
    mirrored = healthy[0].at(points * torch.tensor([-1.0, 1.0, 1.0]))[0]
    assert (labels != mirrored).sum() > 0.05 * (labels > 0).sum()


def test_head_and_template_are_each_others_inverse(healthy: list[Individual]) -> None:
    for individual in healthy:
        points = np.random.default_rng(0).uniform(*individual.box, (500, 3))
        assert np.abs(individual.to_head(individual.to_template(points)) - points).max() < 0.02


def test_the_map_is_the_template_bent(healthy: list[Individual]) -> None:
    """What the table gives is what integrating each point gives."""
    individual = healthy[0]
    points = np.random.default_rng(5).uniform(*individual.box, (3000, 3))
    expected = individual.template.sampled(torch.from_numpy(individual.to_template(points)).float()[None, None])[0]
    found = individual.at(torch.from_numpy(points).float()[None, None])[0]
    assert (expected != found).mean() < 0.01
    lattice, table = individual._table
    index = interpolate(table, lattice.index(points).astype(np.float32))
    to_mm = np.linalg.inv(individual.template.to_index)
    apart = index @ to_mm[:3, :3].T + to_mm[:3, 3] - individual.to_template(points)
    assert np.quantile(np.linalg.norm(apart, axis=1), 0.99) < 0.05


def test_nothing_folds(healthy: list[Individual], ill: dict[Finding, Individual]) -> None:
    for individual in [*healthy, *ill.values()]:
        low, high = individual.box
        shape = tuple(np.ceil((high - low)[::-1]).astype(int))
        places = Lattice(low, 1.0, (shape[0], shape[1], shape[2])).positions()
        back = individual.to_template(places.reshape(-1, 3)).reshape(places.shape)
        assert (determinants(back, 1.0) * np.sign(individual.scale[0])).min() > 0.01


@pytest.mark.parametrize(
    ("measurement", "label"), [(Measurement.LCC, CALLOSUM), (Measurement.HV, Tissue.CBM), (Measurement.TCD, Tissue.CBM)]
)
def test_landmarks_lie_at_the_ends_of_their_structure(
    healthy: list[Individual], measurement: Measurement, label: int
) -> None:
    """1.5 mm inside each end lies the structure, 1.5 mm outside it does not."""
    hits = []
    for individual in healthy:
        ends = individual.landmarks[measurement]
        way = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
        for end, sign in ((ends[0], 1), (ends[1], -1)):
            points = torch.from_numpy(np.array([end + sign * 1.5 * way, end - sign * 1.5 * way])).float()
            inside, outside = individual.at(points[None, None])[0][0, 0]
            hits += [inside == label, outside != label]
    assert np.mean(hits) > 0.9


def test_size_is_not_the_templates() -> None:
    """The same draw from a template of another scale is as large: atlases are 11 % above the published curves."""

    def larger(age: float, pathology: float, latent: npt.NDArray[np.floating] | None) -> Template:
        return phantom_template(AGE, 1.12)

    individual = draw_individual(np.random.default_rng(1), AGE, False, larger, SETTINGS)
    for m in MEASUREMENTS:
        assert individual.lengths[m] == pytest.approx(individual.plan.lengths[m], rel=0.02)


def test_landmarks_grow_with_their_template() -> None:
    small, large = locate_landmarks(phantom_template(AGE, 0.8), 2.0), locate_landmarks(phantom_template(AGE, 1.2), 3.0)
    for m in MEASUREMENTS:
        lengths = [float(np.linalg.norm(np.diff(s.landmarks[m], axis=0))) for s in (small, large)]
        # Outlines are smoothed by a width in mm.
        assert lengths[1] / lengths[0] == pytest.approx(1.5, rel=0.04), m


def test_ventricles_swell_as_drawn(ill: dict[Finding, Individual]) -> None:
    """By how much, against the template's own volume at the individual's scale."""
    individual = ill[Finding.VENTRICULOMEGALY]
    assert individual.plan.ventricles > 1.5
    own = float((TEMPLATE.scores.argmax(0) == Tissue.VM).sum()) * VOXEL**3 * np.abs(np.prod(individual.scale))
    assert volume(individual, Tissue.VM) / own == pytest.approx(individual.plan.ventricles, rel=0.2)


def test_a_small_cerebellum_is_small(ill: dict[Finding, Individual], healthy: list[Individual]) -> None:
    individual = ill[Finding.SMALL_CEREBELLUM]
    assert individual.lengths[Measurement.TCD] < 0.9 * healthy[1].lengths[Measurement.TCD]
    assert volume(individual, Tissue.CBM) < 0.8 * volume(healthy[1], Tissue.CBM)


def test_spina_bifida_leaves_little_fluid(ill: dict[Finding, Individual], healthy: list[Individual]) -> None:
    lengths = ill[Finding.SPINA_BIFIDA].lengths
    assert lengths[Measurement.SBIP] - lengths[Measurement.BBIP] < 5
    assert volume(ill[Finding.SPINA_BIFIDA], Tissue.ECSF) < 0.75 * volume(healthy[1], Tissue.ECSF)


def test_a_short_callosum_is_short(ill: dict[Finding, Individual], healthy: list[Individual]) -> None:
    assert ill[Finding.SHORT_CALLOSUM].lengths[Measurement.LCC] < 0.9 * healthy[1].lengths[Measurement.LCC]


def test_healthy_lengths_follow_the_published_curves() -> None:
    rng = np.random.default_rng(0)
    rows = [draw_lengths(rng, 28.0, GrowthSettings(most=3.0))[0] for _ in range(3000)]
    for m, curve in PUBLISHED_CURVES.items():
        values = np.array([row[m] for row in rows])
        assert values.mean() == pytest.approx(curve.mean(28.0), rel=0.01)
        assert values.std() == pytest.approx(curve.sd(28.0), rel=0.06)


def test_maturity_stays_near_the_stated_age() -> None:
    rng = np.random.default_rng(0)
    ahead = [draw_maturity(rng, 30.0, SETTINGS.growth) - 30.0 for _ in range(2000)]
    assert abs(np.mean(ahead)) < 0.05
    assert np.max(np.abs(ahead)) <= SETTINGS.growth.dating_most


def test_every_finding_is_drawn_and_some_fetuses_have_two() -> None:
    rng = np.random.default_rng(0)
    found = [draw_pathology(rng, PathologySettings()).findings for _ in range(500)]
    assert {kind for kinds in found for kind in kinds} == set(Finding)
    assert 0.1 < np.mean([len(kinds) == 2 for kinds in found]) < 0.4
    assert all(len(kinds) in (1, 2) for kinds in found)


@pytest.mark.parametrize("seed", [10, 20])
def test_a_line_in_age_errs_as_it_does_in_life(seed: int) -> None:
    settings = read_cohort_settings().individuals
    errors = score_line(draw_table(seed, 400, settings), draw_table(seed + 1, 400, settings))
    assert 7 < errors.mean() < 12


def test_a_line_has_no_error_on_a_line() -> None:
    ages = np.array([20.0, 25, 30, 35])
    lengths = np.stack([10 + k * ages for k in range(1, 6)], axis=1)
    assert score_line((ages, lengths), (ages + 1, lengths + np.arange(1, 6))) == pytest.approx(0, abs=1e-9)
    assert score_line((ages, lengths), (ages, 1.25 * lengths)) == pytest.approx(20)


def test_a_template_that_sits_askew_is_stood_upright() -> None:
    """Two weeks' atlases differ by some degrees of roll and yaw; the midline must be at x = 0 before landmarks are."""
    tilt = np.eye(4)
    tilt[:3, :3] = Rotation.from_euler("yz", (4.0, -4.0), degrees=True).as_matrix()
    tilt[:3, 3] = (1.5, 3.0, -2.0)
    found = aligned_to_midline(replace(TEMPLATE, to_index=TEMPLATE.to_index @ np.linalg.inv(tilt)))
    # From the template's own frame, in which it is symmetric, to the one in which it stands upright.
    moved = np.linalg.inv(found.to_index) @ TEMPLATE.to_index
    left_right = moved[0, :3]
    assert left_right == pytest.approx([1, 0, 0], abs=0.012)
    assert moved[0, 3] == pytest.approx(0, abs=0.3)

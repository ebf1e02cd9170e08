"""From a head to a stored volume: what is inside the brain stays, masks are where they should be, quality shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage

from feta.labels import Tissue
from feta.measurements import MEASUREMENTS, Measurement
from training.imaging.lattice import Lattice
from training.scanner.appearance import AppearanceSettings, Contrast, brain_image
from training.scanner.case import scan_case
from training.scanner.case_plan import CasePlan, SimulatedCase
from training.scanner.cohort_settings import read_cohort_settings
from training.scanner.sites import draw_sites
from training.scanner.surroundings import head_distances, paint_surroundings

SETTINGS = read_cohort_settings()
#: Half axes (x, y, z) in mm of nested ellipsoids, from the outside in.
SHELLS = ((Tissue.ECSF, 1.0), (Tissue.GM, 0.9), (Tissue.WM, 0.8))
HALF = np.array([28.0, 34.0, 26.0])


class Egg:
    """A head of nested ellipsoids, with small balls for the other tissues."""

    box = np.stack([-HALF, HALF])
    landmarks: Mapping[Measurement, npt.NDArray[np.float64]] = {
        m: np.array([[-5.0 - i, 0, 0], [5.0 + i, 0, 0]]) for i, m in enumerate(MEASUREMENTS)
    }
    lengths: Mapping[Measurement, float] = {m: 10.0 + 2 * i for i, m in enumerate(MEASUREMENTS)}

    def at(self, points: torch.Tensor) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        p = points.numpy()
        radius = np.sqrt(((p / HALF) ** 2).sum(axis=-1))
        labels = np.zeros(p.shape[:3], np.uint8)
        for tissue, share in SHELLS:
            labels[radius < share] = tissue
        # A fissure of fluid parts the hemispheres' cortex; the white matter holds together below it.
        labels[(np.abs(p[..., 0]) < 2.1) & (p[..., 2] > -6) & (labels > 0)] = Tissue.ECSF
        labels[(np.abs(p[..., 0]) < 2.1) & (p[..., 2] <= -6) & (labels == Tissue.GM)] = Tissue.ECSF
        for tissue, centre in (
            (Tissue.VM, (0, 12, -12)),
            (Tissue.CBM, (0, -12, -12)),
            (Tissue.SGM, (12, 0, 0)),
            (Tissue.BSM, (0, 0, -13)),
        ):
            labels[((p - np.array(centre, np.float32)) ** 2).sum(axis=-1) < 30] = tissue
        return labels, np.zeros(labels.shape, np.float32)


def case(site: int, quality: float, seed: int = 1, stray: int | None = None) -> SimulatedCase:
    place = draw_sites(SETTINGS.sites, 5, 2.0)[site]
    place = replace(place, stray=place.stray if stray is None else stray)
    plan = CasePlan("sub-001", place, 28.0, False, quality, (seed,))
    return scan_case(plan, lambda rng, plan: Egg(), SETTINGS)


@pytest.fixture(scope="module")
def masked() -> SimulatedCase:
    return case(0, 4.0, stray=0)


def test_fluid_is_bright_and_cortex_darker_than_white_matter(masked: SimulatedCase) -> None:
    inner = {t: ndimage.binary_erosion(masked.labels.array == t) for t in (Tissue.VM, Tissue.WM, Tissue.CBM)}
    mean = {t: masked.image.array[mask].mean() for t, mask in inner.items()}
    assert mean[Tissue.VM] > 1.1 * mean[Tissue.WM] > 1.1 * masked.image.array[masked.labels.array == Tissue.GM].mean()


def test_a_masked_volume_is_black_away_from_the_brain(masked: SimulatedCase) -> None:
    brain = masked.labels.array > 0
    assert not masked.image.array[~ndimage.binary_dilation(brain, iterations=5)].any()
    assert (masked.image.array[brain] > 0).mean() > 0.97


def test_islands_lie_where_the_mask_left_black() -> None:
    with_islands, without = case(0, 4.0, stray=30).image.array, case(0, 4.0, stray=0).image.array
    extra = (with_islands > 0) & (without == 0)
    assert ndimage.label(extra)[1] > 5


def test_an_unmasked_volume_shows_what_lies_around() -> None:
    found = case(1, 4.0)
    outside = ndimage.binary_dilation(found.labels.array > 0, iterations=2)
    assert (found.image.array[~outside] > 0).mean() > 0.9


def test_the_brain_is_where_its_labels_are(masked: SimulatedCase) -> None:
    """The image's centre of mass and that of the labelled brain are less than a voxel apart."""
    brain = masked.labels.array > 0
    gap = np.subtract(ndimage.center_of_mass(masked.image.array > 0), ndimage.center_of_mass(brain))
    assert np.abs(gap).max() < 1


def test_landmarks_move_with_the_head(masked: SimulatedCase) -> None:
    for measurement, ends in masked.landmarks.items():
        assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(masked.lengths[measurement])
    affine = np.linalg.inv(masked.labels.grid.affine())
    middle = affine[:3, :3] @ masked.landmarks[MEASUREMENTS[0]].mean(axis=0) + affine[:3, 3]
    centre = np.array(ndimage.center_of_mass(masked.labels.array > 0))[::-1]
    assert np.abs(middle - centre).max() < 1.5


def test_a_lower_quality_is_farther_from_a_perfect_scan() -> None:
    perfect, good, bad = (case(3, quality).image.array for quality in (4.0, 3.0, 0.5))
    brain = case(3, 4.0).labels.array > 0
    likeness = [np.corrcoef(perfect[brain], other[brain])[0, 1] for other in (good, bad)]
    assert likeness[0] > likeness[1]


def test_the_same_plan_gives_the_same_volume(masked: SimulatedCase) -> None:
    again = case(0, 4.0, stray=0)
    assert np.array_equal(again.image.array, masked.image.array)
    assert again.image.grid == masked.image.grid


def egg_on_a_lattice() -> tuple[Lattice, npt.NDArray[np.uint8]]:
    lattice = Lattice(np.array([-45.0, -45.0, -60.0]), 1.5, (80, 60, 60))
    x, y, z = np.broadcast_arrays(*lattice.axes())
    return lattice, Egg().at(torch.from_numpy(np.stack([x, y, z], axis=-1)))[0]


def test_surroundings_leave_the_brain_alone_behind_a_dark_skull() -> None:
    lattice, labels = egg_on_a_lattice()
    image = labels.astype(np.float32)
    from_brain, from_vault, _ = head_distances(labels > 0, lattice, SETTINGS.surroundings)
    rng = np.random.default_rng(0)
    paint_surroundings(image, labels, from_brain, from_vault, lattice, Egg.box, SETTINGS.surroundings, rng)
    assert np.array_equal(image[labels > 0], labels[labels > 0])
    assert image[labels == 0].min() > 0
    assert image[labels == 0].std() > 0.1
    rim = ndimage.binary_dilation(labels > 0) & (labels == 0)
    assert np.median(image[rim]) < 0.3


def test_distances_grow_outwards_from_the_brain() -> None:
    lattice, labels = egg_on_a_lattice()
    from_brain, from_vault, coarse = head_distances(labels > 0, lattice, SETTINGS.surroundings)
    x, y, z = coarse.axes()
    radius = np.sqrt((x / HALF[0]) ** 2 + (y / HALF[1]) ** 2 + (z / HALF[2]) ** 2)
    assert from_brain.shape == from_vault.shape == coarse.shape
    assert (from_brain[radius < 0.9] == 0).all()
    assert (from_vault <= from_brain).all()
    assert from_brain[radius > 1.5].min() > 8


def test_a_tissue_has_its_contrast_and_its_own_signal() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 9, (30, 30, 30)).astype(np.uint8)
    signal = rng.standard_normal(labels.shape).astype(np.float32)
    even = Contrast(*np.linspace(0.3, 1.0, 8))
    none = AppearanceSettings(jitter=0.0, own=Contrast(*[0.0] * 8), patches=0.0, fluid_patches=0.0)
    flat = brain_image(labels, signal, 1.0, even, none, rng)
    assert np.allclose(flat, even.by_label()[labels])
    own = brain_image(labels, signal, 1.0, even, replace(none, own=Contrast(*[0.1] * 8), most=9.0), rng)
    for label in range(1, 9):
        inside = labels == label
        assert np.corrcoef(own[inside], signal[inside])[0, 1] > 0.99
        assert own[inside].mean() == pytest.approx(even.by_label()[label], abs=1e-3)

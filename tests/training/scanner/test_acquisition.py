"""Slices of a moving head and their fusion: against scipy, against themselves, against a head that is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from training.imaging.random_fields import rician, smooth_noise, stretched
from training.scanner.acquisition import Object, Stack, acquire, profile
from training.scanner.cohort_settings import read_cohort_settings
from training.scanner.degradation import Degradation, DegradationSettings, degradation_at
from training.scanner.reconstruction import FusionSettings, fuse
from training.scanner.slice_kernels import cut, diffuse, resampled, spread

PERFECT = Degradation(3, 1e-6, 1e-6, 1e-6, 1e-6, 1e-6, 1e-9, 1e-6)
FUSION = FusionSettings(spacing=1.5, iterations=6, smoothing=0.0, robust=False)
BOX = np.array([[-20.0, -20.0, -20.0], [20.0, 20.0, 20.0]])


def lattice(count: int, spacing: float) -> np.ndarray:
    """4×4 from mm to voxels of a cube about the origin."""
    matrix = np.diag([1 / spacing] * 3 + [1.0])
    matrix[:3, 3] = (count - 1) / 2
    return matrix


def scanned_head() -> Object:
    """Smooth blobs in a cube of 60 mm."""
    image = 0.5 + 0.15 * smooth_noise((60, 60, 60), 3.0, np.random.default_rng(1))
    return Object(image, np.zeros((4, 4, 4), np.float32), lattice(60, 1.0), lattice(4, 20.0))


def scan(bad: Degradation, seed: int = 0) -> list[Stack]:
    return acquire(scanned_head(), BOX, 1.5, 3.0, 0.0, np.inf, bad, np.random.default_rng(seed))


def misfit(stacks: list[Stack], fusion: FusionSettings) -> float:
    """Root mean square error of what is fused in the middle of the head, against its own spread."""
    count = 27
    fused = fuse(stacks, lattice(count, 1.5), (count, count, count), fusion)
    to_object = lattice(60, 1.0) @ np.linalg.inv(lattice(count, 1.5))
    truth = resampled(scanned_head().image, to_object[:3], count, count, count)
    middle = (slice(5, -5),) * 3
    return float((fused - truth)[middle].std() / truth[middle].std())


def random_maps(rng: np.random.Generator) -> np.ndarray:
    """Slices in random planes through a cube of 12 voxels."""
    maps = rng.normal(0, 0.4, (3, 3, 4))
    maps[:, :, 3] = rng.uniform(3, 8, (3, 3))
    return maps


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_a_slice_is_what_scipy_interpolates(seed: int) -> None:
    rng = np.random.default_rng(seed)
    volume, maps = rng.random((12, 12, 12), dtype=np.float32), random_maps(rng)
    chosen = rng.random((3, 5, 4)) < 0.8
    offsets, weights = profile(2.0)
    found = cut(volume, maps, offsets, weights, chosen)
    for s, j, i in np.argwhere(chosen):
        points = np.array([maps[s] @ [i, j, o, 1] for o in offsets])[:, ::-1]
        wanted = weights @ ndimage.map_coordinates(volume, points.T, order=1, mode="nearest")
        assert found[s, j, i] == pytest.approx(wanted, abs=1e-5)
    assert not found[~chosen].any()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_spreading_is_the_transpose_of_cutting(seed: int) -> None:
    rng = np.random.default_rng(seed)
    volume, maps = np.zeros((12, 12, 12), np.float32), random_maps(rng)
    maps[:, :, :3] *= 0.3  # everything stays inside, where both agree on what lies there
    volume[1:-1, 1:-1, 1:-1] = rng.random((10, 10, 10))
    slices = rng.random((3, 5, 4), dtype=np.float32)
    offsets, weights = profile(2.0)
    everywhere = np.ones(slices.shape, bool)
    total, weight = np.zeros_like(volume), np.zeros_like(volume)
    spread(slices, maps, offsets, weights, everywhere.astype(np.float32), total, weight)
    there = float((cut(volume, maps, offsets, weights, everywhere) * slices).sum())
    assert float((volume * total).sum()) == pytest.approx(there, rel=1e-4)
    assert weight.sum() == pytest.approx(slices.size, rel=1e-4)


def plainly_cut(volume: np.ndarray, m: np.ndarray, offsets: np.ndarray, weights: np.ndarray, j: int, i: int) -> float:
    """One pixel, sample by sample, each position clamped to the volume."""
    total = 0.0
    for offset, weight in zip(offsets.tolist(), weights.tolist(), strict=True):
        at = [m[c, 0] * i + m[c, 1] * j + m[c, 3] + offset * m[c, 2] for c in range(3)]
        at = [min(max(a, 0.0), n - 1.0) for a, n in zip(at, volume.shape[::-1], strict=True)]
        x, y, z = (min(int(a), n - 2) for a, n in zip(at, volume.shape[::-1], strict=True))
        u, v, w = at[0] - x, at[1] - y, at[2] - z
        c = volume[z : z + 2, y : y + 2, x : x + 2].astype(float)
        low, high = ((p[0, 0] * (1 - u) + p[0, 1] * u) * (1 - v) + (p[1, 0] * (1 - u) + p[1, 1] * u) * v for p in c)
        total += weight * (low * (1 - w) + high * w)
    return total


def plainly_spread(
    slices: np.ndarray, maps: np.ndarray, offsets: np.ndarray, weights: np.ndarray, trust: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pixel by pixel, sample by sample, in float32 sums."""
    total, weight = np.zeros((2, size, size, size), np.float32)
    for s, j, i in np.argwhere(trust != 0):
        for offset, share in zip(offsets, weights, strict=True):
            at = [m[0] * i + m[1] * j + offset * m[2] + m[3] for m in maps[s]]
            low = np.floor(at).astype(int)
            if (low < 0).any() or (low > size - 2).any():
                continue
            u, v, w = np.subtract(at, low)
            for dz, dy, dx in np.ndindex(2, 2, 2):
                part = (w if dz else 1 - w) * (v if dy else 1 - v) * (u if dx else 1 - u)
                part *= share * np.float64(trust[s, j, i])
                voxel = low[2] + dz, low[1] + dy, low[0] + dx
                total[voxel] = np.float64(total[voxel]) + part * np.float64(slices[s, j, i])
                weight[voxel] = np.float64(weight[voxel]) + part
    return total, weight


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=5, deadline=None)
def test_blocks_of_pixels_give_to_the_bit_what_a_plain_loop_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps, (offsets, weights) = random_maps(rng), profile(2.0)
    # More pixels than a block holds, and slices that end within one.
    shape, size = (3, 9, 11), 12
    volume = rng.random((size, size, size)).astype(np.float32)
    chosen = rng.random(shape) < 0.7
    slices = np.zeros(shape, np.float32)
    for s, j, i in np.argwhere(chosen):
        slices[s, j, i] = plainly_cut(volume, maps[s], offsets, weights, j, i)
    np.testing.assert_array_equal(cut(volume, maps, offsets, weights, chosen), slices)

    trust = (chosen * rng.random(shape)).astype(np.float32)
    total, weight, alone = np.zeros((3, size, size, size), np.float32)
    spread(slices, maps, offsets, weights, trust, total, weight)
    expected = plainly_spread(slices, maps, offsets, weights, trust, size)
    np.testing.assert_array_equal((total, weight), expected)
    spread(slices, maps, offsets, weights, trust, alone, np.zeros((0, 0, 0), np.float32))
    np.testing.assert_array_equal(alone, expected[0])


def test_pixels_without_trust_leave_no_trace() -> None:
    total, weight = np.zeros((8, 8, 8), np.float32), np.zeros((8, 8, 8), np.float32)
    maps = np.array([[[1.0, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 3]]])
    trust = np.zeros((1, 3, 3), np.float32)
    spread(np.ones((1, 3, 3), np.float32), maps, np.zeros(1), np.ones(1), trust, total, weight)
    assert not total.any()
    assert not weight.any()


def test_a_small_edge_keeps_steps_that_a_large_one_blurs() -> None:
    step = np.zeros((6, 6, 20), np.float32)
    step[..., 10:] = 1
    heights = [float(np.ptp(diffuse(step, 0.15, edge)[3, 3, 9:11])) for edge in (0.02, 10.0)]
    assert heights[0] > 0.99 > heights[1]
    assert (diffuse(np.full((5, 5, 5), 0.3, np.float32), 0.15, 0.1) == np.float32(0.3)).all()


def test_diffusion_takes_noise_away() -> None:
    noise = np.random.default_rng(0).standard_normal((16, 16, 16)).astype(np.float32)
    assert diffuse(noise, 0.1, 10.0)[1:-1, 1:-1, 1:-1].std() < 0.7 * noise.std()


def test_a_profile_is_as_thick_as_its_slice() -> None:
    offsets, weights = profile(3.0)
    assert weights.sum() == pytest.approx(1)
    assert np.sqrt(weights @ offsets**2) == pytest.approx(3.0 / 2.3548, rel=0.1)


@given(st.floats(0, 4), st.floats(0, 4))
@settings(max_examples=50, deadline=None)
def test_everything_gets_worse_as_quality_falls(one: float, other: float) -> None:
    pairs = DegradationSettings()
    worse, better = (vars(degradation_at(q, 1.0, pairs)) for q in sorted((one, other)))
    assert worse["stacks"] <= better["stacks"]
    assert all(worse[name] >= better[name] for name in worse if name != "stacks")


def test_perfect_slices_give_the_head_back() -> None:
    assert misfit(scan(PERFECT), FUSION) < 0.1


def test_back_projection_sharpens() -> None:
    stacks = scan(PERFECT)
    assert misfit(stacks, FUSION) < 0.6 * misfit(stacks, replace(FUSION, iterations=0))


def test_motion_does_no_harm_where_it_is_known() -> None:
    moving = replace(PERFECT, motion_mm=3.0, motion_degrees=5.0)
    assert misfit(scan(moving), FUSION) < 0.2
    wrong = replace(moving, pose_mm=2.0, pose_degrees=3.0)
    assert misfit(scan(wrong), FUSION) > 1.5 * misfit(scan(moving), FUSION)


def test_robust_fusion_survives_lost_slices() -> None:
    lossy = replace(PERFECT, stacks=6, dropout=0.25)
    stacks = scan(lossy)
    robust = misfit(stacks, replace(FUSION, robust=True))
    assert robust < 0.8 * misfit(stacks, FUSION)


@pytest.mark.parametrize(("name", "value"), [("noise", 0.3), ("dropout", 0.5), ("fluctuation", 0.3), ("stacks", 1)])
def test_each_way_of_being_bad_shows(name: str, value: float) -> None:
    assert misfit(scan(replace(PERFECT, **{name: value})), FUSION) > 1.15 * misfit(scan(PERFECT), FUSION)


def test_slices_outside_the_region_of_interest_are_not_used() -> None:
    image = scanned_head()
    away = np.full((4, 4, 4), 50.0, np.float32)
    far = acquire(replace(image, distance=away), BOX, 1.5, 3.0, 0.0, 6.0, PERFECT, np.random.default_rng(0))
    assert not any(stack.near.any() for stack in far)


def test_stretching_keeps_straight_lines_and_cubic_keeps_parabolas() -> None:
    places = np.linspace(2, 7, 23)
    axis = np.arange(10, dtype=np.float32)
    ramp = np.broadcast_to(axis, (10, 10, 10)).copy()
    targets = (np.arange(10.0), np.arange(10.0), places)
    assert np.allclose(stretched(ramp, targets, cubic=False)[0, 0], places, atol=1e-5)
    assert np.allclose(stretched(ramp**2, targets, cubic=True)[0, 0], places**2, atol=1e-4)


@pytest.mark.parametrize("sigma", [0.8, 3.0, 9.0])
def test_smooth_noise_has_unit_spread_and_its_own_seed(sigma: float) -> None:
    one, same, other = (smooth_noise((40, 40, 40), sigma, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert 0.5 < one.std() < 1.5
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_noise_of_nothing_is_rayleigh() -> None:
    noise = rician(np.zeros((40, 40, 40), np.float32), 2.0, np.random.default_rng(0))
    assert noise.mean() == pytest.approx(2.0 * np.sqrt(np.pi / 2), rel=0.02)


def test_five_sites_say_that_they_are_simulated() -> None:
    sites = read_cohort_settings().sites
    assert len(sites) == 5
    assert all(site.name.startswith("Sim-") for site in sites)
    assert {site.in_domain for site in sites} == {True, False}
    assert {site.masked for site in sites} == {True, False}
    assert "0.55T" in {site.field_strength for site in sites}


@pytest.mark.parametrize("axes", ["RAA", "RA", "XYZ", "RASL"])
def test_axes_that_name_no_frame_are_refused(axes: str) -> None:
    with pytest.raises(ValueError, match="one direction of each axis"):
        replace(read_cohort_settings().sites[0], axes=axes)

"""Construction: the table's Betti numbers, by gudhi's count, whatever goes in; little changes where little is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from feta.labels import EXPECTED_BETTI, LABEL_COUNT, TISSUES, Tissue
from inference.topology.correction import construct, sure_scores
from tests.support.topology_oracles import betti_numbers, by_definition

SHAPE = (20, 22, 24)
WHITE = int(Tissue.WM)
#: In a 3×3×3 block, the cells across a face from the middle.
FACES = np.vstack([np.eye(3, dtype=int), -np.eye(3, dtype=int)]) + 1


def constructed(labels: np.ndarray) -> np.ndarray:
    """Of certain labels, the left hemisphere being the first half of x."""
    return construct(
        labels, sure_scores(labels), np.broadcast_to(np.arange(labels.shape[2]) < labels.shape[2] // 2, labels.shape)
    )


def random_scores(seed: int, smooth: float, edge: int = 2) -> np.ndarray:
    """Probabilities (8, Z, Y, X) from smooth random fields, background around."""
    rng = np.random.default_rng(seed)
    fields = np.stack([ndimage.gaussian_filter(rng.normal(size=SHAPE), smooth) for _ in range(LABEL_COUNT)])
    fields = 3 * fields / fields.std()
    fields[0] += 10 * (ndimage.distance_transform_edt(np.pad(np.ones(SHAPE), 1))[1:-1, 1:-1, 1:-1] <= edge)
    odds = np.exp(fields)
    return np.round(255 * odds / odds.sum(0)).astype(np.uint8)


def white(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.zeros(shape, np.uint8)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("smooth", [0.0, 0.8, 1.6])
def test_every_tissue_has_its_betti_numbers(seed: int, smooth: float) -> None:
    scores = random_scores(seed, smooth)
    labels = scores.argmax(0).astype(np.uint8)
    result = construct(labels, scores, np.broadcast_to(np.arange(SHAPE[2]) < 12, SHAPE))
    for tissue in TISSUES:
        assert betti_numbers(result == tissue) == EXPECTED_BETTI[tissue], tissue


@pytest.mark.parametrize("seed", range(3))
def test_tissue_that_touches_the_border_of_the_volume_is_no_exception(seed: int) -> None:
    scores = random_scores(seed, 1.2, edge=0)
    result = construct(scores.argmax(0).astype(np.uint8), scores, np.broadcast_to(np.arange(SHAPE[2]) < 12, SHAPE))
    assert all(betti_numbers(result == tissue) == EXPECTED_BETTI[tissue] for tissue in TISSUES)


def test_what_is_right_stays_as_it_is() -> None:
    labels = white()
    labels[3:17, 3:19, 3:21] = WHITE
    labels[6:12, 6:16, 6:18] = Tissue.VM
    labels[6:12, 3:6, 10:12] = Tissue.VM  # the ventricle reaches the surface: white matter has no cavity
    labels[14:17, 3:19, 3:10] = Tissue.GM
    labels[14:17, 3:19, 14:21] = Tissue.GM
    assert np.array_equal(constructed(labels), labels)


def test_a_hole_in_a_thin_sheet_is_closed_not_cut_open() -> None:
    labels = white()
    labels[10, 2:20, 2:22] = Tissue.ECSF
    labels[10, 9:11, 12] = 0
    result = constructed(labels)
    assert betti_numbers(result == Tissue.ECSF) == (1, 0, 0)
    assert (result != labels).sum() == 2


def test_a_wide_ring_is_cut_not_filled() -> None:
    labels = white()
    y, x = np.ogrid[:22, :24]
    radius = np.hypot(y - 11, x - 12)
    labels[9:11, (radius > 7.5) & (radius < 10)] = WHITE
    result = constructed(labels)
    assert betti_numbers(result == WHITE) == (1, 0, 0)
    assert not (result[labels == 0] > 0).any()
    assert 0 < (result != labels).sum() <= 10


def test_a_ring_is_cut_where_it_is_least_likely() -> None:
    labels = white()
    y, x = np.ogrid[:22, :24]
    ring = np.zeros(SHAPE, bool)
    ring[9:11] = (np.hypot(y - 11, x - 12) > 7.5) & (np.hypot(y - 11, x - 12) < 10)
    labels[ring] = WHITE
    scores = sure_scores(labels)
    weak = ring & (np.arange(24) >= 20)[None, None] & ((np.arange(22) >= 10) & (np.arange(22) <= 12))[None, :, None]
    scores[WHITE][weak], scores[0][weak] = 140, 115
    result = construct(labels, scores, np.zeros(SHAPE, bool))
    assert betti_numbers(result == WHITE) == (1, 0, 0)
    assert (result != labels).any()
    assert not ((result != labels) & ~weak).any()


def test_a_cavity_is_filled_or_opened_at_small_cost() -> None:
    labels = white()
    labels[4:16, 4:18, 4:20] = WHITE
    labels[9, 10, 11] = 0
    result = constructed(labels)
    assert betti_numbers(result == WHITE) == (1, 0, 0)
    assert (result != labels).sum() == 1


def test_a_large_island_nearby_is_linked_and_a_far_speck_dropped() -> None:
    labels = white()
    labels[4:16, 4:18, 3:10] = WHITE
    labels[6:14, 6:16, 12:18] = WHITE
    labels[18, 20, 22] = WHITE
    result = constructed(labels)
    assert betti_numbers(result == WHITE) == (1, 0, 0)
    assert result[10, 10, 15] == WHITE
    assert result[18, 20, 22] == 0
    assert (result != labels).sum() == 3  # a thread across a gap of two voxels, and the speck


def test_hemispheres_that_touch_are_parted() -> None:
    labels = white()
    labels[5:15, 4:18, 3:21] = Tissue.GM
    result = constructed(labels)
    assert betti_numbers(result == Tissue.GM) == (2, 0, 0)
    assert (result != labels).sum() <= 1.5 * 10 * 14
    parts, _ = ndimage.label(result == Tissue.GM)
    sizes = np.bincount(parts.ravel())[1:]
    assert sizes.min() > 0.3 * sizes.sum()


def test_grey_matter_on_one_side_alone_is_one_component() -> None:
    labels = white()
    labels[5:15, 4:18, 13:21] = Tissue.GM
    assert np.array_equal(constructed(labels), labels)


def test_absent_tissues_stay_absent() -> None:
    labels = white()
    assert not constructed(labels).any()
    labels[5:15, 4:18, 3:21] = WHITE
    assert set(np.unique(constructed(labels))) == {0, WHITE}


def test_what_went_in_is_not_changed() -> None:
    scores = random_scores(0, 1.0)
    labels, kept = scores.argmax(0).astype(np.uint8), scores.copy()
    before = labels.copy()
    construct(labels, scores, np.zeros(SHAPE, bool))
    assert np.array_equal(labels, before)
    assert np.array_equal(scores, kept)


@pytest.mark.parametrize("seed", range(3))
def test_voxels_go_to_the_likeliest_label_wherever_topology_lets_them(seed: int) -> None:
    """No voxel could still flip to a likelier neighbouring label that is simple for both."""
    scores = random_scores(seed, 1.6)
    result = construct(scores.argmax(0).astype(np.uint8), scores, np.broadcast_to(np.arange(SHAPE[2]) < 12, SHAPE))
    rng = np.random.default_rng(seed)
    inner = np.argwhere(result[1:-1, 1:-1, 1:-1] != scores.argmax(0)[1:-1, 1:-1, 1:-1]) + 1
    assert len(inner)
    for z, y, x in rng.permutation(inner)[:100]:
        own = result[z, y, x]
        block = result[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2]
        for label in {int(block[tuple(cell)]) for cell in FACES} - {int(own)}:
            if scores[label, z, y, x] > scores[own, z, y, x]:
                assert not all(by_definition(block == t) for t in (own, label) if t)

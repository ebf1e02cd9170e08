"""Balls grown through masks of any shape: gudhi counts."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from inference.topology.ball import ball
from tests.support.topology_oracles import betti_numbers

MASKS = arrays(np.bool_, (6, 6, 6))
NOTHING = np.zeros((6, 6, 6), bool)


@settings(max_examples=150, deadline=None)
@given(MASKS)
def test_any_mask_becomes_a_ball(mask: np.ndarray) -> None:
    assert betti_numbers(ball(mask, NOTHING)) == ((1, 0, 0) if mask.any() else (0, 0, 0))


@settings(max_examples=150, deadline=None)
@given(MASKS, MASKS, MASKS)
def test_a_ball_holds_its_core_and_keeps_out_of_what_is_forbidden(
    mask: np.ndarray, inner: np.ndarray, forbidden: np.ndarray
) -> None:
    core = ball(inner, NOTHING)
    found = ball(mask, forbidden & ~mask & ~core, core)
    assert not (core & ~found).any()
    assert betti_numbers(found) == ((1, 0, 0) if (mask | core).any() else (0, 0, 0))


def test_a_ball_stays_as_it_is() -> None:
    mask = np.pad(np.ones((4, 4, 4), bool), 1)
    assert (ball(mask, NOTHING) == mask).all()


def test_a_pinhole_is_closed_and_a_wide_loop_is_cut() -> None:
    plate = np.zeros((9, 21, 21), bool)
    plate[3:6, 2:19, 2:19] = True
    plate[:, 10, 10] = False
    found = ball(plate, np.zeros_like(plate))
    assert 0 < (found & ~plate).sum() < 9  # a skin
    ring = np.zeros((5, 21, 21), bool)
    ring[2, 2:19, 2:19] = True
    ring[2, 4:17, 4:17] = False
    found = ball(ring, np.zeros_like(ring))
    assert not (found & ~ring).any()
    assert 0 < (ring & ~found).sum() < 9  # a cut


def test_what_is_forbidden_is_not_closed_over() -> None:
    plate = np.zeros((9, 21, 21), bool)
    plate[3:6, 2:19, 2:19] = True
    plate[:, 10, 10] = False
    found = ball(plate, ~plate)
    assert not (found & ~plate).any()

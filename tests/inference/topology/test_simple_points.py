"""The local test against gudhi's count of the Betti numbers of a block before and after."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.topology.simple_points import is_simple, neighbourhood
from tests.support.topology_oracles import betti_numbers, by_definition

#: Bit of a block's middle: 9·1 + 3·1 + 1.
CENTRE = 13
OTHERS = [cell for cell in range(27) if cell != CENTRE]


def bits(block: np.ndarray) -> int:
    return sum(1 << i for i in np.flatnonzero(block))


@given(st.lists(st.booleans(), min_size=27, max_size=27))
@settings(max_examples=200, deadline=None)
def test_simple_by_definition_is_simple_by_bits(cells: list[bool]) -> None:
    block = np.array(cells)
    assert is_simple(bits(block)) == by_definition(block)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_blocks_of_any_density_agree_with_the_definition(share: float) -> None:
    blocks = np.random.default_rng(0).random((300, 27)) < share
    assert [is_simple(bits(b)) for b in blocks] == [by_definition(b) for b in blocks]


@given(st.lists(st.booleans(), min_size=27, max_size=27))
@settings(max_examples=100, deadline=None)
def test_a_simple_point_changes_no_betti_number(cells: list[bool]) -> None:
    block = np.array(cells)
    with_centre, without = block.copy(), block.copy()
    with_centre[CENTRE], without[CENTRE] = True, False
    if is_simple(bits(block)):
        assert betti_numbers(with_centre.reshape(3, 3, 3)) == betti_numbers(without.reshape(3, 3, 3))


@pytest.mark.parametrize("cell", OTHERS)
def test_beside_a_single_cell_only_a_face_makes_simple(cell: int) -> None:
    block = np.zeros(27, bool)
    block[cell] = True
    assert is_simple(bits(block)) == (np.abs(np.array(np.unravel_index(cell, (3, 3, 3))) - 1).sum() == 1)


def test_neither_a_lone_voxel_nor_an_inner_one_is_simple() -> None:
    assert not is_simple(0)
    assert not is_simple(bits(np.ones(27, bool)))


def test_a_neighbourhood_is_read_in_the_order_of_a_block() -> None:
    labels = np.random.default_rng(1).integers(0, 3, (4, 5, 6)).astype(np.uint8)
    at = 2 * 30 + 3 * 6 + 4
    assert neighbourhood(labels.ravel(), at, 6, 30, 2) == bits((labels[1:4, 2:5, 3:6] == 2).ravel())

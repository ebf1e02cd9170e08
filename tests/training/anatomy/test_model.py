"""Brains that the shipped anatomy draws."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from training.anatomy.model import Anatomy

WEIGHTS = Path(__file__).parents[3] / "weights" / "anatomy.safetensors"


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_a_brain_is_the_same_whatever_the_number_of_threads() -> None:
    anatomy = Anatomy.load(WEIGHTS)
    drawn = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        drawn.append(anatomy(28.0, 0.3))
        assert torch.get_num_threads() == count
    first, *others = drawn
    for each in others:
        assert torch.equal(each.scores, first.scores)
        assert torch.equal(each.signal, first.signal)

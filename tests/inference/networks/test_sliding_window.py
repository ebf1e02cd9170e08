import itertools
import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from inference.networks.sliding_window import gaussian, predict, starts


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0, 0.9))
def test_patches_cover_every_voxel_and_overlap_enough(length: int, patch: int, overlap: float) -> None:
    length = max(length, patch)
    first = starts(length, patch, overlap)
    assert first[0] == 0
    assert first[-1] == length - patch
    step = max(1, math.ceil(patch * (1 - overlap)))
    assert all(0 < b - a <= step for a, b in itertools.pairwise(first))


def test_weights_are_largest_in_the_middle_and_never_zero() -> None:
    weights = gaussian((9, 9, 9))
    assert weights.argmax() == 4 * 81 + 4 * 9 + 4
    assert weights.min() > 0


def test_a_voxelwise_network_gives_the_same_with_one_patch_or_many() -> None:
    def network(x: Tensor) -> Tensor:
        return torch.cat((x.sigmoid(), 1 - x.sigmoid()), dim=1)

    image = torch.randn(1, 20, 18, 30)
    whole = network(image[None])[0]
    assert torch.allclose(predict(image, network, 2, (8, 8, 8)), whole, atol=1e-5)


def test_blended_probabilities_sum_to_one() -> None:
    def network(x: Tensor) -> Tensor:
        return torch.randn(1, 3, *x.shape[2:]).softmax(1)

    total = predict(torch.zeros(1, 12, 12, 20), network, 3, (8, 8, 8)).sum(0)
    assert torch.allclose(total, torch.ones_like(total), atol=1e-5)

import gudhi
import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.engine.topology_losses import cl_dice_loss, euler_density, euler_loss, soft_skeleton


def _euler_of(mask: np.ndarray) -> int:
    """By gudhi's cubical complex, voxels as vertices: 6-connected foreground."""
    found = gudhi.CubicalComplex(vertices=np.where(np.pad(mask, 1), 0.0, 1.0))
    found.compute_persistence()
    b0, b1, b2, *_ = [*found.persistent_betti_numbers(0.5, 0.5), 0, 0, 0]
    return b0 - b1 + b2


@given(st.integers(0, 10**6), st.sampled_from([0.2, 0.5, 0.8]))
@settings(max_examples=15, deadline=None)
def test_of_a_binary_map_it_is_the_euler_characteristic(seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((6, 7, 5)) < share
    density = euler_density(torch.from_numpy(mask).float()[None, None])
    assert float(density.sum()) == _euler_of(mask)


@given(st.integers(0, 10**6))
@settings(max_examples=5, deadline=None)
def test_of_a_soft_map_it_is_the_mean_over_thresholds(seed: int) -> None:
    levels = np.random.default_rng(seed).integers(0, 9, (5, 4, 6))
    mean = np.mean([_euler_of(levels >= threshold) for threshold in range(1, 9)])
    density = euler_density(torch.from_numpy(levels / 8).float()[None, None])
    assert np.isclose(float(density.sum()), mean, atol=1e-4)


def _ball(side: int = 16) -> torch.Tensor:
    at = torch.arange(side) - (side - 1) / 2
    radius = (at[:, None, None] ** 2 + at[None, :, None] ** 2 + at[None, None, :] ** 2).sqrt()
    return (radius < side / 3).float()[None, None]


def test_a_right_map_costs_nothing() -> None:
    assert euler_loss(_ball(), _ball(), 8) == 0
    assert cl_dice_loss(_ball(), _ball(), 2) < 1e-6


def test_a_tunnel_and_a_speck_do_not_balance_each_other() -> None:
    wrong = _ball()
    wrong[..., :, 8, 8] = 0
    wrong[..., 0, 0, 0] = 1
    assert float(euler_density(wrong).sum()) == float(euler_density(_ball()).sum())
    assert euler_loss(wrong, _ball(), 8) > 0


def test_its_gradient_takes_a_speck_away() -> None:
    map_ = _ball()
    map_[..., 0, 0, 0] = 0.6
    map_.requires_grad_()
    euler_loss(map_, _ball(), 8).backward()
    assert map_.grad is not None
    assert map_.grad[0, 0, 0, 0, 0] > 0


def test_the_skeleton_of_a_bar_runs_along_it() -> None:
    bar = torch.zeros(1, 1, 9, 9, 15)
    bar[..., 3:6, 3:6, 2:13] = 1
    skeleton = soft_skeleton(bar, 3)[0, 0]
    assert skeleton[4, 4, 3:12].min() == 1
    assert skeleton[3, 3:6, 4:11].max() == 0


def test_a_cut_sheet_costs_more_than_a_thin_one_of_the_same_dice() -> None:
    sheet = torch.zeros(1, 1, 12, 12, 12)
    sheet[..., 5:8, :, :] = 1
    cut, thin = sheet.clone(), torch.zeros_like(sheet)
    cut[..., 5:8, :, 2:10] = 0
    thin[..., 6, :, :] = 1
    assert cut.sum() == thin.sum()
    assert cl_dice_loss(cut, sheet, 2) > cl_dice_loss(thin, sheet, 2) + 0.1


@given(st.integers(0, 1000))
@settings(max_examples=4, deadline=None)
def test_equal_shares_of_a_batch_add_up(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    soft = torch.rand(4, 2, 8, 8, 8, generator=generator)
    truth = (torch.rand(4, 2, 8, 8, 8, generator=generator) < 0.5).float()
    for loss, size in ((cl_dice_loss, 2), (euler_loss, 4)):
        halves = (loss(soft[:2], truth[:2], size) + loss(soft[2:], truth[2:], size)) / 2
        assert torch.allclose(loss(soft, truth, size), halves, rtol=1e-4)

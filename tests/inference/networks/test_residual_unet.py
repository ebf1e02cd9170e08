import pytest
import torch

from inference.networks.residual_unet import NetworkSettings, ResidualUNet

SMALL = NetworkSettings(widths=(4, 6, 8), blocks=(1, 2, 1), heads=2)


def test_first_output_has_the_highest_resolution() -> None:
    outputs = ResidualUNet(SMALL).levels(torch.zeros(1, 1, 16, 24, 32), heads=2)
    assert [tuple(o.shape) for o in outputs] == [(1, 8, 16, 24, 32), (1, 8, 8, 12, 16)]


def test_forward_is_the_first_of_the_deeply_supervised_outputs() -> None:
    torch.manual_seed(0)
    network = ResidualUNet(SMALL).eval()
    x = torch.randn(1, 1, 16, 16, 16)
    assert torch.equal(network(x), network.levels(x, heads=2)[0])


def test_gradients_reach_every_weight() -> None:
    torch.manual_seed(0)
    network = ResidualUNet(SMALL)
    loss = torch.stack([(o * torch.randn_like(o)).mean() for o in network.levels(torch.randn(1, 1, 16, 16, 16), 2)])
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("bad", [{"heads": 3}, {"heads": 0}, {"blocks": (1, 1)}])
def test_settings_that_make_no_network_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        NetworkSettings(**{"widths": (4, 6, 8), "blocks": (1, 1, 1), "heads": 2, **bad})  # type: ignore[arg-type]

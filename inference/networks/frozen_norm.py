"""Statistics of normalisation that are gathered once and stay, and their folding into convolutions.

Instance normalisation ties a network to the size of the patches that it was trained on: statistics of a whole box, most
of which is background, are others. So a network is shown the middle of the box first, as large as its patches were, and
then the whole box with the statistics of the middle. Folded into the convolutions, they cost nothing.

In training they are gathered over samples instead, and the network is fine-tuned with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from inference.networks.residual_unet import FrozenNorm, Norm, ResidualUNet


def by_statistics_of(network: ResidualUNet, image: Tensor, precision: AbstractContextManager[Any]) -> ResidualUNet:
    """A network that normalises whatever it sees by the statistics of one image.

    Args:
        network: with instance normalisation.
        image: (1, inputs, Z, Y, X), as large as what it was trained on.
        precision: in which it is shown the image.
    """
    settings, weights = replace(network.settings, norm=Norm.FROZEN), network.state_dict()
    with torch.device("meta"):
        wanted = ResidualUNet(settings).state_dict()
    missing = {n: v for n, v in wanted.items() if n not in weights}
    # Not by empty_like, which for meta tensors imports half of the compiler, a second.
    statistics = {n: torch.empty(v.shape, dtype=v.dtype, device=image.device) for n, v in missing.items()}
    frozen = ResidualUNet.of(settings, weights | statistics)
    with precision:
        gather_statistics(frozen, [0], lambda _: frozen(image))
    return folded(frozen)


def middle(image: Tensor, side: int) -> Tensor:
    """The cube of so many voxels a side in the middle of an image (1, Z, Y, X), which is as large at least."""
    starts = [(n - side) // 2 for n in image.shape[1:]]
    return image[(slice(None), *(slice(start, start + side) for start in starts))]


def frozen_norms(network: nn.Module) -> list[FrozenNorm]:
    """A network's layers that normalise by frozen statistics."""
    return [module for module in network.modules() if isinstance(module, FrozenNorm)]


@torch.no_grad()
def gather_statistics(network: nn.Module, seeds: Sequence[int], see: Callable[[int], object]) -> None:
    """Take the statistics of a network's frozen layers from samples, each normalised by its own meanwhile.

    Args:
        network: whose layers are changed.
        seeds: of the samples.
        see: shows the network a sample.
    """
    with _gathering(network):
        for seed in seeds:
            see(seed)


@contextmanager
def _gathering(network: nn.Module) -> Iterator[None]:
    norms = frozen_norms(network)
    for norm in norms:
        norm.reset_running_stats()
        norm.gathering = True
    network.train()
    try:
        yield
    finally:
        for norm in norms:
            norm.gathering = False
        network.train()


@torch.no_grad()
def folded(network: ResidualUNet) -> ResidualUNet:
    """The same function without layers of normalisation: what they do is in the convolutions before them.

    Args:
        network: with frozen statistics.
    """
    state = network.state_dict()
    for name, module in network.named_modules():
        if isinstance(module, FrozenNorm):
            assert module.running_mean is not None and module.running_var is not None
            scale = module.weight / torch.sqrt(module.running_var + module.eps)
            conv = _CONVOLUTIONS[name.rpartition(".")[2]]
            before = f"{name.rpartition('.')[0]}.{conv}"
            state[f"{before}.weight"] = state[f"{before}.weight"] * scale[:, None, None, None, None]
            state[f"{before}.bias"] = module.bias - module.running_mean * scale
            for key in [key for key in state if key.startswith(f"{name}.")]:
                del state[key]
    return ResidualUNet.of(replace(network.settings, norm=Norm.FOLDED), state).eval()


@torch.no_grad()
def unfolded(network: ResidualUNet) -> ResidualUNet:
    """The same function with layers of normalisation, so that it can be fine-tuned as it was trained.

    Their statistics are those of no change: mean 0, variance 1.

    Args:
        network: folded.
    """
    result = ResidualUNet(replace(network.settings, norm=Norm.FROZEN))
    state = network.state_dict()
    for name, module in result.named_modules():
        if isinstance(module, FrozenNorm):
            biases = state.pop(f"{name.rpartition('.')[0]}.{_CONVOLUTIONS[name.rpartition('.')[2]]}.bias")
            state |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
            state[f"{name}.bias"] = biases
            state[f"{name}.running_var"] = torch.full_like(biases, 1 - module.eps)
            state[f"{name}.num_batches_tracked"] = torch.ones((), dtype=torch.long)  # has its statistics
    result.load_state_dict(state)
    return result


#: Which convolution of a block stands before which of its layers of normalisation.
_CONVOLUTIONS = {"norm1": "first", "norm2": "second", "norm": "conv"}

"""A stand-in for a second device, where there is none: what lies there must not meet what lies on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

#: Computes as the CPU does, but is another device to whoever asks.
ELSEWHERE = torch.device("cpu", 0)
_CPU = torch.device("cpu")


class Elsewhere(TorchFunctionMode):
    """Within it, tensors made on or moved to ``ELSEWHERE`` lie there, and so does what is computed from them.

    Raises:
        RuntimeError: as a GPU would: for an operation on tensors of both devices (but single numbers), NumPy's view of
            a tensor that lies elsewhere, and the CPU's generator for one.
    """

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if func == Tensor.device.__get__:
            return ELSEWHERE if lies_elsewhere(args[0]) else _CPU
        if name in ("to", "cpu"):
            wanted = _device(args[1:], kwargs) if name == "to" else _CPU
            there = lies_elsewhere(args[0]) if wanted is None else wanted == ELSEWHERE
            return _put(func(*args, **kwargs).clone(), there)
        if name in ("numpy", "__array__") and lies_elsewhere(args[0]):
            raise RuntimeError("a tensor that lies elsewhere has no view by NumPy")
        if kwargs.get("device") is not None:
            there = torch.device(kwargs["device"]) == ELSEWHERE
            if there and kwargs.get("generator") is not None:
                raise RuntimeError("the CPU's generator draws no tensor elsewhere")
            return _put(func(*args, **kwargs), there)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        found = func(*args, **kwargs)
        if not any(map(lies_elsewhere, tensors)):
            return found
        if any(t.ndim and not lies_elsewhere(t) for t in tensors):
            raise RuntimeError(f"{name}: tensors of two devices")
        return tree_map(lambda one: _put(one, True) if isinstance(one, Tensor) else one, found)


def lies_elsewhere(tensor: Tensor) -> bool:
    """Whether a tensor lies on the stand-in."""
    return getattr(tensor, "lies_elsewhere", False)


def _put(tensor: Tensor, there: bool) -> Tensor:
    tensor.lies_elsewhere = there  # type: ignore[attr-defined]
    return tensor


def _device(args: Any, kwargs: Any) -> torch.device | None:
    """The device among the arguments of ``Tensor.to``."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, torch.device | str):
            return torch.device(value)
    return None

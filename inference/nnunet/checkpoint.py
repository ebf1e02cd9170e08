"""Checkpoints of nnU-Net v2, read without ever running what they contain."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy._core.multiarray import scalar
from torch import Tensor

from feta.errors import FetaError

#: Besides tensors and plain containers, the log holds NumPy scalars. Before NumPy 2 the same function lay elsewhere.
ALLOWED: list[Callable | tuple[Callable, str]] = [
    scalar,
    (scalar, "numpy.core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(code)) for code in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")),
]
REMEDY = "copy it again from the training"


@dataclass(frozen=True)
class Checkpoint:
    """What a prediction needs of a checkpoint.

    Attributes:
        weights: tensors by name, each once.
        configuration: its name in the plans.
        mirroring: axes (0–2) that predictions may be averaged over.
    """

    weights: dict[str, Tensor]
    configuration: str
    mirroring: tuple[int, ...]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint with torch's restricted reader, and nothing on its list but NumPy's scalars.

    Raises:
        FetaError: the file is missing or damaged, holds anything else, or isn't nnU-Net's.
    """
    try:
        with torch.serialization.safe_globals(ALLOWED):
            # Mapped rather than read: half of the file is the optimiser's.
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except OSError as error:
        raise FetaError(path, f"cannot be read ({error.strerror})") from error
    except pickle.UnpicklingError as error:
        problem = f"holds more than weights and numbers, and was not read ({_refused(error)})"
        raise FetaError(path, problem, "save it with nnU-Net v2's own trainer") from error
    except (RuntimeError, ValueError, TypeError, EOFError, KeyError, IndexError, AttributeError) as error:
        raise FetaError(path, "is damaged, or no checkpoint of nnU-Net v2", REMEDY) from error
    try:
        return _checked(content)
    except (KeyError, TypeError, ValueError) as error:
        raise FetaError(path, f"is no checkpoint of nnU-Net v2 ({error!r})", REMEDY) from error


def _checked(content: Any) -> Checkpoint:
    weights, configuration = content["network_weights"], content["init_args"]["configuration"]
    mirroring = content.get("inference_allowed_mirroring_axes") or ()
    if not isinstance(configuration, str):
        raise TypeError("configuration is no name")
    if not all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in weights.items()):
        raise TypeError("network_weights are no tensors")
    axes = tuple(int(axis) for axis in mirroring)
    if not set(axes) <= {0, 1, 2}:
        raise ValueError(f"mirroring axes {axes}")
    return Checkpoint({name: tensor for name, tensor in weights.items() if not _again(name)}, configuration, axes)


def _again(name: str) -> bool:
    """Whether nnU-Net's modules list a tensor a second time: of the decoder's encoder, of a block's sequence."""
    return name.startswith("decoder.encoder.") or ".all_modules." in name


def _refused(error: pickle.UnpicklingError) -> str:
    """The name that torch's reader refused, out of a message of many lines."""
    words = str(error).split("GLOBAL ")
    return words[1].split()[0] if len(words) > 1 else "a damaged or foreign pickle"

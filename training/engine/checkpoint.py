"""What a run leaves behind (``checkpoint.pt``): weights, how far it came, and its lineage."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from torch import nn

from feta.errors import FetaError

#: Its name in the folder of a run.
CHECKPOINT = "checkpoint.pt"
#: ``made_of`` is the lineage (`training.data.leakage`), ``before`` the subjects seen by pretrained weights.
_KEYS = {"network", "average", "optimiser", "step", "seconds", "made_of", "before"}

#: What layers of normalisation with frozen statistics have beside weights.
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        FetaError: it does not exist, can't be read, is broken, or was written by an older version.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise FetaError(path, "does not exist", "name the folder of a run that has been trained") from error
    except OSError as error:
        raise FetaError(path, f"cannot be read ({error.strerror})", "name another run folder") from error
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # what a reader of pickles makes of other bytes may be anything
        raise FetaError(path, "is broken", "delete it to begin anew, or name another run folder") from error
    if not isinstance(state, dict) or not state.keys() >= _KEYS:
        raise FetaError(path, "was not left by this version of feta-train", "name another run folder")
    return state


def load_into(network: nn.Module, state: dict[str, Any], which: str, path: Path) -> None:
    """Load weights (``network`` or ``average``) of a checkpoint.

    A network with frozen statistics also takes those of one that was trained with instance normalisation, which has
    none; its own stay.

    Raises:
        FetaError: they are of a network of another shape.
    """
    own = {name: value for name, value in network.state_dict().items() if name.rpartition(".")[2] in _STATISTICS}
    try:
        network.load_state_dict(own | state[which])
    except RuntimeError as error:
        raise FetaError(path, "holds a network of another shape", "name a run of the same network") from error

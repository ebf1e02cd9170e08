"""What a run leaves behind (``checkpoint.pt``): weights, how far it came, and its lineage."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from torch import nn

from feta.errors import FetaError
from inference.networks.frozen_norm import frozen_norms, unfolded
from inference.networks.residual_unet import Norm
from inference.networks.weights import INDEX, load_network, read_model

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


def read_pretrained(folder: Path, network: nn.Module) -> dict[str, Any]:
    """What a network may begin with: a run's checkpoint, or the network of its shape in a folder of weights.

    Weights as they are shipped don't say whom they learned from: ``made_of`` is empty.

    Raises:
        FetaError: there is neither, or none of this shape.
    """
    if (folder / CHECKPOINT).exists() or not (folder / INDEX).exists():
        return read_checkpoint(folder / CHECKPOINT)
    model = read_model(folder)
    optional = (model.brain_extraction, model.autoencoder, model.landmarks)
    wanted = _shapes(network)
    for file in (*model.segmentation, model.locator, *(each for each in optional if each)):
        shipped = load_network(file)
        if shipped.settings.norm is Norm.FOLDED:
            shipped = unfolded(shipped)
        if _shapes(shipped) != wanted:
            continue
        if frozen_norms(network) or not frozen_norms(shipped):
            return {"average": shipped.state_dict(), "made_of": {}, "before": []}
        raise FetaError(folder, "holds frozen statistics", "add --over training/configs/frozen.yaml")
    raise FetaError(folder, "holds no network of this shape", "name a folder of weights or a run of the same network")


def _shapes(network: nn.Module) -> dict[str, torch.Size]:
    """Shapes of a network's weights by name, without statistics."""
    return {n: v.shape for n, v in network.state_dict().items() if n.rpartition(".")[2] not in _STATISTICS}


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

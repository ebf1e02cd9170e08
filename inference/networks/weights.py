"""The weights that are shipped: safetensors files and ``model.yaml``, which describes each of them.

``model.yaml``::

    locator: {file, sha256, spacing, network: {...}}
    segmentation:                # an ensemble: any number of files
      - {file, sha256, spacing, network: {...}, patch}
    extraction: {file, sha256, spacing, network: {...}}    # this one and the next two may be absent
    autoencoder: {file, sha256, spacing, network: {...}}
    landmarks: {file, sha256, spacing, network: {...}}
    anatomy: {file, sha256, ...}           # of simulated cohorts; the submission does not need it
    anatomy-held-out: {file, sha256, ...}
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from feta.errors import FetaError
from feta.files import write_together
from inference.networks.int8 import quantised, restored
from inference.networks.residual_unet import NetworkSettings, Norm, ResidualUNet

INDEX = "model.yaml"
#: Networks that a folder may do without, by their names in ``model.yaml``, in the order of ``Model``.
OPTIONAL = ("extraction", "autoencoder", "landmarks")
REMEDY = "restore the weights folder from the repository, or name another with --weights"


@dataclass(frozen=True)
class WeightFile:
    """One entry of ``model.yaml``.

    Attributes:
        path: of the file.
        sha256: of its bytes.
        spacing: voxel size that the network works at, mm.
        network: its shape.
        patch: side of the cubes that it was trained on, voxels: larger ones shift what its layers normalise by.
    """

    path: Path
    sha256: str
    spacing: float
    network: NetworkSettings
    patch: int = 96


@dataclass(frozen=True)
class Model:
    """Everything that a run needs.

    Attributes:
        locator: finds the brain and its pose.
        segmentation: an ensemble.
        brain_extraction: finds the brain's mask; None where none is shipped.
        autoencoder: corrects probability maps; likewise.
        landmarks: finds the ends of the five lengths; likewise.
        sha256: of ``model.yaml``.
    """

    locator: WeightFile
    segmentation: tuple[WeightFile, ...]
    brain_extraction: WeightFile | None
    autoencoder: WeightFile | None
    landmarks: WeightFile | None
    sha256: str


def read_model(folder: Path) -> Model:
    """Read ``model.yaml``.

    Args:
        folder: holds ``model.yaml`` and the files that it names.

    Raises:
        FetaError: where it is missing or does not say what is needed.
    """
    path = folder / INDEX
    text, content = _read_index(path)
    try:
        locator = _entry(folder, content["locator"])
        segmentation = tuple(_entry(folder, entry) for entry in content["segmentation"])
        brain_extraction, autoencoder, landmarks = (
            _entry(folder, content[name]) if name in content else None for name in OPTIONAL
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FetaError(path, f"is not a valid description of weights ({error})", REMEDY) from error
    if not segmentation:
        raise FetaError(path, "names no segmentation weights", REMEDY)
    digest = hashlib.sha256(text).hexdigest()
    return Model(locator, segmentation, brain_extraction, autoencoder, landmarks, digest)


def described(folder: Path) -> dict[str, Any]:
    """The content of a folder's ``model.yaml``, empty where there is none.

    Raises:
        FetaError: it can't be read.
    """
    path = folder / INDEX
    if not path.exists():
        return {}
    _, content = _read_index(path)
    if not isinstance(content or {}, dict):
        raise FetaError(path, "is not a valid description of weights", REMEDY)
    return content or {}


def _read_index(path: Path) -> tuple[bytes, Any]:
    """The bytes of ``model.yaml``, and its content."""
    try:
        text = path.read_bytes()
        return text, yaml.safe_load(text)
    except OSError as error:
        raise FetaError(path, f"cannot be read ({error.strerror})", REMEDY) from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise FetaError(path, f"is not a valid description of weights ({error})", REMEDY) from error


def ship(folder: Path, files: Mapping[str, bytes], entries: Mapping[str, Any]) -> dict[str, Any]:
    """Put files of weights into a folder together with their entries in ``model.yaml``.

    Args:
        folder: made where there is none.
        files: their bytes, by their names.
        entries: for ``model.yaml``, in place of those of the same name.

    Returns:
        the whole new content of ``model.yaml``.

    Raises:
        FetaError: the folder can't be written, or its ``model.yaml`` can't be read; it is then as it was, unless a disk
            fails between the files' last steps: ``model.yaml`` comes last, and its sha256 tells.
    """
    now = described(folder) | dict(entries)
    contents: dict[Path, bytes | str] = {folder / name: data for name, data in files.items()}
    write_together(contents | {folder / INDEX: yaml.safe_dump(now, sort_keys=False)})
    return now


def _entry(folder: Path, entry: dict[str, Any]) -> WeightFile:
    network: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry["network"].items()}
    path = folder / entry["file"]
    if path.parent != folder:
        raise ValueError(f"{entry['file']} lies outside the folder")
    patch = int(entry.get("patch", WeightFile.patch))
    network["norm"] = Norm(network.get("norm", Norm.INSTANCE))
    return WeightFile(path, entry["sha256"], float(entry["spacing"]), NetworkSettings(**network), patch)


def load_network(weight_file: WeightFile) -> ResidualUNet:
    """Build the network and fill it, in float32.

    Raises:
        FetaError: where the file is missing, is not the one that ``model.yaml`` means, or does not fit.
    """
    try:
        data = weight_file.path.read_bytes()
    except OSError as error:
        raise FetaError(weight_file.path, f"cannot be read ({error.strerror})", REMEDY) from error
    if hashlib.sha256(data).hexdigest() != weight_file.sha256:
        raise FetaError(weight_file.path, "is damaged or another version: its sha256 differs from model.yaml's", REMEDY)
    try:
        return ResidualUNet.of(weight_file.network, restored(load(data))).eval()
    except (RuntimeError, SafetensorError) as error:
        raise FetaError(weight_file.path, "does not fit the network that model.yaml describes", REMEDY) from error


def packed(
    network: nn.Module, name: str, spacing: float, settings: NetworkSettings, int8: bool = False
) -> tuple[bytes, dict[str, Any]]:
    """A file of float16 weights, or of kernels in a byte each, and its entry for ``model.yaml`` under this name."""
    state = network.state_dict()
    halves = {name: tensor.to(torch.float16).contiguous() for name, tensor in state.items()}
    data = save(quantised(state) if int8 else halves)
    described = {k: _plain(v) for k, v in asdict(settings).items()}
    return data, {
        "file": name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "spacing": spacing,
        "network": described,
    }


def _plain(value: Any) -> Any:
    """A setting as YAML knows it."""
    return list(value) if isinstance(value, tuple) else value.value if isinstance(value, StrEnum) else value

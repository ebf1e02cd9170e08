"""``confidence.json`` beside the weights: the model of quality, written and read; refused beside other networks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from feta.files import write_atomically
from inference.biometry.calibration import finite_array, networks_digest, read_fitted
from inference.confidence.age_estimate import age_estimator_from
from inference.confidence.margins import groups_from, margins_from
from inference.confidence.quality_model import CHANCE, Figure, QualityModel
from inference.confidence.signals import CASE, LENGTH, TISSUE
from inference.confidence.trees import trees_from

Array = npt.NDArray[np.float64]
NAME = "confidence.json"
VERSION = 4


def read_quality_model(weights: Path, networks: str | None = None) -> QualityModel | None:
    """``confidence.json`` of a folder of weights; None where there is none.

    Args:
        weights: the folder.
        networks: which ones make the label maps, as the file names them; those of ``model.yaml`` by default.

    Raises:
        FetaError: it can't be read, doesn't hold what is needed, or was fitted to other networks than the folder's.
    """
    path = weights / NAME
    if not path.exists():
        return None
    return read_quality_file(path, networks_digest(weights) if networks is None else networks)


def read_quality_file(path: Path, networks: str) -> QualityModel:
    """A model as ``write_quality_model`` wrote it.

    Args:
        path: of the file.
        networks: which ones make the label maps; "" where nobody knows.

    Raises:
        FetaError: it can't be read, doesn't hold what is needed, or was fitted to other networks.
    """
    return read_fitted(
        path, _from_plain, networks, "is no model of a result's quality", "feta-train assess confidence --fit"
    )


def write_quality_model(path: Path, model: QualityModel) -> None:
    """Write a model as ``read_quality_model`` reads it. Atomic.

    Raises:
        FetaError: the file can't be written.
    """
    content = {
        "version": VERSION,
        "weights": model.weights,
        "cases": model.cases,
        "individuals": model.individuals,
        "signals": {"case": list(CASE), "tissue": list(TISSUE), "length": list(LENGTH)},
        "chance": CHANCE,
        "groups": model.groups.plain(),
        "ages": list(model.ages),
        "age": model.age.plain(),
        "distance": {n: _short(getattr(model, n)) for n in ("centre", "spread", "precision")},
        "margins": {f: m.plain() for f, m in model.margins.items()},
        "trees": {f: t.plain() for f, t in model.trees.items()},
    }
    write_atomically(path, json.dumps(content, allow_nan=False) + "\n")


def _from_plain(content: Mapping[str, Any]) -> QualityModel:
    if content["version"] != VERSION:
        raise ValueError(f"another version, {str(content['version'])[:20]}, than this release reads, {VERSION}")
    if content["signals"] != {"case": list(CASE), "tissue": list(TISSUE), "length": list(LENGTH)}:
        raise ValueError("other signals than this release collects")
    size = len(CASE)
    shapes = {"centre": (size,), "spread": (size,), "precision": (size, size)}
    distance = {n: finite_array(content["distance"][n], n, shape) for n, shape in shapes.items()}
    youngest, oldest = finite_array(content["ages"], "ages", (2,)).tolist()
    return QualityModel(
        trees={f: trees_from(content["trees"][f], f.signals) for f in Figure},
        margins={f: margins_from(content["margins"][f], f.elements) for f in Figure},
        groups=groups_from(content["groups"]),
        ages=(youngest, oldest),
        age=age_estimator_from(content["age"]),
        **distance,
        cases=int(content["cases"]),
        individuals=int(content["individuals"]),
        weights=str(content["weights"]),
    )


def _short(array: Array) -> Any:
    return [_short(row) for row in array] if array.ndim > 1 else [float(f"{v:.6g}") for v in array.tolist()]

"""``plans.json`` and ``dataset.json``: what a prediction with nnU-Net v2 needs of them, checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feta.errors import FetaError
from feta.labels import LABEL_COUNT
from inference.nnunet.architecture import Architecture, read_architecture
from inference.nnunet.errors import Unsupported
from inference.nnunet.normalisation import Normalisation, read_normalisation
from inference.nnunet.resampling import SplineResampling, read_scheme

#: How nnU-Net read the training images: as they are stored, or turned to RAS by their header.
READERS = {"SimpleITKIO": False, "NibabelIO": False, "SimpleITKIOWithReorient": True, "NibabelIOWithReorient": True}
#: Preprocessors other than this one do something else.
PREPROCESSOR = "DefaultPreprocessor"
SUPPORTED = "3-D configurations without a cascade of one channel and eight labels can be used"
Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Plans:
    """One configuration of a trained nnU-Net; arrays' axes are the file's (z, y, x), then permuted by ``forward``.

    Attributes:
        forward: permutation of the axes before anything else.
        reorient: whether images are first turned to RAS.
        patch: voxels, permuted axes.
        spacing: mm, permuted axes.
        normalisation: of intensities.
        image: how images are resampled.
        logits: how logits are resampled back.
        architecture: of the network.
    """

    forward: Triple
    reorient: bool
    patch: Triple
    spacing: tuple[float, float, float]
    normalisation: Normalisation
    image: SplineResampling
    logits: SplineResampling
    architecture: Architecture


def read_plans(path: Path, configuration: str) -> Plans:
    """Read one configuration of ``plans.json``, old style or new.

    Raises:
        FetaError: the file can't be read, or the configuration isn't one that can be used.
    """
    plans = read_json(path)
    try:
        merged = inherited(plans["configurations"], configuration)
        return _plans(plans, merged)
    except Unsupported as error:
        raise FetaError(path, f"configuration {configuration}: {error}", SUPPORTED) from error
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise FetaError(
            path, f"is not what nnU-Net v2 writes ({error!r})", "copy it again from the training"
        ) from error


def check_dataset(path: Path) -> None:
    """Raise FetaError unless ``dataset.json`` has one channel and FeTA's eight labels by number, however named."""
    dataset = read_json(path)
    channels = dataset.get("channel_names", dataset.get("modality"))
    labels = dataset.get("labels")
    if not isinstance(channels, dict) or not isinstance(labels, dict):
        raise FetaError(path, "names no channels or no labels", "copy it again from the training")
    if len(channels) != 1:
        raise FetaError(path, f"asks for {len(channels)} channels", "a FeTA case has one image: train on T2w alone")
    if any(isinstance(value, list) and len(value) > 1 for value in labels.values()):
        raise FetaError(
            path, "has regions in place of labels", "train on plain labels: topology needs a probability of each"
        )
    try:
        numbers = sorted(_number(value) for name, value in labels.items() if name != "ignore")
    except (TypeError, ValueError) as error:
        raise FetaError(path, f"has labels that are no numbers ({error})", "copy it again from the training") from error
    if numbers != list(range(LABEL_COUNT)):
        raise FetaError(path, f"has the labels {numbers}", f"FeTA's are 0–{LABEL_COUNT - 1}, each of them needed")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object.

    Raises:
        FetaError: it can't be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FetaError(path, f"cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise FetaError(path, f"is no valid JSON ({error})", "copy it again from the training") from error
    if not isinstance(content, dict):
        raise FetaError(path, "is no valid JSON object", "copy it again from the training")
    return content


def inherited(configurations: Mapping[str, Any], name: str, below: tuple[str, ...] = ()) -> dict[str, Any]:
    """A configuration with what it inherits from others."""
    if name in below:
        raise ValueError(f"{name} inherits from itself")
    own = dict(configurations[name])
    parent = own.get("inherits_from")
    return own if parent is None else inherited(configurations, parent, (*below, name)) | own


def _plans(plans: Mapping[str, Any], chosen: Mapping[str, Any]) -> Plans:
    if len(chosen["patch_size"]) != 3:
        raise Unsupported("is 2-D")
    if chosen.get("previous_stage") is not None:
        raise Unsupported(f"is a cascade after {chosen['previous_stage']}")
    for what, known in (("preprocessor_name", (PREPROCESSOR,)), ("label_manager", ("LabelManager",))):
        named = chosen.get(what, plans.get(what, known[0]))
        if named not in known:
            raise Unsupported(f"{what} {named} is not known")
    if plans["image_reader_writer"] not in READERS:
        raise Unsupported(f"image reader {plans['image_reader_writer']} is not known")
    forward = _triple(plans["transpose_forward"])
    if sorted(forward) != [0, 1, 2]:
        raise ValueError(f"transpose_forward {forward} is no permutation")
    x, y, z = (float(value) for value in chosen["spacing"])
    older = plans.get("foreground_intensity_properties_by_modality", {})
    return Plans(
        forward=forward,
        reorient=READERS[plans["image_reader_writer"]],
        patch=_triple(chosen["patch_size"]),
        spacing=(x, y, z),
        normalisation=read_normalisation(chosen, plans.get("foreground_intensity_properties_per_channel", older)),
        image=read_scheme(chosen, "resampling_fn_data"),
        logits=read_scheme(chosen, "resampling_fn_probabilities"),
        architecture=read_architecture(chosen),
    )


def _triple(values: Any) -> Triple:
    a, b, c = (int(value) for value in values)
    return a, b, c


def _number(value: Any) -> int:
    (number,) = value if isinstance(value, list) else (value,)
    return int(number)

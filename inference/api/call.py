"""``segment`` and ``load``: a volume that a program holds, segmented and measured."""

from __future__ import annotations

import functools
import math
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

from feta.errors import FetaError
from feta.participants import parse_age
from inference.api.geometry import LPS_TO_RAS, ras_affine
from inference.api.given import take
from inference.api.segmented import Segmented
from inference.biometry.lengths import Method
from inference.runs.analysis import analyse, upright_frame
from inference.runs.models import LoadedOnce, load_models
from inference.runs.settings import Settings, default_weights

__all__ = ["LoadedModel", "Segmented", "load", "segment"]

#: One call of ``segment`` at a time looks for its networks.
_LOADING = threading.Lock()


class LoadedModel:
    """The networks, loaded: call it with one volume after another. ``load`` makes it.

    Any thread may call it; calls wait for each other, since one uses all cores or the GPU anyway. It is not for another
    process: load it there (multiprocessing: by 'spawn', as torch wants it).
    """

    def __init__(self, settings: Settings) -> None:
        self._measuring = settings.measuring()
        self._networks = LoadedOnce(settings, load_models)
        self._networks.models()
        self._turn = threading.Lock()

    def __call__(
        self, image: Any, *, spacing: Any = None, affine: Any = None, ga: float | str | None = None
    ) -> Segmented:
        """Segment and measure one T2w reconstruction of a fetal brain. Nothing is written or printed.

        Args:
            image: path of a .nii, .nii.gz or .mha; or an image of nibabel or SimpleITK; or an array (x, y, z) of real
                numbers, as nibabel's ``get_fdata()`` gives it, of numpy or torch, on any device. Further axes of length
                1 in front or behind are let be. It is never changed. For an array (z, y, x) give its transpose:
                nobody can see from numbers that axes are in another order, and left and right would be exchanged.
            spacing: of an array: three numbers, mm along its (x, y, z). Alone it leaves left and right unknown.
            affine: of an array: 4×4 from index (x, y, z) to RAS mm, as nibabel has it.
            ga: gestational age in weeks, such as 28.4; without it there are no centiles. No table beside
                a file is read.

        Raises:
            FetaError: something given can't be used; one line says what, and what to do.
        """
        age = _weeks(ga)
        with self._turn:
            given = take(image, spacing, affine)
            found, notes = self._networks.run(
                lambda models: analyse(given.source, given.volume, models, self._measuring, age)
            )
            about = self._networks.models().warnings
        labels, confidence = found.segmented.labels, found.measures.confidence
        assert confidence is not None  # only label maps of others go unjudged
        estimated = confidence.age
        pose = upright_frame(found.segmented, found.aligned) @ LPS_TO_RAS
        return Segmented(
            labels=given.as_it_was(labels.array),
            affine=ras_affine(labels.grid),
            lengths={str(name): length for name, length in found.measures.lengths.items()},
            sizes=found.measures.sizes,
            pose=np.asarray(pose, np.float64),
            warnings=(*about, *found.warnings, *notes),
            verdict=str(confidence.judgement.verdict),
            reasons=tuple(reason.text for reason in confidence.judgement.reasons),
            expected_dice={row[1]: row[2:] for row in confidence.rows() if row[0] == "dice"},
            age=age,
            age_estimated=None if estimated is None else (estimated.weeks, estimated.low, estimated.high),
            _on_its_grid=labels,
        )


def load(
    *,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    tta: bool | None = None,
    topology: bool = True,
    biometry: str = "fusion",
) -> LoadedModel:
    """Load the networks once, for many volumes.

    Threads are as the program has them (``torch.set_num_threads``, OMP_NUM_THREADS): what the command ``feta-infer``
    does about a container's quota is left to it.

    Args:
        weights: folder of weights, or results of nnU-Net v2; by default that of FETA_WEIGHTS, else the shipped one.
        device: 'auto' (a GPU that works, else the CPU), 'cpu' or 'cuda'. Wherever a tensor lies, this counts.
        tta: test-time augmentation, slower and a little better; by default for an nnU-Net alone.
        topology: construct label maps with the topology that tissues have.
        biometry: what lengths rest on: 'fusion', 'heatmap', 'geometry', 'regression' or 'age'.

    Raises:
        FetaError: no such device, weights or method.
    """
    return LoadedModel(_settings(weights, device, tta, topology, biometry))


def segment(
    image: Any,
    *,
    spacing: Any = None,
    affine: Any = None,
    ga: float | str | None = None,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    tta: bool | None = None,
    topology: bool = True,
    biometry: str = "fusion",
) -> Segmented:
    """Segment and measure one volume; the networks stay loaded for the next call with the same options.

    Arguments, result and errors are those of ``LoadedModel.__call__`` and of ``load``; for several sets of options in
    turn keep what ``load`` gives for each.
    """
    settings = _settings(weights, device, tta, topology, biometry)
    with _LOADING:
        model = _kept(settings)
    return model(image, spacing=spacing, affine=affine, ga=ga)


@functools.lru_cache(maxsize=1)
def _kept(settings: Settings) -> LoadedModel:
    return LoadedModel(settings)


def _settings(
    weights: str | os.PathLike[str] | None, device: str, tta: bool | None, topology: bool, biometry: str
) -> Settings:
    if biometry not in list(Method):
        raise FetaError("biometry", f"{str(biometry)[:40]!r} is not one of {', '.join(Method)}")
    folder = default_weights() if weights is None else Path(weights)
    return Settings(folder, device, mirror_tta=tta, topology=topology, biometry=Method(biometry))


def _weeks(ga: Any) -> float | None:
    """The age in weeks; None for None.

    Raises:
        FetaError: it is no number of weeks, or none of a fetus.
    """
    if ga is None:
        return None
    try:
        text = ga if isinstance(ga, str) else f"{float(ga):g}"
    except (TypeError, ValueError):
        text = str(ga)
    if isinstance(ga, bool) or text.strip().lower() in ("", "nan", "n/a") or not math.isfinite(_or_zero(text)):
        raise FetaError("ga", f"{text[:40]!r} is no number of weeks", "leave it out where the age is unknown")
    weeks, problem = parse_age(text)
    if problem is not None:
        raise FetaError("ga", problem.removesuffix(", it is not used"))
    return weeks


def _or_zero(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0

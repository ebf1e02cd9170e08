"""What a run is asked for, and the part of it that its results depend on."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import feta
from feta.age_model import AgeModel, published_model, read_age_model
from feta.errors import FetaError
from feta.volumes import fingerprint
from inference.biometry.calibration import NAME as CALIBRATION
from inference.biometry.calibration import networks_digest, read_calibration
from inference.biometry.lengths import Measuring, Method
from inference.confidence.quality_file import NAME as QUALITY
from inference.confidence.quality_file import read_quality_model
from inference.confidence.quality_model import QualityModel
from inference.morphometry.length_errors import NAME as LENGTH_ERRORS
from inference.morphometry.length_errors import LengthErrors, read_length_errors
from inference.nnunet.folder import find_results

#: Names the folder of weights where --weights doesn't; the image sets it.
WEIGHTS_VARIABLE = "FETA_WEIGHTS"
#: Names of settings in records and run.json where they differ: those of the first release, so that the cases that it
#: finished still count as finished.
STORED_AS = {"mirror_tta": "flips", "brain_extraction": "extraction"}


def default_weights() -> Path:
    """The folder that FETA_WEIGHTS names, else ``weights`` beside the packages."""
    named = os.environ.get(WEIGHTS_VARIABLE)
    return Path(named) if named else Path(__file__).resolve().parents[2] / "weights"


@dataclass(frozen=True)
class Settings:
    """Settings of a run.

    Attributes:
        weights: folder with ``model.yaml``, or a results folder of nnU-Net v2.
        device: 'auto', 'cpu' or 'cuda'.
        mirror_tta: test-time augmentation, the mean over mirror images: slower and a little better. Where None, as the
            networks' makers measured them: an nnU-Net with it, ours without.
        overwrite: do finished cases again.
        ga_baseline: JSON of ``{measure: [intercept, slope]}`` in place of the published curves.
        topology: construct label maps with the topology that tissues have.
        autoencoder: correct probability maps by the denoising autoencoder of the folder of weights.
        biometry: what lengths rest on.
        brain_extraction: find the brain's mask first, where the folder of weights has a network for it.
        soft: also probabilities of the tissues.
        workers: how many cases at once, each in a process of its own; None for as many as suit the machine.
    """

    weights: Path
    device: str = "auto"
    mirror_tta: bool | None = None
    overwrite: bool = False
    ga_baseline: Path | None = None
    topology: bool = True
    autoencoder: bool = False
    biometry: Method = Method.FUSION
    brain_extraction: bool = True
    soft: bool = False
    workers: int | None = 1

    def mirrors(self) -> bool:
        """Whether to predict mirror images, too."""
        return find_results(self.weights) is not None if self.mirror_tta is None else self.mirror_tta

    def check(self) -> None:
        """Refuse what would have no effect.

        Raises:
            FetaError: the autoencoder is asked for with an nnU-Net, or no case at once.
        """
        if self.workers is not None and self.workers < 1:
            raise FetaError("--workers", f"{self.workers} cases at once do nothing", "name 1 or more, or leave it out")
        if self.autoencoder and find_results(self.weights) is not None:
            problem = f"cannot correct what the nnU-Net in {self.weights} predicts: it knows our own network's errors"
            raise FetaError("--autoencoder", problem, "leave it out")

    def measuring(self) -> Measuring:
        """How lengths are found.

        Raises:
            FetaError: the lines or the calibration can't be used.
        """
        return Measuring(self.age_model(), read_calibration(self._calibrated()), self.biometry)

    def _calibrated(self) -> Path:
        """The folder whose calibration holds; a bare nnU-Net has none, but is measured by the default one's."""
        return self.weights if (self.weights / CALIBRATION).exists() else frame_weights(self.weights)

    def quality_model(self) -> QualityModel | None:
        """What tells the quality of results; None where nobody measured the errors of these weights, used like this.

        Without topology, or without the brain's mask, signals are missing that tell a bad result; an autoencoder
        changes the rest. Of an nnU-Net that was copied beside our networks nobody has: what lies there is of ours.

        Raises:
            FetaError: it can't be used, or was fitted to other networks.
        """
        return read_quality_model(self.weights, networks_of(self.weights)) if self._errors_known() else None

    def _errors_known(self) -> bool:
        return self.topology and self.brain_extraction and not self.autoencoder and self._alone()

    def length_errors(self) -> LengthErrors:
        """How far further lengths are off on the label maps of these networks; nothing where nobody measured it.

        Raises:
            FetaError: it can't be used, or was measured with other networks.
        """
        return read_length_errors(self.weights, networks_of(self.weights)) if self._alone() else LengthErrors()

    def _alone(self) -> bool:
        """Whether no nnU-Net was copied beside our networks: what is known of errors there is of ours."""
        return find_results(self.weights) is None or not (self.weights / "model.yaml").is_file()

    def age_model(self) -> AgeModel:
        """The mean length at an age."""
        return published_model() if self.ga_baseline is None else read_age_model(self.ga_baseline)

    def result_key(self) -> dict[str, Any]:
        """What a result depends on, beside its input: a change here makes a finished case unfinished.

        Raises:
            FetaError: no model in the folder of weights.
        """
        calibration, quality = self._calibrated() / CALIBRATION, self.weights / QUALITY
        further = self.weights / LENGTH_ERRORS
        return {
            "version": feta.__version__,
            "model": _model_identity(self.weights),
            "flips": self.mirrors(),
            "topology": self.topology,
            "autoencoder": self.autoencoder,
            "extraction": self.brain_extraction,
            "biometry": str(self.biometry),
            "calibration": fingerprint(calibration) if calibration.exists() else None,
            "confidence": fingerprint(quality) if quality.exists() and self._errors_known() else None,
            "further_lengths": fingerprint(further) if further.exists() and self._alone() else None,
            "ga_baseline": None if self.ga_baseline is None else fingerprint(self.ga_baseline),
        }

    def described(self) -> dict[str, Any]:
        """For run.json."""
        return {STORED_AS.get(k, k): str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}


def networks_of(weights: Path) -> str:
    """What tells the networks apart that make a folder's label maps: an nnU-Net's files, or ours by ``model.yaml``."""
    results = find_results(weights)
    return networks_digest(weights) if results is None else results.identity()


def frame_weights(weights: Path) -> Path:
    """The folder whose networks find the brain's pose: this one, or the default one where it is a bare nnU-Net."""
    return weights if (weights / "model.yaml").is_file() or find_results(weights) is None else default_weights()


def _model_identity(weights: Path) -> str:
    """sha256 of ``model.yaml``, which itself holds the sha256 of each file of weights; and of an nnU-Net's files."""
    results = find_results(weights)
    nnunet = "" if results is None else f"+{results.identity()}"
    description = frame_weights(weights) / "model.yaml"
    if not description.is_file():
        raise FetaError(
            weights, "holds no model.yaml", f"name the folder of weights by --weights or {WEIGHTS_VARIABLE}"
        )
    return fingerprint(description) + nnunet

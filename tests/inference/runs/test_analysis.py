"""What is promised of results that were made otherwise than those whose errors were measured."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from feta.age_model import published_model
from feta.errors import FetaError
from feta.measurements import MEASUREMENTS
from inference.biometry.calibration import usual
from inference.biometry.lengths import Measuring, Method
from inference.biometry.midline_alignment import align_to_midline
from inference.confidence.confidence import Judging
from inference.geometry.segmentation_result import Segmentation
from inference.morphometry.further_lengths import FURTHER_LENGTHS
from inference.morphometry.length_errors import NAME, LengthErrors, write_length_errors
from inference.runs.analysis import Measures, measure_labels
from inference.runs.models import load_models
from inference.runs.settings import Settings, default_weights, networks_of
from tests.support.folders import SMALL
from tests.support.heads import stand_in
from tests.support.measured_head import MeasuredHead
from tests.support.networks import write_tiny_weights
from tests.support.nnunet_folders import make_folder, make_plans

SHIPPED = Settings(default_weights())


def measured(method: Method, judging: Judging | None) -> Measures:
    segmented = stand_in(SMALL)
    aligned = align_to_midline(segmented.labels, segmented.to_canonical)
    measuring = Measuring(published_model(), usual(), method)
    return measure_labels(SMALL, segmented, aligned, None, measuring, 28.0, judging=judging)


def test_lengths_that_rest_on_the_age_alone_keep_their_wide_intervals() -> None:
    """What is known of the errors of lengths from the image says nothing of them."""
    judged, own = (measured(Method.AGE, judging) for judging in (Judging(SHIPPED.quality_model()), None))
    assert [judged.lengths[m].interval for m in MEASUREMENTS] == [own.lengths[m].interval for m in MEASUREMENTS]
    assert judged.confidence is not None
    assert {measure for measure, *_ in judged.confidence.rows()} == {"dice", "hd95", "volume"}


def test_how_lengths_were_asked_for_changes_nothing_in_what_is_expected_of_the_label_map() -> None:
    fused, geometry = (measured(m, Judging(SHIPPED.quality_model())) for m in (Method.FUSION, Method.GEOMETRY))
    assert fused.confidence is not None
    assert geometry.confidence is not None
    told = [[row for row in c.rows() if row[0] != "length"] for c in (fused.confidence, geometry.confidence)]
    assert told[0] == told[1]
    assert fused.confidence.age == geometry.confidence.age


@pytest.mark.parametrize("other", [{"topology": False}, {"autoencoder": True}, {"brain_extraction": False}])
def test_nobody_measured_the_errors_of_networks_used_otherwise(other: dict[str, bool]) -> None:
    assert SHIPPED.quality_model() is not None
    assert dataclasses.replace(SHIPPED, **other).quality_model() is None


def test_what_is_known_of_our_networks_is_refused_in_an_nnunets_folder(tmp_path: Path) -> None:
    """It has no ``model.yaml`` that would tell them apart."""
    make_folder(tmp_path, make_plans())
    shutil.copy(SHIPPED.weights / "confidence.json", tmp_path)
    with pytest.raises(FetaError, match="other networks"):
        Settings(tmp_path).quality_model()


def further(judging: Judging | None) -> dict[str, tuple[float | None, float | None]]:
    """Intervals of the further lengths of a head in which all of them are found."""
    labels, to_frame = MeasuredHead().turned(np.eye(3))
    segmented = Segmentation(labels, to_frame, ())
    image = dataclasses.replace(labels, array=labels.array.astype(np.float32))
    measuring = Measuring(published_model(), usual())
    aligned = align_to_midline(labels, to_frame)
    sizes = measure_labels(image, segmented, aligned, None, measuring, 28.0, judging=judging).sizes
    return {each.key: (each.low, each.high) for each in sizes if each.key in {kind.key for kind in FURTHER_LENGTHS}}


def test_further_lengths_have_intervals_by_the_errors_of_who_drew_the_labels() -> None:
    nothing = (None, None)
    shipped = further(Judging(further=SHIPPED.length_errors()))
    assert len(shipped) == len(FURTHER_LENGTHS)
    assert nothing not in shipped.values()
    assert set(further(Judging()).values()) == set(further(None).values()) == {nothing}


def test_errors_of_further_lengths_of_other_networks_are_refused_when_networks_are_loaded(tmp_path: Path) -> None:
    settings = Settings(write_tiny_weights(tmp_path))
    before = settings.result_key()
    assert load_models(settings).judging.further == LengthErrors()
    known = LengthErrors({"atrium": (-0.1, 0.1)}, 12, networks_of(tmp_path))
    write_length_errors(tmp_path / NAME, known)
    assert load_models(settings).judging.further == known
    assert settings.result_key() != before
    shutil.copy(SHIPPED.weights / NAME, tmp_path)
    with pytest.raises(FetaError, match="other networks"):
        load_models(settings)
    # A fit of what belongs to new networks doesn't mind what is there of old ones.
    assert load_models(settings, judged=False).judging.further == LengthErrors()

"""The calibration of lengths as a file, and how errors grow with blur."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from feta.errors import FetaError
from inference.biometry.calibration import NAME, networks_digest, read_calibration, usual, write_calibration
from inference.biometry.volume_regression import Regression, regressors

RNG = np.random.default_rng(0)
FITTED = dataclasses.replace(
    usual(),
    bias=RNG.normal(0, 0.02, (5, 3)),
    sd=RNG.uniform(0.02, 0.1, (5, 3)),
    exponent=np.array([0.5, 0.0, 1.0]),
    regression=Regression(RNG.normal(0, 0.1, (5, 8)), RNG.normal(0, 0.1, (5, 10))),
    cases=40,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_calibration(tmp_path / NAME, FITTED)
    read = read_calibration(tmp_path)
    for name in ("bias", "sd", "wrong", "correlation", "blur", "exponent"):
        assert getattr(read, name) == pytest.approx(getattr(FITTED, name), abs=1e-5)
    assert read.regression is not None
    assert FITTED.regression is not None
    volumes = np.full(7, 20.0)
    assert read.regression.lengths(volumes, 30.0) == pytest.approx(FITTED.regression.lengths(volumes, 30.0), rel=1e-3)
    assert read.cases == 40


def test_weights_without_a_calibration_have_the_usual_errors(tmp_path: Path) -> None:
    assert read_calibration(tmp_path).cases == 0


def no_list(content: dict) -> None:
    content["bias"] = 3


def no_sources(content: dict) -> None:
    del content["sources"]


def no_spread(content: dict) -> None:
    content["sd"][2][1] = 0.0


def no_correlation(content: dict) -> None:
    content["correlation"][0] = [[1, 1, 1]] * 3


def certainly_wrong(content: dict) -> None:
    content["wrong"][0][0] = 1.0


def short_regression(content: dict) -> None:
    content["regression"]["with_age"] = [[1.0]]


@pytest.mark.parametrize("damaged", [no_list, no_sources, no_spread, no_correlation, certainly_wrong, short_regression])
def test_a_damaged_calibration_is_one_line(damaged: Callable[[dict], None], tmp_path: Path) -> None:
    write_calibration(tmp_path / NAME, FITTED)
    content = json.loads((tmp_path / NAME).read_text())
    damaged(content)
    (tmp_path / NAME).write_text(json.dumps(content))
    with pytest.raises(FetaError, match="is not a calibration"):
        read_calibration(tmp_path)


def test_errors_grow_with_blur_as_far_as_the_exponent_says() -> None:
    at = [np.sqrt(np.diag(FITTED.covariance(0, [0, 1, 2], f * FITTED.blur[0]))) for f in (1.0, 2.0)]
    assert at[0] == pytest.approx(FITTED.sd[0])
    assert at[1] / at[0] == pytest.approx([2**0.5, 1.0, 2.0])


def test_without_heatmaps_errors_are_the_usual() -> None:
    assert np.sqrt(np.diag(FITTED.covariance(3, [0, 1], None))) == pytest.approx(FITTED.sd[3, :2])


def test_regression_is_linear_in_logarithms() -> None:
    """Twice as large a brain: every volume eightfold, each length as the coefficients say."""
    assert FITTED.regression is not None
    volumes = np.array([80.0, 60.0, 90.0, 5.0, 6.0, 8.0, 3.0])
    once, twice = (FITTED.regression.lengths(f * volumes, None) for f in (1, 8))
    expected = np.exp(np.log(8) * FITTED.regression.without_age[:, 1:].sum(axis=1))
    assert twice / once == pytest.approx(expected)


def test_an_empty_map_has_no_regression() -> None:
    assert FITTED.regression is not None
    assert np.isnan(FITTED.regression.lengths(np.zeros(7), 30.0)).all()


def test_a_tissue_that_is_all_but_absent_has_a_logarithm() -> None:
    assert np.isfinite(regressors(np.array([0.0, *[10.0] * 6]), None)).all()


def model(folder: Path, sha256: str) -> Path:
    """A folder whose model.yaml names a segmentation network of this digest."""
    entries = {"segmentation": [{"file": "s.safetensors", "sha256": sha256}], "anatomy": {"sha256": "of no length"}}
    (folder / "model.yaml").write_text(yaml.safe_dump(entries))
    return folder


def test_a_calibration_of_other_networks_is_refused(tmp_path: Path) -> None:
    write_calibration(tmp_path / NAME, dataclasses.replace(FITTED, weights=networks_digest(model(tmp_path, "a" * 64))))
    read_calibration(tmp_path)
    model(tmp_path, "b" * 64)
    with pytest.raises(FetaError, match=r"was fitted to other networks than the folder's; fit it anew with feta-train"):
        read_calibration(tmp_path)


def test_a_calibration_of_nobody_knows_which_networks_is_refused(tmp_path: Path) -> None:
    write_calibration(model(tmp_path, "a" * 64) / NAME, FITTED)
    with pytest.raises(FetaError, match="does not tell to which networks it was fitted; fit it anew") as refused:
        read_calibration(tmp_path)
    assert len(str(refused.value).splitlines()) == 1


def test_other_weights_that_no_length_depends_on_may_change(tmp_path: Path) -> None:
    before = networks_digest(model(tmp_path, "a" * 64))
    text = (tmp_path / "model.yaml").read_text()
    (tmp_path / "model.yaml").write_text(text.replace("of no length", "of another cohort"))
    assert networks_digest(tmp_path) == before != ""


def test_the_shipped_calibration_is_of_the_shipped_networks() -> None:
    shipped = Path(__file__).parents[3] / "weights"
    assert read_calibration(shipped).weights == networks_digest(shipped) != ""

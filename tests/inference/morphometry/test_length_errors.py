"""The errors of further lengths as a file beside the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from feta.errors import FetaError
from inference.biometry.calibration import networks_digest
from inference.morphometry.length_errors import NAME, LengthErrors, read_length_errors, write_length_errors

ERRORS = LengthErrors({"atrium": (-0.03, 0.01), "pons_width": (-0.02, 0.02)}, 12, "a" * 64)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_length_errors(tmp_path / NAME, ERRORS)
    assert read_length_errors(tmp_path, ERRORS.weights) == ERRORS


def test_an_interval_is_as_wide_as_the_shares_of_the_brain_s_width_and_never_below_nothing() -> None:
    assert ERRORS.interval("atrium_left", 8.0, 80.0) == pytest.approx((5.6, 8.8))
    assert ERRORS.interval("atrium_right", 1.0, 80.0) == pytest.approx((0.0, 1.8))
    assert ERRORS.interval("vermis_width", 8.0, 80.0) is None


def test_weights_without_the_file_have_no_known_errors(tmp_path: Path) -> None:
    assert read_length_errors(tmp_path, "a" * 64).shares == {}


@pytest.mark.parametrize(
    ("weights", "said"),
    [("b" * 64, "was fitted to other networks than the folder's"), ("", "does not tell to which networks")],
)
def test_errors_of_other_networks_are_refused_in_one_line(tmp_path: Path, weights: str, said: str) -> None:
    write_length_errors(tmp_path / NAME, LengthErrors(ERRORS.shares, 12, weights))
    with pytest.raises(FetaError, match=f"{said}.*; fit it anew with feta-train assess calibrate") as refused:
        read_length_errors(tmp_path, "a" * 64)
    assert len(str(refused.value).splitlines()) == 1
    assert read_length_errors(tmp_path, "").cases == 12  # nobody knows the folder's networks


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"cases": 3},
        {"cases": 3, "errors": [1]},
        {"cases": 3, "errors": {"atrium": [0.1]}},
        {"cases": 3, "errors": {"atrium": [0.1, "x"]}},
        {"cases": 3, "errors": {"atrium": [0.2, 0.1]}},
        {"cases": 3, "errors": {"atrium": [float("nan"), 0.1]}},
        {"cases": None, "errors": {}},
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, content: Any) -> None:
    (tmp_path / NAME).write_text(json.dumps(content))
    with pytest.raises(FetaError, match="does not hold errors of the further lengths") as refused:
        read_length_errors(tmp_path, "")
    assert len(str(refused.value).splitlines()) == 1


def test_the_shipped_errors_are_of_the_shipped_networks() -> None:
    shipped = Path(__file__).parents[3] / "weights"
    found = read_length_errors(shipped, networks_digest(shipped))
    assert found.weights == networks_digest(shipped) != ""
    assert set(found.shares) == {"atrium", "brain_OFD", "skull_OFD", "vermis_width", "pons_width"}

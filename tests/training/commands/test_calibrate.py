"""``feta-train assess calibrate``: one call fits all that depends on the weights, on heads that a stand-in labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feta.errors import FetaError
from feta.grid import Grid
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import Volume, write_label_map, write_volume
from inference.biometry.calibration import networks_digest, read_calibration
from inference.biometry.line import Line, landmark_image
from inference.confidence.quality_file import read_quality_model
from inference.geometry.segmentation_result import Segmentation
from inference.morphometry.length_errors import read_length_errors
from inference.runs.settings import default_weights
from tests.support.made_up_quality import made_up_rows
from tests.support.measured_head import BRAIN, MeasuredHead
from tests.support.networks import write_tiny_weights
from training.assessment import evidence
from training.commands.assess.calibrate import calibrate
from training.confidence import across, collect, grow

#: How large the head is, in parts of its size; one a case.
SCALES = np.linspace(0.85, 1.1, 12)
#: Ends in the brain frame, mm, as long as the lengths of a fetus of about 25 weeks.
ENDS = {
    Measurement.LCC: ((0.0, 17.0, 5.0), (0.0, -15.0, 5.0)),
    Measurement.HV: ((0.0, -22.0, -12.0), (0.0, -25.0, -28.0)),
    Measurement.BBIP: ((-33.0, -8.0, 0.0), (33.0, -8.0, 0.0)),
    Measurement.SBIP: ((-38.0, -8.0, 0.0), (38.0, -8.0, 0.0)),
    Measurement.TCD: ((-13.0, -22.0, -20.0), (13.0, -22.0, -20.0)),
}
TRUE, TO_FRAME = MeasuredHead().turned(np.eye(3), spacing=1.5)
DRAWN, _ = MeasuredHead(left=5.0, right=5.0).turned(np.eye(3), spacing=1.5)
LENGTHS = {m: float(np.linalg.norm(np.subtract(*ends))) for m, ends in ENDS.items()}


def scaled(grid: Grid, scale: float) -> Grid:
    return dataclasses.replace(
        grid, spacing=tuple(scale * v for v in grid.spacing), origin=tuple(scale * v for v in grid.origin)
    )


class StandIn:
    """In place of the networks: each image is the label map that is to be found on it."""

    calls = 0

    def __call__(self, volume: Volume) -> Segmentation:
        self.calls += 1
        frame = TO_FRAME.copy()
        frame[:3, 3] *= volume.grid.spacing[0] / TRUE.grid.spacing[0]
        return Segmentation(Volume(volume.array.astype(np.uint8), volume.grid), frame, ())


def write_cohort(root: Path) -> Path:
    """Heads of several sizes whose atria are drawn too wide, laid out as ``feta-train data simulate`` does."""
    people = ["participant_id\tPathology\tGestational age"]
    table = ["participant_id\t" + "\t".join(MEASUREMENTS)]
    for n, scale in enumerate(SCALES):
        name, grid = f"sub-{n:03d}", scaled(TRUE.grid, scale)
        stem = f"{name}/anat/{name}_rec-mial"
        write_volume(root / f"input/{stem}_T2w.nii.gz", Volume(DRAWN.array.astype(np.float32), grid))
        write_label_map(root / f"truth/{stem}_T2w_dseg.nii.gz", Volume(TRUE.array, grid))
        to_lps = np.linalg.inv(TO_FRAME)
        to_lps[:3, 3] *= scale
        lines = {m: Line(*(tuple(scale * v for v in end) for end in ends)).moved(to_lps) for m, ends in ENDS.items()}
        if n % 2:  # others tell lengths, but not how the brain lies
            marks = root / f"truth/derivatives/biometry/{stem}_meas.nii.gz"
            write_label_map(marks, Volume(landmark_image(lines, grid), grid))
        people.append(f"{name}\tNeurotypical\t{22 + 8 * (scale - 0.85) / 0.25:.1f}")
        table.append(f"{name}\t" + "\t".join(f"{scale * LENGTHS[m]:.3f}" for m in MEASUREMENTS))
    for path, lines_ in (("input/participants.tsv", people), ("truth/derivatives/biometry/biometry.tsv", table)):
        (root / path).write_text("\n".join(lines_) + "\n")
    return root


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("heads") / "heads")


@pytest.fixture
def atlases(tmp_path: Path) -> Path:
    """A labelled folder whose lengths nobody knows."""
    write_volume(tmp_path / "atlases/sub-a/anat/sub-a_T2w.nii.gz", Volume(DRAWN.array.astype(np.float32), DRAWN.grid))
    write_label_map(tmp_path / "atlases/sub-a/anat/sub-a_T2w_dseg.nii.gz", TRUE)
    return tmp_path / "atlases"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_tiny_weights(tmp_path / "weights")


@pytest.fixture
def segment(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn()
    monkeypatch.setattr(evidence, "_networks", lambda weights: (made, None))
    return made


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, int]]:
    """Few trees and folds, and rows that no network made; noted are cohorts, and by how many cases lengths are."""
    asked: list[tuple[Path, int]] = []

    def rows(cohort: Path, weights: Path, *_: Any) -> Iterator[tuple[Any, bool]]:
        asked.append((cohort, read_calibration(weights).cases))
        yield from ((row, True) for row in made_up_rows(12, seed=len(asked), cohort=cohort.name))

    monkeypatch.setattr(grow, "TREES", 3)
    monkeypatch.setattr(across.judged_across, "__defaults__", (2,))
    monkeypatch.setattr(collect, "collect", rows)
    return asked


def test_one_call_fits_all_that_depends_on_the_weights(
    heads: Path, atlases: Path, weights: Path, segment: StandIn, asked: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    # What is there of other networks is in nobody's way.
    for name in ("biometry.json", "further_lengths.json", "confidence.json"):
        (weights / name).write_bytes((default_weights() / name).read_bytes())
    with pytest.raises(FetaError, match="other networks"):
        read_calibration(weights)
    calibrate([heads, atlases], out=weights, jobs=1)
    networks = networks_digest(weights)
    lengths, further = read_calibration(weights), read_length_errors(weights, networks)
    quality = read_quality_model(weights)
    assert quality is not None
    assert lengths.weights == further.weights == quality.weights == networks != ""
    assert (lengths.cases, further.cases, quality.individuals) == (12, 6, 24)
    # Atria that are drawn 10 mm wide are 8 in truth, or a part of that where they are measured; all else is as drawn.
    low, high = further.shares["atrium"]
    assert -0.04 < low < -1.6 / (2 * BRAIN[0]) < high < 0
    assert further.shares["brain_OFD"] == (0, 0)
    # Verdicts rest on lengths that are calibrated already, and on the atlases, too.
    assert asked == [(heads, 12), (atlases, 12)]
    said = capsys.readouterr()
    parts = [
        said.out.index(f"wrote {weights / n}") for n in ("biometry.json", "further_lengths.json", "confidence.json")
    ]
    assert parts == sorted(parts)
    assert f"for the verdict alone: {atlases}: has no biometry.tsv" in said.err
    # Called again, nothing is segmented again, and the same is found.
    calibrate([heads], out=weights / "again.json", weights=weights, jobs=1)
    assert segment.calls == 12
    assert (weights / "again.json").read_bytes() == (weights / "biometry.json").read_bytes()


def test_a_file_of_json_holds_the_calibration_of_the_five_lengths_alone(
    heads: Path, weights: Path, segment: StandIn, asked: list[Any], tmp_path: Path
) -> None:
    calibrate([heads], out=tmp_path / "fitted.json", weights=weights, jobs=1)
    assert (tmp_path / "fitted.json").is_file()
    assert list(weights.glob("*.json")) == asked == []


def test_what_cannot_be_used_is_one_line_before_anything_is_written(
    heads: Path, atlases: Path, weights: Path, segment: StandIn, tmp_path: Path
) -> None:
    calls: list[tuple[list[Path], dict[str, Path], str]] = [
        ([tmp_path / "nowhere"], {"out": weights}, "is not a folder"),
        ([heads, weights], {"out": weights}, "weights: "),
        ([atlases], {"out": weights}, r"atlases: .*biometry\.tsv"),
        ([heads], {"out": tmp_path / "none"}, r"none/model\.yaml"),
        ([heads], {"out": weights, "weights": atlases}, "--weights: names other networks"),
    ]
    for cohorts, given, said in calls:
        with pytest.raises(FetaError, match=said) as refused:
            calibrate(cohorts, **given, jobs=1)  # type: ignore[arg-type]
        assert len(str(refused.value).splitlines()) == 1
        assert list(weights.glob("*.json")) == []

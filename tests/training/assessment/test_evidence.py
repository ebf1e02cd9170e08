"""Cohorts are looked at once: what was seen is kept, and a run that stopped goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from feta.errors import FetaError
from feta.grid import Grid
from feta.labels import Tissue
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import Volume, write_volume
from inference.biometry.calibration import LengthSource
from inference.geometry.frames import LPS_TO_RAS
from inference.geometry.segmentation_result import Segmentation
from inference.networks.weights import WeightFile
from training.assessment import evidence as biometry_evidence
from training.assessment.evidence import CaseEvidence, cohort_cases, cohort_evidence

SIDE, SPACING = 30, 3.0
GRID = Grid((SIDE,) * 3, (SPACING,) * 3, (-43.5,) * 3, (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
WEIGHTS = Path("weights")


def balls() -> Volume:
    """Nested balls of tissue: enough for widths, too little for the other lengths."""
    z, y, x = np.mgrid[:SIDE, :SIDE, :SIDE] - (SIDE - 1) / 2
    radius = SPACING * np.sqrt(x**2 + y**2 + z**2)
    labels = np.zeros(radius.shape, np.uint8)
    for tissue, reach in ((Tissue.ECSF, 38), (Tissue.GM, 33), (Tissue.WM, 29), (Tissue.VM, 12), (Tissue.SGM, 8)):
        labels[radius < reach] = tissue
    return Volume(labels, GRID)


class Counting:
    """Stands in for the segmenter; counts what it is asked."""

    def __init__(self) -> None:
        self.calls = 0
        self.model = Model()

    def __call__(self, volume: Volume) -> Segmentation:
        self.calls += 1
        return Segmentation(balls(), LPS_TO_RAS, ())


class Model:
    """What the kept files' names come from."""

    sha256 = "0" * 64
    locator = WeightFile(Path("a"), "1" * 64, 1.0, None)  # type: ignore[arg-type]
    segmentation = (locator,)
    brain_extraction = None


@pytest.fixture
def segmenter(monkeypatch: pytest.MonkeyPatch) -> Counting:
    made = Counting()
    monkeypatch.setattr(biometry_evidence, "_networks", lambda weights: (made, None))
    monkeypatch.setattr(biometry_evidence, "read_model", lambda weights: made.model)
    return made


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    image = Volume(balls().array.astype(np.float32), GRID)
    rows = ["participant_id\tPathology\tGestational age\tImage quality"]
    for n in (1, 2, 3):
        write_volume(tmp_path / f"input/sub-{n:03d}/anat/sub-{n:03d}_rec-mial_T2w.nii.gz", image)
        rows.append(f"sub-{n:03d}\t{'Pathological' if n == 3 else 'Neurotypical'}\t{24 + n}\t{n}")
    (tmp_path / "input/participants.tsv").write_text("\n".join(rows) + "\n")
    table = tmp_path / "truth/derivatives/biometry/biometry.tsv"
    table.parent.mkdir(parents=True)
    table.write_text("participant_id\tTCD\tLCC\nsub-001\t20\t30\nsub-003\t22\t33\n")
    return tmp_path


def seen(cohort: Path, **how: bool) -> list[tuple[CaseEvidence, bool]]:
    return list(cohort_evidence([cohort], WEIGHTS, **how))  # type: ignore[arg-type]


def test_cases_with_known_lengths_are_looked_at(cohort: Path, segmenter: Counting) -> None:
    cases = [case for case, _ in seen(cohort)]
    assert [c.name.split("/")[1] for c in cases] == ["sub-001_rec-mial_T2w", "sub-003_rec-mial_T2w"]
    assert [(c.age, c.pathological, c.quality) for c in cases] == [(25.0, False, 1.0), (27.0, True, 3.0)]
    truth = dict(zip(MEASUREMENTS, cases[1].truth, strict=True))
    assert (truth[Measurement.LCC], truth[Measurement.TCD]) == (33, 22)
    assert np.isnan(truth[Measurement.HV])
    width = cases[0].evidence.line(Measurement.SBIP, LengthSource.GEOMETRY)
    assert width is not None
    assert width.length == pytest.approx(76, abs=2.5)


def test_nothing_is_looked_at_twice(cohort: Path, segmenter: Counting) -> None:
    first = seen(cohort)
    again = seen(cohort)
    assert segmenter.calls == 2
    assert [new for _, new in first + again] == [True, True, False, False]
    for (a, _), (b, _) in zip(first, again, strict=True):
        assert a.evidence.geometry == b.evidence.geometry
        assert a.evidence.volumes == pytest.approx(b.evidence.volumes)


def test_a_run_that_stopped_goes_on(cohort: Path, segmenter: Counting) -> None:
    next(iter(cohort_evidence([cohort], WEIGHTS)))
    assert segmenter.calls == 1
    assert [new for _, new in seen(cohort)] == [False, True]
    assert segmenter.calls == 2


def test_measured_afresh_label_maps_are_kept(cohort: Path, segmenter: Counting) -> None:
    seen(cohort)
    assert [new for _, new in seen(cohort, fresh=True)] == [True, True]
    assert segmenter.calls == 2


def test_other_weights_look_again(cohort: Path, segmenter: Counting) -> None:
    seen(cohort)
    segmenter.model.locator = segmenter.model.segmentation[0].__class__(Path("a"), "2" * 64, 1.0, None)  # type: ignore[arg-type]
    segmenter.model.sha256 = "3" * 64
    assert [new for _, new in seen(cohort)] == [True, True]
    assert segmenter.calls == 4


def test_a_cohort_without_lengths_is_one_line(cohort: Path) -> None:
    (cohort / "truth/derivatives/biometry/biometry.tsv").unlink()
    with pytest.raises(FetaError, match=r"biometry\.tsv"):
        cohort_cases(cohort)

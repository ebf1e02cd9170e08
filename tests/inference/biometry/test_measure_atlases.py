"""Lengths on real anatomy: against the mask of the corpus callosum, and against published norms."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from feta.age_model import published_model
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import Volume, read_label_map
from inference.biometry.line import Line
from inference.biometry.measure import measure

SHARED = Path(os.environ.get("FETA_SHARED", "nowhere"))
SUBJECTS = {"crl24": 24, "crl30": 30, "crl36": 36, "sb23un": 23, "sb27op": 27, "sb31op": 31}
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not (SHARED / "data" / "atlases").is_dir(), reason="FETA_SHARED names no data folder"),
]


def lengths(labels: Volume) -> dict[Measurement, Line | None]:
    matrix = labels.grid.affine()
    centre = matrix[:3, :3] @ np.argwhere(labels.array)[:, ::-1].mean(axis=0) + matrix[:3, 3]
    to_canonical = np.diag([-1.0, -1.0, 1.0, 1.0])
    to_canonical[:3, 3] = to_canonical[:3, :3] @ -centre
    return measure(labels, to_canonical)


def atlas(subject: str, ending: str) -> Volume:
    name = f"sub-{subject}_rec-atlas_{ending}.nii.gz"
    return read_label_map(SHARED / "data" / "atlases" / f"sub-{subject}" / "anat" / name)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_callosum_against_its_mask(subject: str) -> None:
    mask = atlas(subject, "label-corpuscallosum_mask")
    index = np.argwhere(mask.array)
    middle = round(index[:, 2].mean())
    front_to_back = np.ptp(index[index[:, 2] == middle][:, 1]) + 1
    expected = float(front_to_back * mask.grid.spacing[1])
    found = lengths(atlas(subject, "T2w_dseg"))[Measurement.LCC]
    assert found is not None
    assert abs(found.length / expected - 1) < 0.10


@pytest.mark.parametrize("subject", [s for s in SUBJECTS if s.startswith("crl")])
def test_lengths_of_normal_brains_against_norms(subject: str) -> None:
    """The atlas is up to 12 % larger than the norms, its biparietal diameters less so."""
    model = published_model()
    for measurement, line in lengths(atlas(subject, "T2w_dseg")).items():
        assert line is not None
        expected = model.length(measurement, SUBJECTS[subject])
        assert 0.9 < line.length / expected < 1.2, measurement


@pytest.mark.parametrize("week", [21, 30, 38])
def test_both_protocols_give_the_same_lengths(week: int) -> None:
    """The same brain, labelled once by the atlas's group and once by the challenge's."""
    anat = SHARED / "data" / "feta_protocol" / f"sub-sta{week}" / "anat"
    theirs = lengths(read_label_map(anat / f"sub-sta{week}_rec-irtk_T2w_dseg.nii.gz"))
    ours = lengths(atlas(f"crl{week}", "T2w_dseg"))
    for measurement in MEASUREMENTS:
        first, second = ours[measurement], theirs[measurement]
        assert first is not None
        assert second is not None
        assert abs(first.length / second.length - 1) < 0.06, measurement

"""The picture to judge a case by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from scipy.spatial.transform import Rotation

from feta.labels import Tissue
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import Volume
from inference.biometry.lengths import Length
from inference.biometry.measure import measure
from inference.runs.qc_picture import write_picture
from tests.support.heads import TO_CANONICAL, make_head

HEAD = make_head((1.5, 1.5, 1.5))
UNKNOWN = {m: Length(None, "") for m in MEASUREMENTS}


def lengths(head: object = HEAD) -> dict[Measurement, Length]:
    found = measure(head.labels, TO_CANONICAL)  # type: ignore[attr-defined]
    return {m: Length(line.length, "image", line) for m, line in found.items() if line}


def picture(path: Path, labels: Volume = HEAD.labels, drawn: dict[Measurement, Length] = UNKNOWN) -> np.ndarray:
    write_picture(path / "qc.png", "sub-001 $x_1$ é", HEAD.image, labels, TO_CANONICAL, drawn)
    return imread(path / "qc.png")[..., :3]


def test_outlines_and_lengths_are_drawn_and_the_file_is_small(tmp_path: Path) -> None:
    plain = picture(tmp_path)
    assert (tmp_path / "qc.png").stat().st_size < 300_000
    assert (np.ptp(plain, axis=2) > 0.2).sum() > 500
    with_lengths = picture(tmp_path, drawn=lengths())
    assert plain.shape == with_lengths.shape
    magenta = (with_lengths[..., 0] > 0.9) & (with_lengths[..., 1] < 0.4) & (with_lengths[..., 2] > 0.9)
    assert magenta.sum() > 50


def test_an_empty_label_map_still_gives_a_picture(tmp_path: Path) -> None:
    empty = Volume(np.zeros_like(HEAD.labels.array), HEAD.labels.grid)
    drawn = picture(tmp_path, empty)
    assert drawn.std() > 0.02
    assert np.ptp(drawn, axis=2).max() < 0.01, "nothing is coloured where there is no tissue"


def test_a_turned_image_gives_the_same_picture(tmp_path: Path) -> None:
    turned = make_head((1.5, 1.5, 1.5), Rotation.from_euler("xyz", [90, 180, 90], degrees=True).as_matrix())
    first = picture(tmp_path)
    write_picture(tmp_path / "b.png", "sub-001 $x_1$ é", turned.image, turned.labels, TO_CANONICAL, UNKNOWN)
    second = imread(tmp_path / "b.png")[..., :3]
    assert second.shape == first.shape
    assert np.abs(second - first).mean() < 0.01


@pytest.mark.parametrize("missing", [(Tissue.CBM,), (Tissue.WM, Tissue.VM)])
def test_absent_structures_are_no_obstacle(missing: tuple[Tissue, ...], tmp_path: Path) -> None:
    head = make_head((1.5, 1.5, 1.5), missing=missing)
    assert picture(tmp_path, head.labels, lengths(head)).std() > 0.02

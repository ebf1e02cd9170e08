"""How a brain lies by its labels alone, whichever way it is turned; and which maps are no brain in FeTA's labels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from feta.labels import Tissue
from feta.volumes import Volume, read_label_map
from inference.biometry.midline_alignment import align_to_midline
from inference.morphometry.label_check import is_one_sided, missing, why_another_protocol
from inference.morphometry.label_frame import frame_of
from tests.support.heads import TO_CANONICAL, make_head

SHARED = Path(os.environ.get("FETA_SHARED", "no-such-folder"))
MAPS = sorted((SHARED / "data").glob("atlas*/sub-*/anat/*_T2w_dseg.nii.gz")) + sorted(
    (SHARED / "data" / "feta_protocol").glob("sub-*/anat/*_dseg.nii.gz")
)
NEUTRAL = make_head((2.0, 2.0, 2.0)).labels


def angle(rotation: np.ndarray) -> float:
    return float(np.degrees(Rotation.from_matrix(rotation).magnitude()))


def frame_rotation(labels: Volume) -> np.ndarray:
    frame = frame_of(labels)
    assert frame is not None
    return frame.to_canonical[:3, :3]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_a_brain_turned_by_any_rotation_is_brought_back(quaternion: list[float]) -> None:
    turn = Rotation.from_quat(quaternion).as_matrix()
    turned = make_head((2.0, 2.0, 2.0), turn=turn).labels
    # The head stays where it is, its grid is turned: so the frame stays, too.
    assert angle(frame_rotation(turned) @ frame_rotation(NEUTRAL).T) < 2.0


def test_the_frame_of_an_upright_brain_is_upright_to_some_degrees_and_no_mirror_image() -> None:
    found = frame_rotation(NEUTRAL)
    assert np.linalg.det(found) == pytest.approx(1.0)
    assert angle(found @ TO_CANONICAL[:3, :3].T) < 15.0


@pytest.mark.parametrize("gone", [Tissue.SGM, Tissue.BSM, Tissue.CBM])
def test_three_of_four_places_are_enough(gone: Tissue) -> None:
    labels = make_head((2.0, 2.0, 2.0), missing=(gone,)).labels
    assert missing(labels) == (gone,)
    assert angle(frame_rotation(labels) @ TO_CANONICAL[:3, :3].T) < 20.0


@pytest.mark.parametrize("gone", [(Tissue.BSM, Tissue.CBM), (Tissue.GM, Tissue.WM)])
def test_two_places_tell_nothing(gone: tuple[Tissue, ...]) -> None:
    assert frame_of(make_head((2.0, 2.0, 2.0), missing=gone).labels) is None


@pytest.mark.shared
@pytest.mark.skipif(not MAPS, reason="FETA_SHARED names no folder with atlases")
@pytest.mark.parametrize("path", MAPS[::6], ids=lambda p: p.name[:10])
def test_labelled_atlases_are_taken_and_their_halves_are_not(path: Path) -> None:
    labels = read_label_map(path)
    frame = frame_of(labels)
    assert frame is not None
    assert why_another_protocol(labels, frame) == ""
    aligned = align_to_midline(labels, frame.to_canonical)
    assert aligned is not None
    assert not is_one_sided(aligned)
    # They stand upright by their headers.
    assert angle(frame.to_canonical[:3, :3] @ np.diag([-1.0, -1.0, 1.0])) < 15.0
    middle = labels.array.shape[2] // 2
    half = Volume(np.where(np.arange(labels.array.shape[2]) < middle, labels.array, 0).astype(np.uint8), labels.grid)
    found = frame_of(half)
    assert found is not None
    side = align_to_midline(half, found.to_canonical)
    assert why_another_protocol(half, found) or side is None or is_one_sided(side)

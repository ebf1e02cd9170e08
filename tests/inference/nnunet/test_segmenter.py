"""A trained nnU-Net within the submission: axes as in its training, the rest of the pipeline as ever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from feta.grid import Grid
from feta.volumes import Volume
from inference.geometry.orientation import CanonicalVolume
from inference.networks.device import Compute
from inference.nnunet.folder import find_results
from inference.nnunet.predictor import NnunetPredictor
from inference.nnunet.preparation import training_order
from inference.runs.settings import default_weights, frame_weights
from inference.segmentation.pose import Pose
from inference.segmentation.postprocessing import keep_largest_component
from inference.segmentation.segmenter import Segmenter
from tests.support.heads import make_head
from tests.support.nnunet_folders import make_folder, make_plans

CPU = Compute(torch.device("cpu"), torch.float32, "CPU")


@given(st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3), st.floats(-20, 20))
def test_a_volume_is_turned_to_ras_as_simpleitk_does(order: list[int], flips: tuple, degrees: float) -> None:
    """``SimpleITKIOWithReorient`` calls this filter."""
    tilt = Rotation.from_euler("x", degrees, degrees=True).as_matrix()
    direction = tilt @ np.eye(3)[:, order] * np.where(flips, -1.0, 1.0)
    array = np.arange(60, dtype=np.float32).reshape(5, 4, 3)
    grid = Grid((3, 4, 5), (0.5, 0.8, 1.1), (1.0, 2.0, 3.0), tuple(direction.ravel().tolist()))
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)
    turned = training_order(grid, reorient=True)
    found, expected = turned.apply(Volume(array, grid)), sitk.DICOMOrient(image, "RAS")
    np.testing.assert_array_equal(found.array, sitk.GetArrayFromImage(expected))
    np.testing.assert_allclose(found.grid.spacing, expected.GetSpacing())
    np.testing.assert_array_equal(turned.undo(found.array), array)


def upright(_: CanonicalVolume) -> Pose:
    """Stands for our networks, which find the pose."""
    extent = np.array([30.0, 40.0, 30.0])
    return Pose(np.eye(4), 60.0, 0.0, -extent, extent, found=True)


@pytest.mark.parametrize("reader", ["SimpleITKIO", "SimpleITKIOWithReorient"])
@pytest.mark.parametrize("topology", [False, True])
def test_labels_are_the_networks_unless_topology_changes_them(tmp_path: Path, reader: str, topology: bool) -> None:
    plans = make_plans(image_reader_writer=reader, patch_size=[16, 32, 32], spacing=[4.0, 4.0, 4.0])
    results = find_results(make_folder(tmp_path, plans))
    assert results is not None
    predictor = NnunetPredictor(results, CPU)
    segmenter = Segmenter(upright, predictor, topology=topology)  # type: ignore[arg-type]
    volume = make_head((4.0, 4.0, 4.0)).image
    found = segmenter(volume)
    order = training_order(volume.grid, reorient=reader.endswith("Reorient"))
    plain = order.undo(keep_largest_component(predictor.predict_native(order.apply(volume)).labels))
    assert found.labels.grid == volume.grid
    assert (found.labels.array == plain).all() == (not topology)
    assert found.warnings == ()


@pytest.mark.parametrize("reader", ["SimpleITKIO", "SimpleITKIOWithReorient"])
def test_the_likeliest_of_the_probabilities_is_the_label(tmp_path: Path, reader: str) -> None:
    """On the volume's own grid, in the order of axes in which it is stored, whatever the networks saw."""
    plans = make_plans(image_reader_writer=reader, patch_size=[16, 32, 32], spacing=[4.0, 4.0, 4.0])
    results = find_results(make_folder(tmp_path, plans))
    assert results is not None
    segmenter = Segmenter(upright, NnunetPredictor(results, CPU), topology=False)  # type: ignore[arg-type]
    volume = make_head((4.0, 4.0, 5.0), turn=np.array([[0, 1.0, 0], [0, 0, 1.0], [1.0, 0, 0]])).image
    assert segmenter(volume).soft is None
    segmenter.soft = True
    found = segmenter(volume)
    assert found.soft is not None
    soft = np.stack([found.soft.of(label) for label in range(8)])
    assert soft.dtype == np.float32
    np.testing.assert_allclose(soft.sum(0), 1, atol=8 / 255)
    labels = found.labels.array  # without stray islands
    chosen = np.take_along_axis(soft, labels[None].astype(np.intp), 0)[0]
    assert labels.any()
    assert (chosen >= soft.max(0) - 1 / 255)[labels > 0].all()


def test_a_model_beside_ours_is_framed_by_ours(tmp_path: Path) -> None:
    make_folder(tmp_path / "Dataset001_Made")
    assert frame_weights(tmp_path) == default_weights()
    (tmp_path / "model.yaml").write_text("made up")
    assert frame_weights(tmp_path) == tmp_path

"""Dice and VS against SimpleITK's overlap filter."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics.overlap import confusion_matrix, dice, volume_similarity


@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 9)] * 3), st.integers(1, 8))
def test_equals_simpleitk(seed: int, shape: tuple[int, int, int], labels: int) -> None:
    generator = np.random.default_rng(seed)
    truth, prediction = generator.integers(0, labels, (2, *shape)).astype(np.uint8)
    confusion = confusion_matrix(truth, prediction)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(sitk.GetImageFromArray(truth), sitk.GetImageFromArray(prediction))
    for label in range(1, 8):
        if not ((truth == label).any() and (prediction == label).any()):
            continue
        assert dice(confusion)[label - 1] == pytest.approx(overlap.GetDiceCoefficient(label), abs=1e-12)
        # SimpleITK's volume similarity is signed and relative to the mean volume.
        expected = 1 - abs(overlap.GetVolumeSimilarity(label)) / 2
        assert volume_similarity(confusion)[label - 1] == pytest.approx(expected, abs=1e-12)


def test_counts_every_voxel_of_a_map_longer_than_a_chunk() -> None:
    truth = np.random.default_rng(0).integers(0, 8, (50, 60, 70)).astype(np.uint8)
    confusion = confusion_matrix(truth, truth[::-1])
    assert confusion.sum() == truth.size
    expected = np.array([[((truth == a) & (truth[::-1] == b)).sum() for b in range(8)] for a in range(8)])
    np.testing.assert_array_equal(confusion, expected)


def test_label_in_one_map_or_in_none() -> None:
    truth, prediction = np.array([[[1, 2]]], dtype=np.uint8), np.array([[[1, 3]]], dtype=np.uint8)
    values = dice(confusion_matrix(truth, prediction))
    assert values[:3].tolist() == [1, 0, 0]
    assert np.isnan(values[3:]).all()


@pytest.mark.parametrize(
    ("truth", "prediction"), [(np.zeros((1, 2, 3)), np.zeros((3, 2, 1))), (np.full((1, 1, 1), 8),) * 2]
)
def test_refuses_what_are_no_two_label_maps(truth: np.ndarray, prediction: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"shapes differ|above 7"):
        confusion_matrix(truth.astype(np.uint8), prediction.astype(np.uint8))

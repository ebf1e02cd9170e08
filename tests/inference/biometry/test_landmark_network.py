"""Landmarks from heatmaps, with a stand-in network whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import center_of_mass
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

from feta.grid import transformed
from feta.labels import Tissue
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import Volume
from inference.biometry.landmark_box import SIZE, brain_box, fractions, in_box, network_input
from inference.biometry.landmark_network import HEAT_SD, LandmarkNetwork, mirrored, ordered, peak
from inference.geometry.segmentation_result import Segmentation
from inference.networks.device import choose
from tests.support.heads import TO_CANONICAL, make_head

SHAPE = (SIZE[2], SIZE[1], SIZE[0])


def bump(middle: tuple[float, float, float], sd: float = HEAT_SD) -> Tensor:
    """Logits (Z, Y, X) of a Gaussian about an index (x, y, z)."""
    z, y, x = torch.meshgrid(*[torch.arange(n) for n in SHAPE], indexing="ij")
    return -((x - middle[0]) ** 2 + (y - middle[1]) ** 2 + (z - middle[2]) ** 2) / (2 * sd**2)


class Centroids(nn.Module):
    """Says that every length runs from the middle of the cerebellum to that of the brainstem."""

    def forward(self, channels: Tensor) -> Tensor:
        ends = [bump(center_of_mass(channels[0, t].float().numpy())[::-1]) for t in (Tissue.CBM, Tissue.BSM)]
        return torch.stack(ends * 5)[None]


class Sides(nn.Module):
    """Says that ends lie at fixed places, the first left of the second, in the image as in its mirror image."""

    def __init__(self, sd: float = HEAT_SD) -> None:
        super().__init__()
        self.sd = sd

    def forward(self, channels: Tensor) -> Tensor:
        places = [(15 if k % 2 == 0 else 40, 30, 20 + 2 * (k // 2)) for k in range(10)]
        return torch.stack([bump(place, self.sd) for place in places])[None]


def found_by(network: nn.Module, head: tuple[Volume, Volume], mirror_tta: bool = True) -> dict:
    image, labels = head
    landmarks = LandmarkNetwork(network, choose("cpu"), mirror_tta=mirror_tta)  # type: ignore[arg-type]
    return dict(landmarks(image, Segmentation(labels, TO_CANONICAL, ())))


def a_head(spacing: tuple[float, float, float] = (1.5, 1.5, 1.5), turn: np.ndarray | None = None) -> tuple:
    head = make_head(spacing) if turn is None else make_head(spacing, turn)
    return head.image, head.labels


def middle_of(labels: Volume, tissue: Tissue) -> np.ndarray:
    index = np.array(center_of_mass(labels.array == tissue))[::-1]
    return transformed(labels.grid.affine(), index[None])[0]


@settings(max_examples=20, deadline=None)
@given(middle=st.tuples(*[st.floats(10, n - 11) for n in SIZE]))
def test_a_peak_is_found_to_a_fraction_of_a_voxel(middle: tuple[float, float, float]) -> None:
    assert peak(bump(middle)).numpy() == pytest.approx(middle, abs=0.05)


def test_a_peak_ignores_what_lies_far_from_it() -> None:
    both = torch.maximum(bump((14, 20, 20)), bump((44, 50, 40)) - 0.5)
    assert peak(both).numpy() == pytest.approx((14, 20, 20), abs=0.05)


@pytest.mark.parametrize("angles", [(0, 0, 0), (20, -35, 70), (170, 10, -100)])
def test_ends_lie_in_the_physical_space_of_the_image(angles: tuple[float, float, float]) -> None:
    head = a_head((1.3, 1.6, 1.9), Rotation.from_euler("xyz", angles, degrees=True).as_matrix())
    expected = np.stack([middle_of(head[1], tissue) for tissue in (Tissue.CBM, Tissue.BSM)])
    found = found_by(Centroids(), head, mirror_tta=False)
    assert set(found) == set(MEASUREMENTS)
    for pair in found.values():
        assert pair.ends == pytest.approx(expected, abs=0.7)


def test_with_the_mirror_image_the_left_end_stays_left() -> None:
    alone, both = (found_by(Sides(), a_head(), mirror_tta) for mirror_tta in (False, True))
    for measurement in (Measurement.BBIP, Measurement.SBIP, Measurement.TCD):
        left, right = both[measurement].ends
        assert left[0] > right[0], "in LPS the left has the greater x"
        assert both[measurement].length == pytest.approx(alone[measurement].length, rel=0.02)


def test_a_wider_heatmap_is_a_less_certain_end() -> None:
    sure, unsure = (found_by(Sides(sd), a_head())[Measurement.TCD].length_sd for sd in (HEAT_SD, 3 * HEAT_SD))
    assert sure < 0.5 < 4 * sure < unsure


def test_a_second_peak_makes_an_end_uncertain() -> None:
    class Two(nn.Module):
        def forward(self, channels: Tensor) -> Tensor:
            heat = torch.stack([torch.maximum(bump((15, 30, 20)), bump((25, 30, 20)) - 0.1), bump((40, 30, 20))])
            return heat.repeat(5, 1, 1, 1)[None]

    pair = found_by(Two(), a_head(), mirror_tta=False)[Measurement.TCD]
    assert pair.sd_mm[0] > 5 > 0.5 > pair.sd_mm[1]


def test_without_a_cerebellum_its_lengths_are_missing() -> None:
    image, labels = a_head()
    array = np.where(labels.array == Tissue.CBM, Tissue.ECSF, labels.array).astype(np.uint8)
    found = found_by(Sides(), (image, Volume(array, labels.grid)), mirror_tta=False)
    assert set(MEASUREMENTS) - set(found) == {Measurement.HV, Measurement.TCD}


def test_ends_in_one_place_are_no_length() -> None:
    class One(nn.Module):
        def forward(self, channels: Tensor) -> Tensor:
            return bump((20, 30, 20)).expand(1, 10, *SHAPE)

    assert found_by(One(), a_head(), mirror_tta=False) == {}


def test_an_empty_map_has_no_landmark() -> None:
    image, labels = a_head((3.0, 3.0, 3.0))
    assert found_by(Sides(), (image, Volume(np.zeros_like(labels.array), labels.grid))) == {}


def test_the_mirror_of_a_mirror_is_the_same() -> None:
    heat = torch.randn(10, 4, 5, 6)
    assert torch.equal(mirrored(mirrored(heat)), heat)


def test_ends_are_put_in_order_whichever_comes_first() -> None:
    ends = np.array([[-3.0, 5.0, 8.0], [4.0, -6.0, -9.0]])
    for measurement in MEASUREMENTS:
        assert ordered(measurement, ends).tolist() == ordered(measurement, ends[::-1]).tolist()


@settings(max_examples=20, deadline=None)
@given(low=st.tuples(*[st.floats(-60, -20)] * 3), high=st.tuples(*[st.floats(20, 60)] * 3))
def test_every_brain_fits_into_its_box(low: tuple[float, ...], high: tuple[float, ...]) -> None:
    corners = np.array([low, high])
    index = transformed(np.linalg.inv(brain_box(low, high)), corners)
    assert (index >= 3).all()
    assert (index <= np.array(SIZE) - 4).all()


def test_fractions_keep_the_volume_of_a_structure() -> None:
    _, labels = a_head((1.1, 1.1, 1.1))
    box = brain_box((-42, -50, -42), (42, 50, 42))
    # Canonical mm are RAS, the head's grid is LPS.
    to_index = np.linalg.inv(labels.grid.affine()) @ np.linalg.inv(TO_CANONICAL) @ box
    parts = fractions(in_box(labels.array, to_index, 0))
    for tissue in (Tissue.CBM, Tissue.GM, Tissue.ECSF):
        true = (labels.array == tissue).sum() * 1.1**3
        assert float(parts[tissue].sum()) * box[0, 0] ** 3 == pytest.approx(true, rel=0.05)
    assert float((parts.sum(0) - 1).abs().max()) < 1e-5


def test_what_lies_outside_the_labels_is_not_seen() -> None:
    labels = torch.zeros(8, *SHAPE)
    labels[0] = 1
    labels[:, 20:40, 20:40, 20:40] = 0
    labels[2, 20:40, 20:40, 20:40] = 1
    image = torch.rand(SHAPE)
    other = torch.where(labels[0] > 0, 100 * torch.rand(SHAPE), image)
    assert torch.equal(network_input(image, labels), network_input(other, labels))

"""The ends of the five lengths, each from a heatmap of its own, with how sure the network is of it.

After jwcrad's submission to FeTA 2024 (Zalevskyi et al., arXiv 2505.02784): the image, cropped and masked by its
segmentation, goes in together with the segmentation; ten heatmaps come out. An end lies at the middle
of its heatmap's peak, to a fraction of a voxel; how far the heatmap spreads beyond what it was taught tells how
unsure it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from feta.grid import transformed
from feta.labels import Tissue
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import Volume
from inference.biometry.landmark_box import SIZE, brain_scale, network_input, read_fractions, read_image
from inference.biometry.line import Line
from inference.biometry.mask_operations import SMALLEST_VOLUME_MM3
from inference.biometry.midline_alignment import AlignedLabels, align_to_midline
from inference.geometry.frames import LPS_TO_RAS
from inference.geometry.segmentation_result import Segmentation
from inference.geometry.view import view
from inference.networks.device import Compute
from inference.networks.residual_unet import ResidualUNet
from inference.networks.weights import Model, load_network

#: Standard deviation (voxels) of the heatmaps that the network is taught.
HEAT_SD = 1.5
#: A peak reaches this far (voxels) from the greatest value.
PEAK = 5
#: Ends closer to each other than this (voxels) are no length.
SHORTEST = 2.0
#: No end is known better than this, mm.
LEAST_SD_MM = 0.2
#: Which coordinate (x, y, z) tells the two ends of a length apart: the end with the smaller value comes first.
_ACROSS = {Measurement.LCC: 1, Measurement.HV: 2, Measurement.BBIP: 0, Measurement.SBIP: 0, Measurement.TCD: 0}
#: The brain's midline lies across x: mirrored, these lengths' ends change places.
LATERAL = tuple(m for m in MEASUREMENTS if _ACROSS[m] == 0)
#: A length is there where its structures are.
_STRUCTURES: dict[Measurement, tuple[tuple[Tissue, ...], ...]] = {
    Measurement.LCC: ((Tissue.WM,), (Tissue.SGM, Tissue.VM)),
    Measurement.HV: ((Tissue.CBM,), (Tissue.BSM,)),
    Measurement.BBIP: ((Tissue.GM, Tissue.WM),),
    Measurement.SBIP: ((Tissue.GM, Tissue.WM),),
    Measurement.TCD: ((Tissue.CBM,),),
}


@dataclass(frozen=True)
class LandmarkPair:
    """Both ends of a length.

    Attributes:
        ends: (2, 3) float64, (x, y, z) in physical LPS mm. In order: back then front of the callosum,
            bottom then top of the vermis, left then right.
        sd_mm: (2,) float64, how unsure each is along the line.
    """

    ends: npt.NDArray[np.float64]
    sd_mm: npt.NDArray[np.float64]

    @property
    def line(self) -> Line:
        """From one end to the other."""
        (ax, ay, az), (bx, by, bz) = self.ends.tolist()
        return Line((ax, ay, az), (bx, by, bz))

    @property
    def length(self) -> float:
        """Their distance, mm."""
        return self.line.length

    @property
    def length_sd(self) -> float:
        """How unsure the length is, mm, as the heatmaps tell."""
        return float(np.linalg.norm(self.sd_mm))


class LandmarkNetwork:
    """Finds landmarks.

    Args:
        network: as ``load_network(model.landmarks)`` gives it: 8 channels in, 10 out.
        compute: where, and in which precision.
        mirror_tta: test-time augmentation, the mean over the box and its mirror image.
    """

    def __init__(self, network: ResidualUNet, compute: Compute, *, mirror_tta: bool = False) -> None:
        self.network = network.to(compute.device)
        self.compute = compute
        self.mirror_tta = mirror_tta

    @classmethod
    def of(cls, model: Model, compute: Compute, *, mirror_tta: bool = False) -> LandmarkNetwork | None:
        """With the landmark network of a folder of weights; None where it has none.

        Raises:
            FetaError: the weights can't be used.
        """
        named = model.landmarks
        return None if named is None else cls(load_network(named), compute, mirror_tta=mirror_tta)

    def __call__(
        self, image: Volume, segmentation: Segmentation, aligned: AlignedLabels | None = None
    ) -> Mapping[Measurement, LandmarkPair]:
        """Find both ends of each length whose structures are there.

        Args:
            image: float32 (z, y, x).
            segmentation: of it.
            aligned: what ``align_to_midline`` makes of the segmentation, where it is known already.
        """
        aligned = aligned or align_to_midline(segmentation.labels, segmentation.to_canonical)
        if aligned is None:
            return {}
        frame, (voxel, middle) = LPS_TO_RAS @ aligned.to_physical, brain_scale(*aligned.extent())
        labels = view(segmentation.labels, frame, voxel, SIZE, middle, read=read_fractions)
        shown = view(image, frame, voxel, SIZE, middle, read=read_image)
        logits = self._logits(network_input(shown.image[0], labels.image))
        to_physical = aligned.to_physical @ labels.box
        there = [m for m in MEASUREMENTS if _is_there(m, labels.image, voxel)]
        pairs = {m: _pair(logits[[2 * k, 2 * k + 1]], to_physical) for k, m in enumerate(MEASUREMENTS) if m in there}
        return {m: pair for m, pair in pairs.items() if pair.length >= SHORTEST * voxel}

    @torch.inference_mode()
    def _logits(self, channels: Tensor) -> Tensor:
        """(8, Z, Y, X) → logits (10, Z, Y, X) float32 on the CPU."""
        channels = channels.to(self.compute.device)
        with self.compute.precision():
            logits = self.network(channels[None])[0].float()
            if self.mirror_tta:
                logits = (logits + mirrored(self.network(channels.flip(-1)[None])[0].float())) / 2
        return logits.cpu()


def mirrored(heatmaps: Tensor) -> Tensor:
    """Heatmaps (10, Z, Y, X) of the mirror image, as heatmaps of the image."""
    order = list(range(2 * len(MEASUREMENTS)))
    for measurement in LATERAL:
        k = MEASUREMENTS.index(measurement)
        order[2 * k], order[2 * k + 1] = order[2 * k + 1], order[2 * k]
    return heatmaps.flip(-1)[order]


def ordered(measurement: Measurement, ends: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Both ends (2, 3) of a length in the upright frame, in the order of its two heatmaps."""
    axis = _ACROSS[measurement]
    return ends if ends[0, axis] <= ends[1, axis] else ends[::-1]


def peak(logits: Tensor) -> Tensor:
    """The middle (3,) of a heatmap's peak, index (x, y, z) with fractions; differentiable.

    Args:
        logits: (Z, Y, X).
    """
    top = np.unravel_index(int(logits.argmax()), logits.shape)
    part = tuple(slice(max(int(t) - PEAK, 0), int(t) + PEAK + 1) for t in top)
    heat = logits[part].flatten().softmax(0).view(logits[part].shape)
    middle = []
    for axis in (2, 1, 0):
        along = heat.sum([a for a in range(3) if a != axis])
        middle.append((along * torch.arange(len(along))).sum() + part[axis].start)
    return torch.stack(middle)


def _pair(logits: Tensor, to_physical: npt.NDArray[np.floating]) -> LandmarkPair:
    """Both ends from their heatmaps (2, Z, Y, X); from the box's index to physical mm."""
    index = torch.stack([peak(heat) for heat in logits])
    ends = transformed(to_physical, index.double().numpy())
    along = index[1] - index[0]
    along = along / along.norm().clamp_min(1e-6)
    voxel = float(np.linalg.norm(to_physical[:3, 0]))
    spread = [_spread(heat, middle, along) for heat, middle in zip(logits, index, strict=True)]
    return LandmarkPair(ends, np.maximum(voxel * np.array(spread), LEAST_SD_MM))


def _spread(logits: Tensor, middle: Tensor, along: Tensor) -> float:
    """How far (voxels) a whole heatmap spreads about the middle of its peak, along a direction, beyond what it would
    if the network were sure."""
    x, y, z = (torch.arange(n) - c for n, c in zip(SIZE, middle, strict=True))
    distance = along[0] * x + along[1] * y[:, None] + along[2] * z[:, None, None]
    heat = logits.flatten().softmax(0).view(logits.shape)
    return max(float((heat * distance**2).sum()) - HEAT_SD**2, 0.0) ** 0.5


def _is_there(measurement: Measurement, labels: Tensor, voxel: float) -> bool:
    """Whether a length's structures are large enough in the box."""
    return all(float(labels[list(s)].sum()) * voxel**3 >= SMALLEST_VOLUME_MM3 for s in _STRUCTURES[measurement])

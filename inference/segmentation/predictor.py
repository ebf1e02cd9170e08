"""Tissue probabilities by our own networks: in the upright box around the brain, then in native space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from feta.grid import Matrix
from feta.labels import LABEL_COUNT
from feta.volumes import Volume
from inference.geometry.frames import coordinates, index_to_ras
from inference.geometry.native_grid import Prediction, resample_to_native
from inference.geometry.orientation import CanonicalVolume
from inference.geometry.preprocessing import standardise
from inference.geometry.view import View, view
from inference.networks.device import Compute, memory_left
from inference.networks.frozen_norm import by_statistics_of, middle
from inference.networks.residual_unet import Norm, ResidualUNet
from inference.networks.sliding_window import predict, softmax
from inference.networks.weights import Model, WeightFile, load_network
from inference.segmentation.autoencoder import Autoencoder
from inference.segmentation.pose import Pose

#: Said where there was no room for the whole box at once: borders of patches decide a voxel in a thousand or so.
IN_PATCHES = "memory was short, so that it was predicted in patches: a few labels may differ from a run with more of it"
#: Room around the brain, mm.
MARGIN_MM = 6.0
#: Bytes that a network may take for a voxel of what it sees and a channel of its finest level: 19 were measured in
#: float32 and 11 in bfloat16, on a CPU; as much again and more is for what other processes may take meanwhile.
BYTES_PER_CHANNEL = 48
#: Largest side of the upright box, mm: a term brain and its margins fit.
LARGEST_BOX_MM = 192.0
#: Least side of the upright box, voxels.
SMALLEST_BOX = 96


class UprightPredictor:
    """Predicts tissues in the upright box around a brain with an ensemble of networks.

    Args:
        networks: on the device of ``compute``; 1 channel in, ``LABEL_COUNT`` out.
        files: the entry of each network in ``model.yaml``; all have the same spacing.
        compute: where to run, and in which precision.
        mirror_tta: test-time augmentation, the mean over the image and its left-right mirror image.
        autoencoder: corrects the probabilities; None for none.
    """

    def __init__(
        self,
        networks: Sequence[ResidualUNet],
        files: Sequence[WeightFile],
        compute: Compute,
        *,
        mirror_tta: bool = False,
        autoencoder: Autoencoder | None = None,
    ) -> None:
        self.networks = networks
        self.files = files
        self.compute = compute
        self.mirror_tta = mirror_tta
        self.autoencoder = autoencoder
        self._in_patches = False

    @classmethod
    def of(
        cls, model: Model, compute: Compute, *, mirror_tta: bool = False, autoencoder: Autoencoder | None = None
    ) -> UprightPredictor:
        """With the segmentation networks of a folder of weights.

        Raises:
            FetaError: the weights can't be used.
        """
        networks = [load_network(file).to(compute.device) for file in model.segmentation]
        return cls(networks, model.segmentation, compute, mirror_tta=mirror_tta, autoencoder=autoencoder)

    def __call__(self, canonical: CanonicalVolume, pose: Pose, *, scores: bool) -> Prediction:
        """Predict in the upright box, correct by the autoencoder if there is one, and resample to native space."""
        self._in_patches = False
        probabilities, to_box_index = self.predict_upright(canonical.volume, pose)
        warnings = (IN_PATCHES,) if self._in_patches else ()
        if self.autoencoder is not None:
            probabilities = self.autoencoder(probabilities)
        return replace(in_native_space(probabilities, to_box_index, canonical, pose, scores=scores), warnings=warnings)

    def predict_upright(self, volume: Volume, pose: Pose) -> tuple[Tensor, Matrix]:
        """Probabilities (8, Z, Y, X) in the upright box around a brain, and from the volume's index to the box's."""
        spacing, middle = self.files[0].spacing, (pose.low + pose.high) / 2
        normalise = partial(standardise_by_brain, pose)
        size = _upright_size(pose, spacing)
        upright = view(volume, pose.to_ras, spacing, size, middle, normalise=normalise)
        return self._probabilities(upright.image), upright.to_index @ index_to_ras(volume.grid)

    def _probabilities(self, image: Tensor) -> Tensor:
        """Mean over the ensemble and over test-time augmentation of an image (1, Z, Y, X).

        Returns:
            (8, Z, Y, X) float32 on the CPU.
        """
        image = image.to(self.compute.device)
        views = [False, True] if self.mirror_tta else [False]
        total: Tensor | None = None
        for network, file in zip(self.networks, self.files, strict=True):
            for mirrored in views:
                output = self._predict(network, file, image.flip(3) if mirrored else image).cpu()
                output = output.flip(3) if mirrored else output
                # The first as it is, labels last in memory, as they are read next.
                total = output if total is None else total + output
        assert total is not None
        count = len(self.networks) * len(views)
        return total if count == 1 else total / count

    def _predict(self, network: ResidualUNet, file: WeightFile, image: Tensor) -> Tensor:
        """Probabilities (8, Z, Y, X) of an image (1, Z, Y, X) by one network: all at once where memory allows."""
        if file.network.norm is Norm.INSTANCE:
            network = by_statistics_of(network, middle(image, file.patch)[None], self.compute.precision())
        if image.device.type == "cpu":
            # A third faster there, with channels last in memory; convolutions of this layout give outputs of it.
            network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        z, y, x = image.shape[1:]
        needed = BYTES_PER_CHANNEL * file.network.widths[0] * z * y * x
        patch = (z, y, x) if memory_left(self.compute) > needed else (file.patch,) * 3
        self._in_patches |= patch != (z, y, x)
        return predict(image, partial(softmax, network, self.compute), LABEL_COUNT, patch)


def in_native_space(
    probabilities: Tensor, to_box_index: Matrix, canonical: CanonicalVolume, pose: Pose, *, scores: bool
) -> Prediction:
    """Probabilities (8, Z, Y, X) of the upright box, on the canonical volume's grid.

    Args:
        probabilities: float32.
        to_box_index: 4×4 from index (x, y, z) of the canonical volume to that of the box.
        canonical: the volume.
        pose: of its brain.
        scores: whether to keep the probabilities.
    """
    grid = canonical.volume.grid
    native = resample_to_native(probabilities, to_box_index, grid.size, scores=scores)
    return Prediction(native, np.linalg.inv(pose.to_ras) @ index_to_ras(grid), canonical.order)


def standardise_by_brain(pose: Pose, upright: View) -> Tensor:
    """Standardise an image (1, Z, Y, X) by its brain's intensities; with brain extraction, only the brain is left.

    Args:
        pose: of the brain.
        upright: a view of the image in the pose's frame.
    """
    if pose.brain is None:
        return standardise(upright.image, _inside(pose, upright))
    brain, near = pose.brain.around(upright.to_ras, upright.size)
    image = upright.image * near
    return standardise(image, brain & (image > 0))


def _upright_size(pose: Pose, spacing: float) -> tuple[int, int, int]:
    """Voxels (x, y, z) of the box that holds the brain in the canonical frame; multiples of 16."""
    extent = np.clip(pose.high - pose.low + 2 * MARGIN_MM, SMALLEST_BOX * spacing, LARGEST_BOX_MM)
    x, y, z = (int(n) for n in np.ceil(extent / spacing / 16).astype(int) * 16)
    return x, y, z


def _inside(pose: Pose, upright: View) -> Tensor:
    """Voxels (1, Z, Y, X) bool of the ellipsoid that fills the brain's extent, where there is signal."""
    middle, half = (pose.low + pose.high) / 2, (pose.high - pose.low) / 2
    position = coordinates(upright.box, upright.size, slice(None))
    scaled = (position - torch.as_tensor(middle, dtype=torch.float32)) / torch.as_tensor(half, dtype=torch.float32)
    inside = ((scaled**2).sum(-1) < 1)[None]
    return inside & (upright.image > 0)

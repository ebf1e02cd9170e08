"""A prediction as nnU-Net v2 makes it (``predict_from_raw_data.py``, ``export_prediction.py``)."""

from __future__ import annotations

from functools import cache, partial
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from feta.errors import FetaError
from feta.labels import LABEL_COUNT
from feta.volumes import Volume
from inference.geometry.frames import index_to_ras
from inference.geometry.native_grid import NativeSpaceLabels, Prediction
from inference.geometry.orientation import CanonicalVolume
from inference.networks.device import Compute
from inference.networks.sliding_window import predict
from inference.nnunet.checkpoint import Checkpoint, read_checkpoint
from inference.nnunet.folder import DATASET, PLANS, NnunetFolder
from inference.nnunet.network import UNet
from inference.nnunet.plans import Plans, check_dataset, read_plans
from inference.nnunet.preparation import Prepared, prepare, training_order
from inference.nnunet.resampling import resampled_slabs
from inference.segmentation.pose import Pose

#: Standard deviation of the weights of a patch, as a share of its side.
SIGMA_SHARE = 1 / 8
#: Mirror images of a patch of up to so many voxels are shown to the network in pairs: for one small image torch
#: chooses a convolution that takes six times as long. Large ones gain nothing and would take twice the memory.
PAIRED_VOXELS = 64**3


class NnunetPredictor:
    """A trained nnU-Net, its folds averaged, in place of our own networks.

    Args:
        results: its files.
        compute: where to run. On a CPU it computes in float32, as nnU-Net does.
        mirror_tta: test-time augmentation, the mean over the mirror images that its training allows.

    Raises:
        FetaError: a file that can't be used, or doesn't fit the others.
    """

    def __init__(self, results: NnunetFolder, compute: Compute, *, mirror_tta: bool = True) -> None:
        check_dataset(results.folder / DATASET)
        checkpoints = [read_checkpoint(path) for path in results.checkpoints]
        names = {checkpoint.configuration for checkpoint in checkpoints}
        if len(names) > 1:
            raise FetaError(results.folder, f"has folds of different configurations ({', '.join(sorted(names))})")
        self.plans = read_plans(results.folder / PLANS, checkpoints[0].configuration)
        self.compute = compute
        self.mirroring = checkpoints[0].mirroring if mirror_tta else ()
        self.networks = [
            build(self.plans, checkpoint, path).to(compute.device)
            for checkpoint, path in zip(checkpoints, results.checkpoints, strict=True)
        ]

    def __call__(self, canonical: CanonicalVolume, pose: Pose, *, scores: bool) -> Prediction:
        """Predict the volume as it is stored or turned to RAS, as training had it; the pose tells hemispheres apart."""
        stored = canonical.original
        order = training_order(stored.grid, reorient=self.plans.reorient)
        volume = order.apply(stored)
        to_canonical = np.linalg.inv(canonical.to_ras @ pose.to_ras) @ index_to_ras(volume.grid)
        return Prediction(self.predict_native(volume, scores=scores), to_canonical, order)

    def predict_native(self, volume: Volume, *, scores: bool = False) -> NativeSpaceLabels:
        """Labels of a volume of float32 intensities (z, y, x), its axes in the order that training had.

        Args:
            volume: the image.
            scores: whether to keep the probabilities within the part that is not 0.
        """
        prepared = prepare(volume, self.plans)
        return self.on_grid(self.logits(prepared.image), prepared, scores=scores)

    @torch.inference_mode()
    def logits(self, image: Tensor) -> Tensor:
        """Mean logits (8, a, b, c) float32 on the CPU of a prepared image (1, a, b, c), patch by patch."""
        short = [max(0, side - size) for side, size in zip(self.plans.patch, image.shape[1:], strict=True)]
        low = [n // 2 for n in short]
        sides = [
            n for before, lack in zip(reversed(low), reversed(short), strict=True) for n in (before, lack - before)
        ]
        padded = F.pad(image, sides).to(self.compute.device)
        total = torch.zeros(())
        weights = patch_weights(self.plans.patch)
        for network in self.networks:
            mean = partial(self._mean, network)
            found = predict(padded, mean, LABEL_COUNT, self.plans.patch, weights=weights).cpu()
            total = found if not total.ndim else total.add_(found)
        inner = [slice(start, start + size) for start, size in zip(low, image.shape[1:], strict=True)]
        return total[(slice(None), *inner)].div_(len(self.networks))

    def on_grid(self, logits: Tensor, prepared: Prepared, *, scores: bool) -> NativeSpaceLabels:
        """Resample logits to the volume's own voxels and take the likeliest label there, slab by slab."""
        labels = np.zeros(prepared.shape, np.uint8)
        kept = np.empty((LABEL_COUNT, *prepared.cropped), np.uint8) if scores else None
        plans = self.plans
        for where, values in resampled_slabs(logits, prepared.cropped, plans.spacing, prepared.spacing, plans.logits):
            labels[prepared.box][where] = values.argmax(0).numpy()
            if kept is not None:
                kept[:, where] = values.softmax(0).mul_(255).round_().to(torch.uint8).numpy()
        back = np.argsort(plans.forward)
        z, y, x = (prepared.box[i] for i in back)
        turned = None if kept is None else np.ascontiguousarray(kept.transpose(0, *(back + 1)))
        return NativeSpaceLabels(np.ascontiguousarray(labels.transpose(back)), (z, y, x), turned)

    def _mean(self, network: UNet, patch: Tensor) -> Tensor:
        """Mean logits of a patch (1, 1, a, b, c) over test-time augmentation by mirroring."""
        subsets = [combinations([axis + 2 for axis in self.mirroring], n) for n in range(len(self.mirroring) + 1)]
        views = list(chain.from_iterable(subsets))
        together = 2 if patch.numel() <= PAIRED_VOXELS else 1
        total = torch.zeros((), device=patch.device)
        half = patch.device.type == "cuda" and self.compute.autocast
        with torch.autocast(patch.device.type, torch.float16, enabled=half):
            for start in range(0, len(views), together):
                some = views[start : start + together]
                found = network(torch.cat([patch.flip(dims) for dims in some])).float()
                for dims, output in zip(some, found, strict=True):
                    total = total + output[None].flip(dims)
        return total.div_(len(views))


@cache
def patch_weights(patch: tuple[int, int, int]) -> Tensor:
    """nnU-Net's Gaussian weights of a patch, float32: scipy's filter of a unit impulse, its zeros lifted."""
    impulse = np.zeros(patch)
    impulse[tuple(side // 2 for side in patch)] = 1
    weights = ndimage.gaussian_filter(impulse, [side * SIGMA_SHARE for side in patch], mode="constant")
    weights = (weights / weights.max() * 10).astype(np.float16)
    weights[weights == 0] = weights[weights > 0].min()
    return torch.from_numpy(weights.astype(np.float32))


def build(plans: Plans, checkpoint: Checkpoint, path: Path) -> UNet:
    """The network of the plans with a fold's weights, float32.

    Raises:
        FetaError: they don't fit each other.
    """
    try:
        # Without memory of its own: it takes that of the weights.
        with torch.device("meta"):
            network = UNet(plans.architecture, 1, LABEL_COUNT)
        weights = {name: tensor.float().clone() for name, tensor in checkpoint.weights.items()}
        network.load_state_dict(weights, assign=True)
    except (RuntimeError, TypeError, ValueError) as error:
        raise FetaError(
            path, f"does not fit the network that {PLANS} describes", "copy both from one training"
        ) from error
    return network.eval()

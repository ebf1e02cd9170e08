"""A brain before it is deformed into an individual: soft labels and T2w signal in the canonical frame.

The canonical frame is RAS mm (x right, y anterior, z superior) with the midline at x = 0. Soft labels
are log-odds, smooth in space, so that a map can be cut out of them at any resolution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
import torch
from scipy import ndimage

from feta.grid import Matrix
from feta.labels import LABEL_COUNT, Tissue
from feta.volumes import read_label_map, read_volume
from inference.biometry.midline_alignment import onto_symmetry
from inference.geometry.frames import index_to_ras
from training.anatomy.kernels import label_points
from training.imaging.affine import apply_affine

#: The corpus callosum has a channel of its own, after the labels 0–7; in a label map it is white matter.
CALLOSUM = LABEL_COUNT
#: Channels of ``Template.scores``.
CHANNELS = LABEL_COUNT + 1
#: Indicator maps are smoothed (voxels) before their logarithm is taken, which places borders between voxels.
_SMOOTH = 0.7
_FLOOR = 1e-4
#: Symmetry is judged on labels about this far apart (mm).
_SYMMETRY_MM = 0.8


@dataclass(frozen=True)
class Template:
    """One brain, ready to be sampled at any place.

    Attributes:
        scores: (9, Z, Y, X) float32 log-odds: background, the seven tissues, the corpus callosum.
        signal: (1, Z, Y, X) float32 T2w signal; over the brain mean 0, standard deviation 1.
        to_index: 4×4 matrix from canonical mm (x, y, z) to voxel index (x, y, z) of the arrays.
    """

    scores: torch.Tensor
    signal: torch.Tensor
    to_index: Matrix

    def sampled(self, points: torch.Tensor) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Labels and signal at canonical positions.

        Args:
            points: (Z', Y', X', 3) float32, mm (x, y, z).

        Returns:
            labels (Z', Y', X') uint8 with values 0–8, 8 the corpus callosum, and signal, float32.
        """
        index = apply_affine(self.to_index, points).numpy()
        return self.sampled_index(index.reshape(-1, 3), index.shape[:3])

    def sampled_index(
        self, index: npt.NDArray[np.floating], shape: tuple[int, ...]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """As ``sampled``, at positions (N, 3), (x, y, z), in voxels of the arrays; the results have a shape given."""
        labels, signal = label_points(*self._by_voxel, index)
        return labels.reshape(shape), signal.reshape(shape)

    @cached_property
    def _by_voxel(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Scores with the channels last, the best label of each voxel, and the signal."""
        return (
            self.scores.permute(1, 2, 3, 0).contiguous().numpy(),
            best_labels(self.scores),
            self.signal[0].contiguous().numpy(),
        )


def read_template(image: Path, labels: Path, callosum: Path | None) -> Template:
    """An atlas as it is, as a template.

    Args:
        image: T2w volume, upright, its physical space with the midline at x = 0.
        labels: its label map.
        callosum: mask of the corpus callosum on the same grid, where there is one.
    """
    volume, truth = read_volume(image), read_label_map(labels)
    label_map = truth.array.copy()
    if callosum is not None:
        label_map[sitk.GetArrayFromImage(sitk.ReadImage(str(callosum))) > 0] = CALLOSUM
    return Template(
        log_odds(label_map),
        torch.from_numpy(standard_signal(volume.array, label_map))[None],
        np.asarray(np.linalg.inv(index_to_ras(truth.grid)), np.float64),
    )


def aligned_to_midline(template: Template) -> Template:
    """The same brain with its plane of symmetry at x = 0.

    Weeks 21–23 of the neurotypical atlas are rolled and turned by 4° in their own space, others by half as much: planes
    that should pass through the midline don't. What learns from atlases learns that, too.
    """
    to_mm = np.linalg.inv(template.to_index)
    step = np.maximum(1, np.rint(_SYMMETRY_MM / np.linalg.norm(to_mm[:3, :3], axis=0))).astype(int)
    x, y, z = (int(s) for s in step)
    labels = tissue_of(best_labels(template.scores[:, ::z, ::y, ::x]))
    upright = onto_symmetry(labels, to_mm @ np.diag([*step, 1.0]))
    return replace(template, to_index=np.asarray(template.to_index @ np.linalg.inv(upright), np.float64))


def best_labels(scores: torch.Tensor) -> npt.NDArray[np.uint8]:
    """The first label (Z, Y, X) whose score is the greatest: as torch's argmax, in a tenth of its time.

    Args:
        scores: (C, Z, Y, X) float32.
    """
    greatest = scores[0].numpy().copy()
    best = np.zeros(greatest.shape, np.uint8)
    for label, score in enumerate(scores[1:].numpy(), start=1):
        best[score > greatest] = label
        np.maximum(greatest, score, out=greatest)
    return best


def log_odds(labels: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Labels (Z, Y, X) with values 0–8 → scores (9, Z, Y, X) float32."""
    maps = [ndimage.gaussian_filter((labels == c).astype(np.float32), _SMOOTH, truncate=3.0) for c in range(CHANNELS)]
    return torch.from_numpy(np.log(np.stack(maps) + np.float32(_FLOOR)))


def standard_signal(image: npt.NDArray[np.float32], labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """T2w (Z, Y, X) with mean 0 and standard deviation 1 over the brain, extended outwards from its surface."""
    brain = (labels > 0) & (image > 0)
    values = image[brain]
    standard = (image - values.mean()) / max(float(values.std()), 1e-6)
    nearest = ndimage.distance_transform_edt(~brain, return_distances=False, return_indices=True)
    return np.asarray(standard[tuple(nearest)], np.float32)


def tissue_of(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """FeTA labels 0–7 of a template's labels 0–8: the corpus callosum is white matter."""
    return np.where(labels == CALLOSUM, np.uint8(Tissue.WM), labels)

"""Labelled volumes to learn from: a BIDS folder in the challenge's layout, brought into the canonical frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from feta.errors import FetaError
from feta.files import is_there
from feta.grid import Matrix, scipy_affine
from feta.labels import LABEL_COUNT, TISSUES
from feta.volumes import Volume, read_label_map, read_volume
from inference.geometry.frames import index_to_ras
from training.data.partial_labels import COMPLETE, Groups, LabelSet, read_groups

#: The distance to the brain is smooth: kept on a coarse grid that reaches far outside.
DISTANCE_SPACING = 2.5
DISTANCE_SIZE = 96


@dataclass(frozen=True)
class Subject:
    """One labelled volume, ready to be sampled at any place.

    Attributes:
        name: ``sub-crl21``.
        tissues: (8, Z, Y, X) float16: the seven tissues' indicator maps, then the T2w image's
            departure from its tissue's mean, in units of the brain's standard deviation; only the box
            that holds the brain.
        means: (8,) float32 mean T2w intensity of each label (0 for background), brain mean 0, sd 1.
        to_index: 4×4 matrix from canonical mm to voxel index (x, y, z) of ``tissues``.
        distance: (1, D, D, D) float32 mm, distance outside the brain (0 inside), centred box.
        size_mm: cube root of the brain's volume.
        groups: labels that the label map doesn't tell apart; what stands above of tissues and labels is then of
            groups, in this order.
        source_subjects: names of those that it was made of (``training.data.provenance``).
    """

    name: str
    tissues: Tensor
    means: Tensor
    to_index: Matrix
    distance: Tensor
    size_mm: float
    groups: Groups = COMPLETE
    source_subjects: frozenset[str] = frozenset()

    def to(self, device: torch.device) -> Subject:
        """The same with its tensors on a device; itself where they lie there."""
        if self.tissues.device == device:
            return self
        tissues, means, distance = (tensor.to(device) for tensor in (self.tissues, self.means, self.distance))
        return replace(self, tissues=tissues, means=means, distance=distance)


def pairs(root: Path) -> dict[str, tuple[Path, Path]]:
    """Find (T2w, label map) of every labelled volume, by the T2w file's name without ending.

    A label map is called ``…_T2w_dseg.nii.gz`` or, as in the challenge's own data, ``…_dseg.nii.gz``. It lies beside
    its image or, in a simulated cohort, under ``truth`` as the image does under ``input``.

    Raises:
        FetaError: where there is none.
    """
    found = {}
    cohort = (root / "input").is_dir() and (root / "truth").is_dir()
    for image in sorted((root / "input" if cohort else root).glob("**/anat/*_T2w.nii.gz")):
        folder = root / "truth" / image.parent.relative_to(root / "input") if cohort else image.parent
        stem = image.name.removesuffix(".nii.gz")
        for name in (stem, stem.removesuffix("_T2w")):
            labels = folder / f"{name}_dseg.nii.gz"
            if is_there(labels) and stem not in found and "desc-" not in stem:
                found[stem] = (image, labels)
    if not found:
        problem = "holds no sub-*/anat/*_T2w.nii.gz with its *_T2w_dseg.nii.gz or *_dseg.nii.gz"
        raise FetaError(root, problem, "name a labelled BIDS folder")
    return found


def read_subject(name: str, image_path: Path, label_path: Path, labelled: LabelSet | None = None) -> Subject:
    """Read one pair and bring it into the canonical frame: RAS by its header, origin at the brain's centre.

    Args:
        name: of the subject.
        image_path: the T2w volume.
        label_path: its label map.
        labelled: what the label map's values mean; None: FeTA's labels.

    Raises:
        FetaError: a file can't be used, or there is no tissue in the label map.
    """
    image = read_volume(image_path)
    labels = read_groups(label_path, image.grid, labelled) if labelled else read_label_map(label_path, image.grid)
    brain = labels.array > 0
    if not brain.any():
        raise FetaError(label_path, "holds no tissue", "take this volume out of the folder")
    values = image.array[brain]
    standard = (image.array - values.mean()) / max(float(values.std()), 1e-6)
    means = torch.zeros(LABEL_COUNT)
    residual = np.zeros_like(image.array)
    for tissue in TISSUES:
        inside = labels.array == tissue
        if inside.any():
            means[tissue] = float(standard[inside].mean())
            residual[inside] = standard[inside] - float(means[tissue])
    ras = centred(labels)
    part, start = _brain_box(brain)
    maps = [(labels.array[part] == tissue) for tissue in TISSUES]
    # A voxel's eight values lie side by side in memory: sampling takes half the time.
    tissues = torch.from_numpy(np.stack([*maps, residual[part]], axis=-1).astype(np.float16)).permute(3, 0, 1, 2)
    volume_mm3 = float(brain.sum() * np.prod(image.grid.spacing))
    to_index = np.linalg.inv(ras)
    to_index[:3, 3] -= start
    groups = labelled.groups if labelled else COMPLETE
    return Subject(name, tissues, means, to_index, _outside(brain, ras), volume_mm3 ** (1 / 3), groups)


def _brain_box(brain: npt.NDArray[np.bool_]) -> tuple[tuple[slice, ...], npt.NDArray[np.int64]]:
    """The box that holds a brain (Z, Y, X) and one voxel around, and its corner (x, y, z): the rest is all zero."""
    part = []
    for found in ndimage.find_objects(brain.astype(np.uint8), max_label=1)[:1]:
        limits = found or tuple(slice(0, n) for n in brain.shape)
        part = [slice(max(0, s.start - 1), min(n, s.stop + 1)) for s, n in zip(limits, brain.shape, strict=True)]
    return tuple(part), np.array([s.start for s in part][::-1])


def centred(labels: Volume) -> Matrix:
    """Matrix from voxel index to canonical mm: RAS by the header, the brain's centroid at the origin."""
    ras = index_to_ras(labels.grid)
    centroid = np.array(ndimage.center_of_mass(labels.array > 0))[::-1]
    ras[:3, 3] = -ras[:3, :3] @ centroid
    return ras


def distance_matrix() -> Matrix:
    """Matrix from canonical mm to index of ``Subject.distance``."""
    matrix = np.diag([1 / DISTANCE_SPACING] * 3 + [1.0])
    matrix[:3, 3] = (DISTANCE_SIZE - 1) / 2
    return matrix


def _outside(brain: npt.NDArray[np.bool_], ras: Matrix) -> Tensor:
    to_source = np.linalg.inv(ras) @ np.linalg.inv(distance_matrix())
    coarse = ndimage.affine_transform(brain.astype(np.float32), *scipy_affine(to_source), (DISTANCE_SIZE,) * 3, order=1)
    distance = ndimage.distance_transform_edt(coarse < 0.5) * DISTANCE_SPACING
    return torch.from_numpy(distance.astype(np.float32))[None]

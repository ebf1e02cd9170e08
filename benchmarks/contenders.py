"""The evaluator and its peers on one pair of label maps; each is run in a process of its own.

A contender takes two paths and does its whole work: reading included for the
evaluator, excluded for its peers. MONAI and scikit-image take part where they are installed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from feta.volumes import Volume, read_label_map

Labels = npt.NDArray[np.uint8]
LABELS = range(1, 8)


def ours(truth: Path, prediction: Path) -> None:
    """Every metric of every label, reading included."""
    from evaluation.metrics.measurements import measure

    true = read_label_map(truth)
    measure(true, read_label_map(prediction, true.grid))


def _on_arrays(work: Callable[[Volume, Volume], object]) -> Callable[[Path, Path], Callable[[], object]]:
    """Reading beforehand, so that it isn't timed."""

    def prepare(truth: Path, prediction: Path) -> Callable[[], object]:
        volumes = read_label_map(truth), read_label_map(prediction)
        return lambda: work(*volumes)

    return prepare


def _surface_distance(truth: Volume, prediction: Volume) -> None:
    import surface_distance

    for label in LABELS:
        distances = surface_distance.compute_surface_distances(
            truth.array == label, prediction.array == label, truth.grid.spacing[::-1]
        )
        surface_distance.compute_robust_hausdorff(distances, 95)


def _gudhi(truth: Volume, prediction: Volume) -> None:
    import gudhi
    from scipy import ndimage

    # As in github.com/smilell/Topology-Evaluation: each label's box and two voxels around it, integers, persistence
    # over Z/2 of at least 0.99, and the pairs counted. The truth's χ is a table's: one map is all that it is run on.
    for label, box in enumerate(ndimage.find_objects(prediction.array, max_label=LABELS[-1]), start=1):
        wider = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in box)
        mask = (prediction.array[wider] == label).astype(np.int64)
        complex_ = gudhi.CubicalComplex(dimensions=mask.shape, top_dimensional_cells=mask.flatten(order="F"))
        complex_.persistence(homology_coeff_field=2, min_persistence=0.99)
        complex_.cofaces_of_persistence_pairs()


def _simpleitk_overlap(truth: Volume, prediction: Volume) -> None:
    import SimpleITK as sitk

    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.SetNumberOfThreads(1)
    overlap.Execute(sitk.GetImageFromArray(truth.array), sitk.GetImageFromArray(prediction.array))
    for label in LABELS:
        overlap.GetDiceCoefficient(label)
        overlap.GetVolumeSimilarity(label)


def _simpleitk_hausdorff(truth: Volume, prediction: Volume) -> None:
    import SimpleITK as sitk

    maps = [sitk.GetImageFromArray(v.array) for v in (truth, prediction)]
    for image in maps:
        image.SetSpacing(truth.grid.spacing)
    for label in LABELS:
        contours = [sitk.LabelContour(image == label) for image in maps]
        fields = [sitk.SignedMaurerDistanceMap(c, squaredDistance=False, useImageSpacing=True) for c in contours]
        for contour, field in zip(contours, fields[::-1], strict=True):
            np.percentile(np.abs(sitk.GetArrayViewFromImage(field)[sitk.GetArrayViewFromImage(contour) > 0]), 95)


def _edt(truth: Volume, prediction: Volume) -> None:
    import edt
    from scipy import ndimage

    for label in LABELS:
        masks = [v.array == label for v in (truth, prediction)]
        box = ndimage.find_objects((masks[0] | masks[1]).astype(np.uint8))[0]
        masks = [np.pad(mask[box], 1) for mask in masks]
        borders = [mask & ~ndimage.binary_erosion(mask) for mask in masks]
        for start, end in (borders, borders[::-1]):
            np.percentile(edt.edt(~end, anisotropy=truth.grid.spacing[::-1], parallel=1)[start], 95)


def _monai(truth: Volume, prediction: Volume) -> None:
    import torch
    from monai.metrics import compute_hausdorff_distance

    torch.set_num_threads(1)
    hot = [torch.from_numpy(np.stack([v.array == label for label in range(8)]))[None] for v in (prediction, truth)]
    compute_hausdorff_distance(*hot, percentile=95, spacing=truth.grid.spacing[::-1])


def _cc3d(truth: Volume, prediction: Volume) -> None:
    import cc3d

    for labels in (truth.array, prediction.array):
        cc3d.connected_components(labels, connectivity=6, return_N=True)  # of all labels at once
        for label in LABELS:
            cc3d.connected_components(np.pad(labels != label, 1, constant_values=True), connectivity=26, return_N=True)


def _skimage_euler(truth: Volume, prediction: Volume) -> None:
    from scipy import ndimage
    from skimage.measure import euler_number

    for labels in (truth.array, prediction.array):
        for label, box in enumerate(ndimage.find_objects(labels, max_label=LABELS[-1]), start=1):
            euler_number(np.pad(labels[box] == label, 1), connectivity=1)


#: Name → (what it stands for, preparation that gives the work to time, module that must be there).
PEERS: dict[str, tuple[str, Callable[[Path, Path], Callable[[], object]], str]] = {
    "surface-distance": ("HD95", _on_arrays(_surface_distance), "surface_distance"),
    "gudhi": ("topology", _on_arrays(_gudhi), "gudhi"),
    "SimpleITK overlap": ("overlap", _on_arrays(_simpleitk_overlap), "SimpleITK"),
    "SimpleITK distance": ("HD95", _on_arrays(_simpleitk_hausdorff), "SimpleITK"),
    "edt": ("HD95", _on_arrays(_edt), "edt"),
    "MONAI": ("HD95", _on_arrays(_monai), "monai"),
    "cc3d": ("components", _on_arrays(_cc3d), "cc3d"),
    "scikit-image": ("χ", _on_arrays(_skimage_euler), "skimage"),
}
ORGANIZERS = ("surface-distance", "gudhi", "SimpleITK overlap")
"""What the challenge names."""

"""How sure a segmentation was: fit of the pose, sharpness of the brain's mask, probabilities, work of the topology.

Nothing here needs a second pass of a network, so it is known with test-time augmentation and without.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from feta.labels import LABEL_COUNT, TISSUES, label_counts
from feta.volumes import Volume
from inference.geometry.native_grid import NativeSpaceLabels, Prediction
from inference.geometry.segmentation_result import SegmentationSignals
from inference.segmentation.pose import Pose

Array = npt.NDArray[np.float64]
#: So many voxels of the brain are looked at: means over more of them differ by less than a thousandth.
SAMPLED = 60_000
#: A voxel whose label has less than this probability (in 255ths) is in doubt.
DOUBTFUL = 153
#: Between these probabilities the brain's mask is undecided.
UNDECIDED = (0.1, 0.9)
_TISSUES = list(TISSUES)


def segmentation_signals(pose: Pose, prediction: Prediction, labels: Volume) -> SegmentationSignals:
    """What the pose, the probabilities and the post-processing tell of a label map's quality.

    Args:
        pose: of the brain.
        prediction: of the networks; without scores, nothing is known of probabilities.
        labels: the label map that is written, uint8 (Z, Y, X), in the order of axes in which the volume is stored.
    """
    count = label_counts(labels.array)
    millilitres = float(count[1:].sum() * np.prod(labels.grid.spacing)) / 1000
    case = {**_of_pose(pose), **_of_mask(pose, millilitres)}
    changed = _changed(prediction.order.undo(prediction.native.labels), labels.array)
    sure = _of_scores(prediction.native)
    case |= {"changed": _share(changed.sum(), count[1:].sum()), **sure.case}
    moved = (changed.sum(axis=0) + changed.sum(axis=1))[_TISSUES]
    return SegmentationSignals(case, {"tissue_changed": moved / np.maximum(count[_TISSUES], 1.0), **sure.tissue})


def _of_pose(pose: Pose) -> dict[str, float]:
    return {
        "pose_found": float(pose.found),
        "pose_residual": float(pose.residual),
        "pose_size": float(np.log(pose.size_mm)) if pose.size_mm > 0 else float("nan"),
    }


def _of_mask(pose: Pose, millilitres: float) -> dict[str, float]:
    """How decided the mask is, and how well what was segmented fills it."""
    if pose.brain is None:
        return {"mask_undecided": float("nan"), "mask_filled": float("nan")}
    probability = pose.brain.probability.numpy()
    inside = int(np.count_nonzero(probability > 0.5))
    undecided = np.count_nonzero((probability > UNDECIDED[0]) & (probability < UNDECIDED[1]))
    voxel_ml = 1e-3 / float(np.linalg.norm(pose.brain.to_index[:3, 0])) ** 3
    # Against the surface, about which a sharp mask is undecided, too: against the volume, a small brain's were larger.
    return {
        "mask_undecided": float(undecided / max(inside, 1) ** (2 / 3)),
        "mask_filled": float(np.log((millilitres + 0.1) / (inside * voxel_ml + 0.1))),
    }


def _of_scores(native: NativeSpaceLabels) -> SegmentationSignals:
    """Certainty of the brain and of each tissue, of a sample of the voxels that the networks called tissue."""
    unknown = dict.fromkeys(("certainty", "margin", "doubtful", "spill"), float("nan"))
    nothing = np.full(len(_TISSUES), np.nan)
    names = ("tissue_certainty", "tissue_doubtful", "tissue_soft")
    if native.scores is None:
        return SegmentationSignals(unknown, dict.fromkeys(names, nothing))
    labels = native.labels[native.part].ravel()
    where = np.flatnonzero(labels)
    where = where[:: max(1, len(where) // SAMPLED)]
    if not len(where):
        return SegmentationSignals(unknown, dict.fromkeys(names, nothing))
    scores, own = native.scores.reshape(LABEL_COUNT, -1)[:, where], labels[where]
    best = np.partition(scores, (LABEL_COUNT - 2, LABEL_COUNT - 1), axis=0)[-2:].astype(np.float64)
    top = best[1]
    number = np.bincount(own, minlength=LABEL_COUNT)[_TISSUES]

    def by_tissue(values: Array) -> Array:
        total = np.bincount(own, weights=values, minlength=LABEL_COUNT)[_TISSUES]
        return np.where(number > 0, total / np.maximum(number, 1), np.nan)

    case: Mapping[str, float] = {
        "certainty": float(top.mean()) / 255,
        "margin": float((best[1] - best[0]).mean()) / 255,
        "doubtful": float((top < DOUBTFUL).mean()),
        "spill": float(scores[0].mean()) / 255,
    }
    soft = scores.sum(axis=1, dtype=np.float64)[_TISSUES] / 255
    tissue = {
        "tissue_certainty": by_tissue(top) / 255,
        "tissue_doubtful": by_tissue((top < DOUBTFUL).astype(np.float64)),
        "tissue_soft": np.log((soft + 1) / (number + 1)),
    }
    return SegmentationSignals(case, tissue)


def _changed(before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> Array:
    """(8, 8) how many voxels had which label, and have which now."""
    differ = np.flatnonzero(before.ravel() != after.ravel())
    pairs = before.ravel()[differ].astype(np.intp) * LABEL_COUNT + after.ravel()[differ]
    return np.bincount(pairs, minlength=LABEL_COUNT**2).reshape(LABEL_COUNT, LABEL_COUNT).astype(np.float64)


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")

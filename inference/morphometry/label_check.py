"""Whether a label map that somebody else made can be FeTA's: the tissues that touch, and a brain's two sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from feta.errors import FetaError
from feta.labels import LABEL_COUNT, TISSUE_NAMES, TISSUES, Tissue, foreground_box, label_counts
from feta.volumes import Volume
from inference.biometry.midline_alignment import AlignedLabels
from inference.morphometry.label_frame import LabelFrame

#: Places farther off than this (root mean square, in brain sizes) are no brain's in FeTA's labels: 0.14 at most on
#: labelled atlases of healthy brains and of spina bifida, 0.16 at least where two hindbrain labels are swapped.
MISPLACED = 0.15
#: A cerebrum and its mirror image overlap (Dice) at 0.94 at least on those atlases; of half a brain at 0.76 at most.
ONE_SIDED = 0.82
#: A brain is some 35 mm long at 14 weeks and 120 at term; what its labels span beyond these (mm) is no brain's. Beyond
#: the last, millimetres were written as something else, and the upright map would take all memory that there is.
SHORTEST_MM, LONGEST_MM, IMPOSSIBLE_MM = 25.0, 200.0, 500.0
_CEREBRUM = (Tissue.GM, Tissue.WM, Tissue.VM, Tissue.SGM)
#: Pairs of tissues, of which the first touch each other more than the second do, wherever all are there: the cortex
#: lies between external CSF and white matter, and white matter between the cortex and the ventricles.
_NEARER = (
    ((Tissue.ECSF, Tissue.GM), (Tissue.ECSF, Tissue.WM)),
    ((Tissue.GM, Tissue.WM), (Tissue.ECSF, Tissue.WM)),
    ((Tissue.WM, Tissue.VM), (Tissue.GM, Tissue.VM)),
)


def why_another_protocol(labels: Volume, frame: LabelFrame | None) -> str:
    """How the labels can't be FeTA's, in a few words; "" where they can.

    Args:
        labels: uint8 (z, y, x), taken for FeTA's.
        frame: as ``frame_of`` found it.
    """
    if frame is not None and frame.misfit > MISPLACED:
        return "brainstem, cerebellum and deep grey matter don't lie where a brain has them"
    counts = label_counts(labels.array)
    if counts[Tissue.SGM] > counts[Tissue.GM] > 0:
        return "there is more deep grey matter than cortex"
    there, touching = counts > 0, _contacts(labels.array)
    for near, far in _NEARER:
        if all(there[t] for t in (*near, *far)) and touching[near] < touching[far]:
            first, second = (" and ".join(TISSUE_NAMES[t] for t in pair) for pair in (near, far))
            return f"{first} touch less than {second} do"
    return ""


def doubt_size(path: Path, labels: Volume) -> tuple[str, ...]:
    """Doubt a label map that is too small or too large for any fetal brain, since its voxels' size may be wrong.

    Args:
        path: of the file whose header says how large the voxels are.
        labels: uint8 (z, y, x); an empty map is as it should be.

    Returns:
        warnings, one line each.

    Raises:
        FetaError: it is far too large.
    """
    box = foreground_box(labels.array)
    if box is None:
        return ()
    longest = max((at.stop - at.start) * side for at, side in zip(box[::-1], labels.grid.spacing, strict=True))
    said = f"its labels span {longest:.3g} mm, no fetal brain's size"
    remedy = "correct the voxel size or its unit in the header"
    if longest > IMPOSSIBLE_MM:
        raise FetaError(path, said, remedy)
    if SHORTEST_MM <= longest <= LONGEST_MM:
        return ()
    return (f"{path.name}: {said}: every size is wrong unless its voxels' are right, or there are stray labels",)


def missing(labels: Volume) -> tuple[Tissue, ...]:
    """Tissues of which a map holds nothing."""
    counts = label_counts(labels.array)
    return tuple(t for t in TISSUES if not counts[t])


def is_one_sided(aligned: AlignedLabels) -> bool:
    """Whether a cerebrum is so unlike its mirror image that a half of it must be missing."""
    return mirror_overlap(aligned) < ONE_SIDED


def mirror_overlap(aligned: AlignedLabels) -> float:
    """Dice of a cerebrum and its mirror image about the midline; 1 where there is none."""
    across = np.arange(aligned.labels.shape[2]) * aligned.spacing + aligned.origin[0]
    opposite = np.rint((-across - aligned.origin[0]) / aligned.spacing).astype(int)
    inside = (opposite >= 0) & (opposite < len(across))
    cerebrum = np.isin(aligned.labels, _CEREBRUM)
    both = np.count_nonzero(cerebrum[..., inside] & cerebrum[..., opposite[inside]])
    whole = int(np.count_nonzero(cerebrum))
    return int(both) / whole if whole else 1.0


def _contacts(array: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """(8, 8) how many faces of voxels two labels have in common, symmetric."""
    counts = np.zeros(LABEL_COUNT**2, np.int64)
    for axis in range(3):
        size = array.shape[axis]
        low, high = np.take(array, range(size - 1), axis), np.take(array, range(1, size), axis)
        differ = low != high
        counts += np.bincount(low[differ].astype(np.intp) * LABEL_COUNT + high[differ], minlength=LABEL_COUNT**2)
    table = counts.reshape(LABEL_COUNT, LABEL_COUNT)
    return table + table.T

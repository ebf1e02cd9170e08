"""A label map that somebody else made, read and brought upright for measuring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feta.errors import FetaError
from feta.grid import Grid, Matrix
from feta.labels import TISSUE_NAMES
from feta.volumes import Volume
from inference.biometry.midline_alignment import AlignedLabels, align_to_midline
from inference.morphometry.label_check import doubt_size, is_one_sided, missing, why_another_protocol
from inference.morphometry.label_frame import frame_of
from inference.morphometry.label_mapping import REMEDY, read_mapped


@dataclass(frozen=True)
class GivenLabels:
    """A label map to measure.

    Attributes:
        path: the file.
        mapping: their value → ours; None where the map follows FeTA's values.
    """

    path: Path
    mapping: Mapping[int, int] | None = None


@dataclass(frozen=True)
class UprightLabels:
    """A label map and how its brain lies.

    Attributes:
        labels: uint8 (z, y, x) FeTA labels.
        aligned: the same, upright; None where nobody can tell how the brain lies.
        to_canonical: 4×4 from physical LPS mm to the brain frame; upright to some degrees.
        warnings: one line each.
    """

    labels: Volume
    aligned: AlignedLabels | None
    to_canonical: Matrix
    warnings: tuple[str, ...]


def read_upright(given: GivenLabels, grid: Grid | None = None) -> UprightLabels:
    """Read a label map, and find by its labels how the brain lies.

    Args:
        given: the map.
        grid: of the image that it belongs to, if there is one.

    Raises:
        FetaError: it can't be read, is empty, far too large, or its values can't be FeTA's labels.
    """
    labels = read_mapped(given.path, grid, given.mapping)
    if not labels.array.any():
        raise FetaError(given.path, "is empty: every voxel is 0")
    doubts = doubt_size(given.path, labels)
    frame = frame_of(labels)
    if why := why_another_protocol(labels, frame):
        raise FetaError(given.path, "; ".join([f"can't be in FeTA's labels: {why}", *doubts]), REMEDY)
    warnings = [*labels.warnings, *doubts]
    if gone := missing(labels):
        names = ", ".join(TISSUE_NAMES[t] for t in gone)
        warnings.append(f"{given.path.name} holds no {names}: neither that nor what it is a part of is measured")
    if frame is None:
        warnings.append(f"{given.path.name} doesn't tell how the brain lies: no lengths on it, no left and right")
        return UprightLabels(labels, None, np.eye(4), tuple(warnings))
    aligned = align_to_midline(labels, frame.to_canonical)
    if aligned is not None and is_one_sided(aligned):
        aligned = None
        warnings.append(
            f"{given.path.name} is like its mirror image about no plane, as half a brain or one that is cut off: no "
            "lengths on it, no left and right"
        )
    return UprightLabels(labels, aligned, frame.to_canonical, tuple(warnings))

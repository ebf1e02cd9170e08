"""Label maps that merge or lack some of the seven tissues can be trained on, too.

A data set may hold a file ``labels.yaml`` that says which FeTA labels each stored value covers, say for a brain mask::

    0: [0]
    1: [1, 2, 3, 4, 5, 6, 7]

Each FeTA label belongs to one group: a tissue that isn't labelled is covered by 0, and values that cover the same
labels are one group. What a network says of a group is the sum of its labels' probabilities (the marginal loss of Shi
et al., MedIA 2021; the idea of MultiTalent, Ulrich et al., MICCAI 2023), so that it is free within the group.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor

from feta.errors import FetaError
from feta.files import is_there, read_text
from feta.grid import Grid
from feta.labels import LABEL_COUNT
from feta.volumes import Volume, read_volume

INDEX = "labels.yaml"
_REMEDY = "let each of the labels 0–7 be covered once, background by the value 0"

#: The FeTA labels of each group; group 0 holds the background.
Groups = tuple[tuple[int, ...], ...]
#: Every label alone.
COMPLETE: Groups = tuple((label,) for label in range(LABEL_COUNT))


@dataclass(frozen=True)
class LabelSet:
    """What the stored values of a data set mean.

    Attributes:
        groups: the FeTA labels of each group, the lowest first.
        group_of: number of the group of each stored value.
    """

    groups: Groups
    group_of: dict[int, int]


def read_label_set(folder: Path) -> LabelSet | None:
    """What ``labels.yaml`` of a data set says, or None where there is none.

    Raises:
        FetaError: it cannot be read, or does not cover each label once.
    """
    path = folder / INDEX
    if not is_there(path):
        return None
    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise FetaError(path, f"cannot be read ({' '.join(str(error).split())})", _REMEDY) from error
    if not isinstance(content, dict) or not all(isinstance(key, int) for key in content):
        raise FetaError(path, "does not hold a list of labels for each stored value", _REMEDY)
    covered = {value: _labels(labels, path) for value, labels in content.items()}
    groups = tuple(sorted(set(covered.values())))
    if sorted(label for group in groups for label in group) != list(range(LABEL_COUNT)):
        raise FetaError(path, "leaves a label out, or lets groups overlap", _REMEDY)
    if covered.get(0) != groups[0]:
        raise FetaError(path, "does not let the value 0 cover the background", _REMEDY)
    return LabelSet(groups, {value: groups.index(group) for value, group in covered.items()})


def _labels(labels: object, path: Path) -> tuple[int, ...]:
    if not isinstance(labels, list) or not labels or not all(isinstance(label, int) for label in labels):
        raise FetaError(path, f"covers {labels!r}", "write a list such as [2, 3]")
    return tuple(sorted(labels))


def read_groups(path: Path, grid: Grid, labels: LabelSet) -> Volume:
    """Read a label map as numbers of groups, uint8 (z, y, x).

    Raises:
        FetaError: it is not on the image's grid, or holds a value that the label set lacks.
    """
    volume = read_volume(path)
    gap = grid.difference(volume.grid)
    if gap:
        raise FetaError(path, f"is not on the grid of its image: {gap}", "resample it to the image")
    found, where = np.unique(volume.array, return_inverse=True)
    unknown = [value for value in found.tolist() if value not in labels.group_of]
    if unknown:
        raise FetaError(path, f"holds {unknown[0]:g}, which {INDEX} lacks", "add it")
    numbers = np.array([labels.group_of[int(value)] for value in found], np.uint8)
    return Volume(numbers[where].reshape(volume.array.shape), volume.grid)


def marginal(log_probability: Tensor, groups: Groups) -> Tensor:
    """Logarithms of the groups' probabilities (N, G, …) from those of the labels (N, 8, …)."""
    if groups == COMPLETE:
        return log_probability
    return torch.stack([log_probability[:, list(group)].logsumexp(1) for group in groups], 1)

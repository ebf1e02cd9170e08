"""How well the learned anatomy reproduces atlases that it has not seen."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from feta.files import make_writable
from feta.labels import LABEL_COUNT
from feta.tables import create_csv
from inference.geometry.frames import resample
from training.anatomy.model import Anatomy
from training.anatomy.normalised_frame import GRID, to_canonical
from training.tasks.atlases import LABEL_NAMES, dice_by_label, read_atlases


def write_reproduction(anatomy: Anatomy, root: Path, subjects: tuple[str, ...], path: Path) -> list[str]:
    """Measure how well the average brain of an age reproduces atlases, in mm and at the model's own size.

    Args:
        anatomy: the model.
        root: BIDS folder of atlases.
        subjects: which of them.
        path: CSV to write: subject, label, dice.

    Returns:
        one line for each subject.
    """
    make_writable(path.parent)
    rows, lines = [], []
    for atlas in read_atlases(root):
        if atlas.name not in subjects:
            continue
        template = anatomy(atlas.age, float(atlas.pathological), atlas_size=True)
        # The atlas's normalised frame, in mm: what differs in size counts as error.
        scores = resample(template.scores, template.to_index @ to_canonical(atlas.half), (GRID[2], GRID[1], GRID[0]))
        dice = dice_by_label(scores.argmax(0), atlas.fractions.argmax(0))
        rows += [[atlas.name, name, f"{dice[i]:.4f}"] for i, name in LABEL_NAMES.items()]
        each = ", ".join(f"{name} {dice[i]:.3f}" for i, name in LABEL_NAMES.items())
        lines.append(f"{atlas.name}: mean Dice {np.nanmean(dice[1:LABEL_COUNT]):.3f} ({each})")
    with create_csv(path) as stream:
        csv.writer(stream).writerows([["subject", "label", "dice"], *rows])
    return lines

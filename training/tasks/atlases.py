"""Labelled atlases in the normalised frame, which the learned anatomy is trained on and compared with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from feta.bids import subject_in
from feta.errors import FetaError
from feta.files import is_there
from feta.labels import Tissue
from feta.participants import read_participants
from feta.volumes import read_label_map
from inference.geometry.frames import index_to_ras, resample
from training.anatomy.normalised_frame import GRID, Point, cerebral_box, to_canonical
from training.anatomy.template import CALLOSUM, CHANNELS, read_template
from training.data.provenance import read_source_subjects
from training.data.subject import pairs

LABEL_NAMES = {int(t): t.name.lower() for t in Tissue if t} | {CALLOSUM: "cc"}


@dataclass(frozen=True)
class Atlas:
    """One atlas in the normalised frame.

    Attributes:
        number: its place among all atlases of the folder, which its latent code has as well.
        name: ``sub-crl21``.
        age: weeks.
        pathological: spina bifida.
        half: half size of its cerebrum, mm.
        fractions: (9, Z, Y, X) float16, sums to 1: labels 0–7, then the corpus callosum.
        signal: (Z, Y, X) float16.
        source_subjects: names of those that it was made of (``training.data.provenance``).
    """

    number: int
    name: str
    age: float
    pathological: bool
    half: Point
    fractions: Tensor
    signal: Tensor
    source_subjects: frozenset[str] = frozenset()


def read_atlases(root: Path) -> list[Atlas]:
    """Read every labelled subject of a BIDS folder whose age the table names.

    Raises:
        FetaError: no table, no pair, or a subject without an age.
    """
    people = read_participants(root / "participants.tsv")
    (source_subjects,) = read_source_subjects([root])

    def read(item: tuple[int, tuple[str, tuple[Path, Path]]]) -> Atlas:
        number, (name, files) = item
        subject = subject_in(name)
        person = people.get(subject)
        if person is None or person.age is None:
            raise FetaError(root / "participants.tsv", f"gives no age for {subject}", "add its row")
        atlas = _read_atlas(number, subject, *files, person.age, person.pathology == "Pathological")
        return replace(atlas, source_subjects=source_subjects.get(subject, frozenset()))

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(read, enumerate(pairs(root).items())))


def _read_atlas(number: int, name: str, image: Path, labels: Path, age: float, pathological: bool) -> Atlas:
    callosum = labels.with_name(labels.name.replace("_T2w_dseg", "_label-corpuscallosum_mask"))
    template = read_template(image, labels, callosum if is_there(callosum) else None)
    grid = read_label_map(labels).grid
    centre, half = cerebral_box(template.scores.argmax(0).numpy().astype(np.uint8), index_to_ras(grid))
    place = to_canonical(half)
    place[:3, 3] += centre
    matrix, size = template.to_index @ place, (GRID[2], GRID[1], GRID[0])
    # Outside the atlas's own grid there is background.
    fractions = resample(template.scores.softmax(0), matrix, size)
    fractions[0] += 1 - fractions.sum(0)
    signal = resample(template.signal, matrix, size)[0]
    return Atlas(number, name, age, pathological, half, fractions.half(), signal.half())


def dice_by_label(a: Tensor, b: Tensor) -> npt.NDArray[np.float64]:
    """Dice of every channel's label; NaN where both lack it."""
    first, second = (torch.stack([x == c for c in range(CHANNELS)]).flatten(1) for x in (a, b))
    overlap, total = (first & second).sum(1).double(), (first.sum(1) + second.sum(1)).double()
    return (2 * overlap / total).numpy()

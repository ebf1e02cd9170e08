"""What is no fetal brain, or not all of one, is never accepted by what ships: weights/confidence.json, verdict.yaml.

``simulated_rows.jsonl`` are rows of `feta-train assess confidence --causes unseen` on a simulated cohort (seed 2502),
which the shipped networks segmented: the first of each cause (of a base cut off, the first that is bad; of an adult's
size one that was accepted before its age was held against it).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from feta.labels import Tissue
from feta.volumes import Volume
from inference.confidence.confidence import Judging
from inference.confidence.image_signals import image_signals
from inference.confidence.verdict import Verdict
from inference.runs.settings import Settings, default_weights
from tests.support.heads import make_head
from tests.support.strangers import STRANGERS
from training.confidence.causes import AS_IS
from training.confidence.judged import judge_rows
from training.confidence.rows import CaseRow, read_rows

ROWS = {row.name: row for row in read_rows([Path(__file__).with_name("simulated_rows.jsonl")])}
SOUND, STRANGE = ([row for row in ROWS.values() if (row.cause == AS_IS) is sound] for sound in (True, False))
#: Of fluid, grey and white matter in a T2w image; all else is as grey matter.
T2W = {Tissue.ECSF: 400.0, Tissue.VM: 400.0, Tissue.WM: 250.0}
LABELS = make_head((2.0, 2.0, 2.0)).labels


def verdict(row: CaseRow) -> Verdict:
    return judge_rows([row], Judging(Settings(default_weights()).quality_model()))[0].judgement.verdict


def outlined_surely(image: Volume) -> Verdict:
    """Of a volume in which the networks are as sure to see a brain as they are in a sound one, of a brain's shape."""
    off = tuple((a - b) // 2 for a, b in zip(image.array.shape, LABELS.array.shape, strict=True))
    labels = np.zeros(image.array.shape, np.uint8)
    labels[tuple(slice(o, o + n) for o, n in zip(off, LABELS.array.shape, strict=True))] = LABELS.array
    return verdict(replace(SOUND[0], case={**SOUND[0].case, **image_signals(image, Volume(labels, image.grid))}))


@pytest.mark.parametrize("row", SOUND, ids=lambda row: row.name)
def test_a_sound_volume_is_accepted(row: CaseRow) -> None:
    assert verdict(row) is Verdict.ACCEPT


@pytest.mark.parametrize("row", STRANGE, ids=lambda row: row.name)
def test_what_is_not_all_of_a_fetal_brain_is_not_accepted(row: CaseRow) -> None:
    assert verdict(row) in (Verdict.CHECK, Verdict.REJECT)


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_no_brain_is_not_accepted_however_surely_one_is_outlined_in_it(name: str) -> None:
    assert outlined_surely(STRANGERS[name]()) in (Verdict.CHECK, Verdict.REJECT)


def test_the_same_outlines_in_the_image_that_they_are_of_are_accepted() -> None:
    """So that it is the image that the test above tells of."""
    grey = np.array([0.0, *(T2W.get(tissue, 150.0) for tissue in Tissue if tissue)])[LABELS.array]
    grain = np.random.default_rng(0).normal(0, 25, grey.shape)
    image = Volume(np.where(grey > 0, np.maximum(grey + grain, 1), 0).astype(np.float32), LABELS.grid)
    assert outlined_surely(image) is Verdict.ACCEPT

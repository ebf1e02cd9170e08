"""Input folders, settings and a model for the tests of the pipeline."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from feta.volumes import Volume, write_volume
from inference.geometry.segmentation_result import Segmentation
from inference.runs.models import Models
from inference.runs.settings import Settings
from tests.support.heads import make_head, stand_in


def _textured(image: Volume) -> Volume:
    """With as many grey values as a scan has; the stand-in still reads the same labels off it."""
    wave = 20 * np.sin(np.arange(image.array.size, dtype=np.float32)).reshape(image.array.shape)
    return Volume(np.where(image.array > 0, image.array + wave, 0).astype(np.float32), image.grid)


SMALL = _textured(make_head((2.0, 2.0, 2.0)).image)


def make_tree(root: Path, subjects: int, table: str | None = None) -> Path:
    """A BIDS tree of heads; subject n is n weeks over 25."""
    for n in range(1, subjects + 1):
        anat = root / f"sub-{n:03d}" / "anat"
        anat.mkdir(parents=True)
        write_volume(anat / f"sub-{n:03d}_rec-mial_T2w.nii.gz", SMALL)
    rows = "".join(f"sub-{n:03d}\tNeurotypical\t{25 + n}\n" for n in range(1, subjects + 1))
    if table is None:
        table = f"participant_id\tPathology\tGestational age\n{rows}"
    (root / "participants.tsv").write_text(table)
    return root


def make_weights(root: Path, content: str = "made up") -> Path:
    """A folder that looks like weights from outside."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "model.yaml").write_text(content)
    return root


def damage(path: Path) -> None:
    """Cut a gzip file in the middle."""
    data = path.read_bytes()
    assert gzip.decompress(data)
    path.write_bytes(data[: len(data) // 2])


class Counting:
    """A stand-in segmenter that counts its loads and its calls."""

    def __init__(self) -> None:
        self.loads = 0
        self.calls = 0

    def load(self, _settings: Settings) -> Models:
        self.loads += 1
        return Models(self, None, "a stand-in")

    def __call__(self, volume: Volume) -> Segmentation:
        self.calls += 1
        return stand_in(volume)

"""A real volume made worse in known ways: what becomes of its volumes, lengths and topology.

Nobody drew labels on it, so that results are held against those of the volume as it was. The field's own repeat scans
differ by a few percent: a tissue that loses more to noise or a thick slice is not measured, whatever its Dice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from evaluation.scoring.score_table import SEGMENTATION_METRICS
from feta.files import write_atomically
from feta.labels import TISSUES, Tissue
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import Volume, read_volume
from inference.runs.analysis import analyse
from inference.runs.models import load_models
from inference.runs.settings import Settings
from training.assessment.resampling import SD_TO_FWHM, Pair
from training.assessment.robustness import CONDITIONS, unchanged
from training.assessment.validation import scores

#: Full width at half maximum of the blur, thickness of the slices, and what is left around the brain, mm.
BLUR_MM, SLICE_MM, LEFT_MM = 2.0, 3.5, 3.0
HEADING = (
    "| | volumes differ by | most | total brain | lengths differ by | most | Σ\\|Δb\\| |\n|---|---|---|---|---|---|---|"
)


def blurred(pair: Pair, draw: np.random.Generator) -> Pair:
    """Blurred by a Gaussian of 2 mm full width at half maximum."""
    del draw
    image, labels = pair
    sigma = [BLUR_MM / SD_TO_FWHM / step for step in image.grid.spacing[::-1]]
    return Volume(ndimage.gaussian_filter(image.array, sigma), image.grid), labels


def thick(pair: Pair, draw: np.random.Generator) -> Pair:
    """As slices of 3.5 mm along an axis drawn at random show it, interpolated back onto its grid."""
    image, labels = pair
    axis = int(draw.integers(3))
    count = max(1, round(SLICE_MM / image.grid.spacing[::-1][axis]))
    mean = ndimage.uniform_filter1d(image.array, count, axis=axis)
    slices = np.take(mean, np.arange(count // 2, mean.shape[axis], count), axis=axis)
    at = (np.arange(mean.shape[axis]) - count // 2) / count
    index = np.meshgrid(*[at if a == axis else np.arange(n) for a, n in enumerate(mean.shape)], indexing="ij")
    back = ndimage.map_coordinates(slices, index, order=1, mode="nearest")
    return Volume(back.astype(np.float32), image.grid), labels


def cut(pair: Pair, draw: np.random.Generator) -> Pair:
    """Zero from 3 mm beyond the brain on, along every axis of the grid: a narrow field of view."""
    del draw
    image, labels = pair
    kept = np.zeros(image.array.shape, bool)
    (box,) = ndimage.find_objects((labels.array > 0).astype(np.uint8))
    room = [int(np.ceil(LEFT_MM / step)) for step in image.grid.spacing[::-1]]
    kept[tuple(slice(max(0, s.start - r), s.stop + r) for s, r in zip(box, room, strict=True))] = True
    return Volume(np.where(kept, image.array, np.float32(0)), image.grid), labels


#: What is done to the volume.
DEGRADED: dict[str, Callable[[Pair, np.random.Generator], Pair]] = {
    "as it is": unchanged,
    "blurred by 2 mm": blurred,
    "slices of 3.5 mm": thick,
    "noise": CONDITIONS["noise"],
    "shading": CONDITIONS["bias"],
    "cut 3 mm around the brain": cut,
}


@dataclass(frozen=True)
class Found:
    """What one volume gave.

    Attributes:
        labels: its map.
        lengths: mm, of those that the image shows.
    """

    labels: Volume
    lengths: dict[Measurement, float]

    def volumes(self) -> np.ndarray:
        """Of the seven tissues, mm³."""
        counts = np.bincount(self.labels.array.ravel(), minlength=len(TISSUES) + 1)[1:]
        return np.asarray(counts * np.prod(self.labels.grid.spacing), np.float64)


def measure_degraded(path: Path, weights: Path, output: Path, seed: int = 0) -> Iterator[str]:
    """Measure a volume as it is and degraded; writes a table as Markdown and yields its lines.

    Args:
        path: of the volume; no label map is needed, no age is used.
        weights: folder with ``model.yaml``.
        output: Markdown file to write.
        seed: of noise, shading and the axis of the slices.

    Raises:
        FetaError: volume or weights can't be used, or the table can't be written.
    """
    find = _Finder(path, weights)
    volume = read_volume(path)
    first = find(volume)
    lines = HEADING.splitlines()
    yield from lines
    for name, change in DEGRADED.items():
        found = first if change is unchanged else find(change((volume, first.labels), np.random.default_rng(seed))[0])
        lines.append(row(name, first, found))
        yield lines[-1]
    write_atomically(output, "\n".join(lines) + "\n")


class _Finder:
    """Segments and measures volumes with networks that are loaded once."""

    def __init__(self, path: Path, weights: Path) -> None:
        settings = Settings(weights)
        self._path, self._models, self._measuring = path, load_models(settings), settings.measuring()

    def __call__(self, volume: Volume) -> Found:
        analysed = analyse(self._path, volume, self._models, self._measuring, None)
        lengths = {m: length.value for m, length in analysed.measures.lengths.items() if length.value is not None}
        return Found(analysed.segmented.labels, lengths)


def row(name: str, first: Found, found: Found) -> str:
    """One line: by how much volumes and lengths differ from the first's, and how far the topology is off.

    A length that one of them lacks counts as wholly different.
    """
    before, after = first.volumes(), found.volumes()
    volumes = np.abs(after - before) / np.maximum(before, 1e-9)
    brain = abs(after.sum() - before.sum()) / max(before.sum(), 1e-9)
    known = [m for m in MEASUREMENTS if m in first.lengths or m in found.lengths]
    lengths = {m: _apart(first.lengths.get(m), found.lengths.get(m)) for m in known}
    worst = max(lengths, key=lambda m: lengths[m], default=None)
    betti = scores(found.labels, found.labels)[:, [SEGMENTATION_METRICS.index(b) for b in ("b0", "b1", "b2")]]
    cells = [
        f"{volumes.mean():.1%}",
        f"{volumes.max():.1%} ({Tissue(int(volumes.argmax()) + 1).name})",
        f"{brain:.1%}",
        f"{np.mean(list(lengths.values())):.1%}" if lengths else "–",
        f"{lengths[worst]:.1%} ({worst})" if worst is not None else "–",
        f"{betti.sum() / len(TISSUES):.2f}",
    ]
    return f"| {name} | " + " | ".join(cells) + " |"


def _apart(one: float | None, other: float | None) -> float:
    return 1.0 if one is None or other is None else abs(other - one) / one

"""The validation table: the whole submission on labelled volumes, as they are and under stress.

Own code, fixed seeds: nothing here is shared with the synthesis that networks are trained on.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from evaluation.measure import measure
from evaluation.policy import default_policy, fill_topology, score_pair
from evaluation.table import SEGMENTATION_METRICS
from feta.grid import Grid
from feta.labels import TISSUES
from feta.volumes import Volume, read_label_map, read_volume
from inference.device import choose
from inference.segmenter import Segmenter
from training.atlas import pairs

Pair = tuple[Volume, Volume]
#: Room around a volume (mm) that lets it turn without being cut.
ROOM_MM = 30.0


def as_is(pair: Pair, seed: int) -> Pair:
    """The volume as it is."""
    del seed
    return pair


def turned(pair: Pair, seed: int) -> Pair:
    """Voxels resampled by a uniform random rotation, Rician noise of an eighth of the brain's mean, bias exp(±0.5)."""
    draw = np.random.default_rng(seed)
    image, labels = rotate(pair, _random_rotation(draw))
    brain = labels.array > 0
    mean = float(image.array[brain].mean())
    biased = image.array * _bias(image.array.shape, draw)
    noise = draw.normal(0, mean / 8, (2, *biased.shape))
    noisy = np.hypot(biased + noise[0], noise[1]).astype(np.float32)
    return Volume(noisy, image.grid), labels


CONDITIONS: dict[str, Callable[[Pair, int], Pair]] = {"as is": as_is, "turned, noise, bias": turned}


def rotate(pair: Pair, rotation: npt.NDArray[np.float64]) -> Pair:
    """Turn the voxels of image (trilinear) and label map (nearest) about the middle, on a larger cubic grid.

    Args:
        pair: image and label map on one grid with an axis-aligned direction.
        rotation: (3, 3), acts on (x, y, z) in mm.
    """
    image, labels = pair
    spacing = min(image.grid.spacing)
    side = int(np.ceil((max(np.multiply(image.grid.size, image.grid.spacing)) + ROOM_MM) / spacing))
    direction = np.reshape(image.grid.direction, (3, 3))
    grid = Grid((side,) * 3, (spacing,) * 3, (0.0,) * 3, image.grid.direction)
    # voxel of the output → mm about the middle → turned → voxel of the input
    to_mm = direction * spacing
    from_mm = np.linalg.inv(direction * np.asarray(image.grid.spacing))
    matrix = from_mm @ rotation @ to_mm
    offset = (np.asarray(image.grid.size) - 1) / 2 - matrix @ (np.full(3, side - 1) / 2)
    reverse = (matrix[::-1, ::-1], offset[::-1])
    shape = (side,) * 3
    turned_image = ndimage.affine_transform(image.array, *reverse, output_shape=shape, order=1)
    turned_labels = ndimage.affine_transform(labels.array, *reverse, output_shape=shape, order=0)
    return Volume(turned_image, grid), Volume(turned_labels, grid)


def _random_rotation(draw: np.random.Generator) -> npt.NDArray[np.float64]:
    q, r = np.linalg.qr(draw.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else q[:, ::-1]


def _bias(shape: tuple[int, ...], draw: np.random.Generator) -> npt.NDArray[np.float32]:
    """exp of a ramp from −0.5 to +0.5 across the volume in a random direction."""
    way = draw.normal(size=3)
    axes = np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in shape], indexing="ij", sparse=True)
    ramp = sum(w * a for w, a in zip(way / np.abs(way).sum(), axes, strict=True))
    return np.exp(0.5 * ramp).astype(np.float32)


def measure_validation(
    root: Path, weights: Path, subjects: tuple[str, ...], conditions: dict[str, Callable[[Pair, int], Pair]], path: Path
) -> Iterator[str]:
    """Segment and score; writes one CSV row a figure and yields lines for people.

    Args:
        root: labelled BIDS folder.
        weights: folder with ``model.yaml``.
        subjects: which to measure.
        conditions: by name.
        path: of the CSV.
    """
    segmenter = Segmenter(weights, choose())
    found = {name.split("_")[0]: files for name, files in pairs(root).items()}
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["condition", "subject", "label", "metric", "value"])
        for condition, change in conditions.items():
            rows = []
            for seed, subject in enumerate(subjects):
                image_path, label_path = found[subject]
                image, labels = change((read_volume(image_path), read_label_map(label_path)), seed)
                values = _scores(labels, segmenter(image).labels)
                rows.append(values)
                for tissue, line in zip(TISSUES, values, strict=True):
                    for metric, value in zip(SEGMENTATION_METRICS, line, strict=True):
                        writer.writerow([condition, subject, tissue.name, metric, f"{value:.4f}"])
                yield f"{condition}, {subject}: mean Dice {values[:, 0].mean():.3f}"
            yield from _table(condition, np.stack(rows))


def _scores(truth: Volume, prediction: Volume) -> npt.NDArray[np.float64]:
    """Every metric of every tissue, (7, 7), under the evaluator's own policy; ED against the table."""
    values, _ = score_pair(measure(truth, prediction), default_policy(), "table")
    fill_topology(values[None, None], default_policy())
    return values


def _table(condition: str, values: npt.NDArray[np.float64]) -> Iterator[str]:
    """Mean over subjects of each tissue's metrics, as Markdown."""
    yield f"\n{condition}, mean over {len(values)} subjects\n"
    yield "| tissue | " + " | ".join(SEGMENTATION_METRICS) + " |"
    yield "|---|" + "---|" * len(SEGMENTATION_METRICS)
    for name, line in zip([t.name for t in TISSUES], values.mean(0), strict=True):
        yield f"| {name} | " + " | ".join(f"{v:.3f}" for v in line) + " |"
    yield "| mean | " + " | ".join(f"{v:.3f}" for v in values.mean((0, 1))) + " |\n"

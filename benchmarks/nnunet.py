"""Our prediction with an nnU-Net beside nnU-Net v2's own predictor: agreement and seconds, in one run.

    python -m benchmarks.nnunet COHORT [--steps 150] [--repeats 2] [--patch 64]

COHORT is what ``feta-train data simulate`` wrote. Small models, plain and residual, are overfitted on its first case
with nnU-Net's own code until all eight labels occur (``benchmarks.nnunet_models``), then predict that case as it is, of
thick slices, and with its axes permuted, with test-time augmentation. Both compute in float32 on one core; seconds are
of CPU, so that a busy machine changes little. Needs nnunetv2 (extra `test`).
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from contextlib import AbstractContextManager, redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.nnunet_models import Kind, train
from feta.grid import Grid
from feta.volumes import Volume, read_label_map, read_volume

TARGET = 0.999
#: Models of voxels longer than this are shown slices of four voxels.
THICK = 3
#: Spacings are multiples of the case's own.
KINDS = (
    Kind("plain, as it is", False, (1, 1, 1)),
    Kind("residual, resampled", True, (1.25, 1.15, 1.2)),
    Kind("plain, thick slices resampled", False, (4.5, 1.1, 1.1)),
    Kind("residual, thick slices, permuted", True, (4, 1.1, 1.1), (2, 0, 1)),
)


def main() -> int:
    """Print the table; 0 if all agree and none is slower."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--patch", type=int, default=64)
    parser.add_argument("--features", type=int, nargs="+", default=[8, 16, 32], help="channels of each stage")
    parser.add_argument("--only", type=int, help="number of a model, from 0")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # nnU-Net reads these when it is imported.
    os.environ.update(dict.fromkeys(("nnUNet_def_n_proc", "nnUNet_n_proc_DA"), "1"))
    kinds = KINDS if arguments.only is None else KINDS[arguments.only : arguments.only + 1]
    print(
        "| model | labels | same label | within tissue | nnU-Net, s | ours, s | ratio |\n|---|---|---|---|---|---|---|",
        flush=True,
    )
    fine = [_one(kind, arguments) for kind in kinds]
    return 0 if all(fine) else 1


def _one(kind: Kind, arguments: argparse.Namespace) -> bool:
    """A line of the table, and whether it keeps to the targets."""
    thick_axis = kind.forward[0] if kind.spacing[0] > THICK else None
    volume, labels = _case(arguments.cohort, thick_axis)
    side = arguments.patch
    patch = (side // 4 if thick_axis is not None else side, side, side)
    a, b, c = (factor * min(volume.grid.spacing) for factor in kind.spacing)
    kind = replace(kind, patch=patch, spacing=(a, b, c), features=tuple(arguments.features))
    with tempfile.TemporaryDirectory(prefix="feta-nnunet-") as root:
        with _quiet():
            folder = train(kind, volume.array, labels, volume.grid.spacing[::-1], Path(root), arguments.steps)
        theirs, their_seconds = _theirs(folder, volume, arguments.repeats)
        ours, our_seconds = _ours(folder, volume, arguments.repeats)
    tissue = (theirs > 0) | (ours > 0)
    same, within = float((theirs == ours).mean()), float((theirs == ours)[tissue].mean())
    occurring = len(np.unique(theirs))
    ratio = our_seconds / their_seconds
    times = f"{their_seconds:.2f} | {our_seconds:.2f} | {ratio:.2f}"
    print(f"| {kind.name} | {occurring} | {same:.6f} | {within:.6f} | {times} |", flush=True)
    return min(same, within) >= TARGET and ratio <= 1 and occurring == 8


def _case(cohort: Path, thick_axis: int | None) -> tuple[Volume, np.ndarray]:
    """The first case and its true labels; every fourth slice of it, four times as thick, where an axis is named."""
    image = sorted((cohort / "input").rglob("*_T2w.nii.gz"))[0]
    truth = sorted((cohort / "truth").rglob(image.name.replace(".nii.gz", "_dseg.nii.gz")))[0]
    volume = read_volume(image)
    labels = read_label_map(truth, volume.grid).array
    if thick_axis is None:
        return volume, labels
    every = tuple(slice(None, None, 4) if axis == thick_axis else slice(None) for axis in range(3))
    array = np.ascontiguousarray(volume.array[every])
    spacing = list(volume.grid.spacing)
    spacing[2 - thick_axis] *= 4
    size = (array.shape[2], array.shape[1], array.shape[0])
    grid = Grid(size, (spacing[0], spacing[1], spacing[2]), volume.grid.origin, volume.grid.direction)
    return Volume(array, grid), np.ascontiguousarray(labels[every])


def _theirs(folder: Path, volume: Volume, repeats: int) -> tuple[np.ndarray, float]:
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    with _quiet():
        predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
        predictor.initialize_from_trained_model_folder(str(folder), None)
    properties = {"spacing": list(volume.grid.spacing[::-1])}
    found, seconds = np.zeros(0), []
    for _ in range(repeats):
        with _quiet():
            began = time.process_time()
            found = predictor.predict_single_npy_array(volume.array[None].astype(np.float32), dict(properties))
            seconds.append(time.process_time() - began)
    return found, min(seconds)


def _ours(folder: Path, volume: Volume, repeats: int) -> tuple[np.ndarray, float]:
    from inference.networks.device import Compute
    from inference.nnunet.folder import find_results
    from inference.nnunet.predictor import NnunetPredictor

    results = find_results(folder)
    assert results is not None
    predictor = NnunetPredictor(results, Compute(torch.device("cpu"), torch.float32, "CPU"))
    found, seconds = np.zeros(0), []
    for _ in range(repeats):
        began = time.process_time()
        found = predictor.predict_native(volume).labels
        seconds.append(time.process_time() - began)
    return found, min(seconds)


def _quiet() -> AbstractContextManager[object]:
    """nnU-Net prints a lot."""
    return redirect_stdout(io.StringIO())


if __name__ == "__main__":
    sys.exit(main())

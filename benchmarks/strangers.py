"""What the submission says of volumes that are no fetal brain, or not all of one: the verdict on each, and why.

    python -m benchmarks.strangers HEAD_T2w.nii.gz HEAD_dseg.nii.gz [--weights DIR]

Made up: a bottle, noise, a body. Made of a head with its label map, simulated or of an atlas: its mask, its label map,
halves and slabs of it, slices left out, an adult's and a newborn's size, dark fluid, two brains in one, mirrored for
right and left (which nothing in an image can show). No age is given. Exit status 1 where one is accepted but the last.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from feta.volumes import Volume, read_label_map, read_volume, write_volume
from tests.support.strangers import STRANGERS
from training.assessment.resampling import Pair
from training.confidence import unseen_causes as causes

#: How much larger a newborn's brain is than that of 30 weeks, along one axis: 100 mm wide in place of 72.
NEWBORN = 1.4
#: Accepted whatever is done: an image mirrored for right and left is as sound as before.
UNSEEN = "mirrored"


def strangers(head: Pair) -> Iterator[tuple[str, Volume]]:
    """Each by its name, the made-up ones first."""
    for name, make in STRANGERS.items():
        yield name, make()
    image, labels = head
    inside = labels.array > 0
    yield "mask", Volume(inside.astype(np.float32), image.grid)
    yield "label map", Volume(labels.array.astype(np.float32), image.grid)
    for name in ("half", "base_cut", "every_other_slice", "thinned", "scaled", "inverted", "two_brains"):
        yield name, getattr(causes, name)(head, np.random.default_rng(0))[0]
    yield "newborn's size", causes.larger(image, NEWBORN)
    # Bone and fat where a head of an adult has them: a bright rim around a brain of an adult's size.
    yield "adult's head", causes.larger(Volume(np.where(inside, image.array, image.array.max()), image.grid), 1.9)
    yield UNSEEN, Volume(np.ascontiguousarray(image.array[..., ::-1]), image.grid)


def main() -> None:
    """Write all volumes into a folder, segment it as a user would, and print what was said."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("image", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    asked = parser.parse_args()
    head = read_volume(asked.image), read_label_map(asked.labels)
    with tempfile.TemporaryDirectory() as scratch:
        given, out = Path(scratch) / "in", Path(scratch) / "out"
        given.mkdir()
        names = {}
        for number, (name, volume) in enumerate(strangers(head)):
            names[f"sub-{number:02d}_T2w"] = name
            write_volume(given / f"sub-{number:02d}_T2w.nii.gz", volume)
        command = [sys.executable, "-m", "inference", str(given), str(out), "--weights", str(asked.weights), "--no-qc"]
        subprocess.run([*command, "--no-report"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cases = json.loads((out / "run.json").read_text())["cases"]
    print("| volume | verdict | why |\n|---|---|---|")
    accepted = 0
    for key, name in names.items():
        case = cases[key]
        why = "; ".join(reason["text"] for reason in case.get("verdict_reasons", [])[:2]).replace(f"{given}/", "")
        print(f"| {name.replace('_', ' ')} | {case['verdict']} | {why} |")
        accepted += case["verdict"] == "accept" and name != UNSEEN
    sys.exit(1 if accepted else 0)


if __name__ == "__main__":
    main()

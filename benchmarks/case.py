"""What one case of 256³ voxels at 0.5 mm costs a user, with everything, with test-time augmentation and ``--fast``.

    python -m benchmarks.case VOLUME [--weights weights] [--repeats 2]

The volume, of any grid, is put onto 256³ voxels of 0.5 mm. Each line is a fresh process from start to exit (the first
of all is not counted: kernels are compiled in it); the best of the repeats counts. `wall` means something on an idle
machine only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

SIDE, SPACING = 256, 0.5
#: What the command line is given besides.
WAYS = {"as it is": (), "--fast": ("--fast",)}


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock and of all processors, and the largest memory in MB, of one process."""

    wall: float
    cpu: float
    memory: float


def put_on_grid(source: Path, target: Path) -> None:
    """Resample a volume (linear) onto 256³ voxels of 0.5 mm about its middle."""
    image = sitk.ReadImage(str(source), sitk.sitkFloat32)
    middle = np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))
    grid = sitk.Image([SIDE] * 3, sitk.sitkFloat32)
    grid.SetSpacing([SPACING] * 3)
    grid.SetDirection(image.GetDirection())
    half = np.reshape(image.GetDirection(), (3, 3)) @ np.full(3, SPACING * (SIDE - 1) / 2)
    grid.SetOrigin((middle - half).tolist())
    sitk.WriteImage(sitk.Resample(image, grid), str(target))


def cost(command: list[str]) -> Cost:
    """Run a command to its end.

    Raises:
        SystemExit: it failed.
    """
    began = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert child.stderr is not None
    said = child.stderr.read().decode()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = status  # it is gone: nothing is left to wait for
    if status:
        raise SystemExit(f"{' '.join(command)}: failed\n{said}")
    return Cost(time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.case", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("volume", type=Path)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--repeats", type=int, default=2)
    asked = parser.parse_args()
    print(f"load of the machine when begun: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="feta-benchmark-") as scratch:
        volume = Path(scratch) / "sub-case_T2w.nii.gz"
        put_on_grid(asked.volume, volume)
        command = [sys.executable, "-m", "inference", str(volume), "--overwrite", "--weights", str(asked.weights)]
        command += ["--device", "cpu", "--ga", "28"]
        cost(command)
        print("| a 256³ case | wall s | CPU s | MB |\n|---|---|---|---|")
        for name, more in WAYS.items():
            runs = [cost([*command, *more]) for _ in range(asked.repeats)]
            best = min(runs, key=lambda run: run.wall)
            print(f"| {name} | {best.wall:.1f} | {best.cpu:.1f} | {max(run.memory for run in runs):.0f} |", flush=True)


if __name__ == "__main__":
    main()

"""What a start costs: from nothing to the first voxel and to the end of one small case, beside an earlier commit.

    python -m benchmarks.startup VOLUME [--base 09d8dfe] [--repeats 5] [--image IMAGE ...] [--engine docker]

The volume, of any grid, is put onto 64³ voxels of 2 mm. Each line is a fresh process; the first of each commit is not
counted, since kernels are compiled in it. Commits take turns, and medians are compared; beside other work CPU seconds
change less than those on the clock. Containers of the named images do the same case, from the engine's call to its end;
their CPU seconds are those of the engine's client alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.case import ROOT, Cost, clone, cost, processor, put_on_grid, start, times

SIDE, SPACING = 64, 2.0
#: Ends a run where it would read its first volume.
UNTIL_READ = """
import os, sys; sys.path.insert(0, '')
import feta.volumes
feta.volumes.read_volume = lambda *_, **__: os._exit(0)
import runpy; runpy.run_module('inference', run_name='__main__', alter_sys=True)
"""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("volume", type=Path)
    parser.add_argument("--base", default="09d8dfe", help="commit to compare with; '' for none")
    parser.add_argument("--repeats", type=times, default=5)
    parser.add_argument("--image", action="append", default=[], help="of the submission; may be given again")
    parser.add_argument("--engine", default="docker")
    asked = parser.parse_args()
    print(f"{processor()}; {os.cpu_count()} cores, load when begun {os.getloadavg()[0]:.1f}\n")
    with tempfile.TemporaryDirectory(prefix="feta-benchmark-") as scratch:
        folder = Path(scratch)
        (folder / "in").mkdir()
        volume = folder / "in" / "sub-case_T2w.nii.gz"
        put_on_grid(asked.volume, volume, SIDE, SPACING)
        trees = {"now": ROOT}
        if asked.base:
            trees = {asked.base: clone(asked.base, folder / "base"), **trees}
        print("| what | which | wall s, median (least–most) | CPU s |\n|---|---|---|---|")
        for name, command in _processes(volume, folder).items():
            runs = {tree: _in_tree(command(path), path, folder) for tree, path in trees.items()}
            _compare(name, runs, asked.repeats)
        if asked.image:
            runs = {image: _in_container(asked.engine, image, folder) for image in asked.image}
            _compare("a container, one small case", runs, asked.repeats)


def _processes(volume: Path, folder: Path) -> dict[str, Callable[[Path], list[str]]]:
    """What is measured, and its command in a tree."""

    def arguments(tree: Path) -> list[str]:
        given = [str(volume), str(folder / "out"), "--weights", str(tree / "weights"), "--device", "cpu"]
        return [*given, "--ga", "28", "--fast"]

    return {
        "Python alone": lambda _: [sys.executable, "-c", "pass"],
        "--help": lambda _: start(["--help"]),
        "until the first voxel is read": lambda tree: [sys.executable, "-c", UNTIL_READ, *arguments(tree)],
        "one small case, --fast": lambda tree: start(arguments(tree)),
    }


def _in_tree(command: list[str], tree: Path, folder: Path) -> Callable[[], Cost]:
    def run() -> Cost:
        shutil.rmtree(folder / "out", ignore_errors=True)
        return cost(command, tree, {})

    return run


def _in_container(engine: str, image: str, folder: Path) -> Callable[[], Cost]:
    def run() -> Cost:
        out = folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        mounts = ["-v", f"{folder / 'in'}:/input:ro", "-v", f"{out}:/output"]
        return cost([engine, "run", "--rm", "--network", "none", *mounts, image], folder, {})

    return run


def _compare(name: str, runs: Mapping[str, Callable[[], Cost]], repeats: int) -> None:
    """Run all in turns, the first round for nothing, and print a line of each."""
    found: dict[str, list[Cost]] = {which: [] for which in runs}
    for counts in range(repeats + 1):
        for which, run in runs.items():
            spent = run()
            if counts:
                found[which].append(spent)
    for which, costs in found.items():
        walls = sorted(each.wall for each in costs)
        spread = f"{statistics.median(walls):.2f} ({walls[0]:.2f}–{walls[-1]:.2f})"
        print(f"| {name} | {which} | {spread} | {statistics.median(c.cpu for c in costs):.2f} |", flush=True)


if __name__ == "__main__":
    main()

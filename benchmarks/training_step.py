"""What a training step of the segmentation network costs, beside an earlier commit on the same machine.

    python -m benchmarks.training_step ATLASES [--base 09d8dfe] [--repeats 3] [--steps 2] [--size 128] [--avx2]

Each commit's own command (`feta-train fit segmentation ATLASES RUN --threads N --device cpu`) trains anew by its own
segmentation.yaml on samples of 128³ voxels, held to one core and to two. In that process the loop's function for a step
is timed, and within it the one that makes the sample. Told are the step without its sample (forward, loss, backward,
clipping, optimiser) and the sample by itself. The average of the weights, checkpoints and the reading of the atlases
don't count; nothing is validated. Each run is a fresh process, in which the first step is not counted; commits take
turns, and medians of all steps counted are compared. Commits draw other brains from a seed, so that samples differ.
`--avx2` keeps this machine's torch from wider instructions and from bfloat16, as on most computers.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.case import ORDINARY, ROOT, clone, processor, times

CORES = (1, 2)
#: Runs `feta-train` of whatever tree it is started in, on so many cores, and writes down the seconds of every step and
#: of its sample. Nothing that imports torch may come before the command has prepared the process.
TIMED = """
import importlib, json, os, sys, time
cores, ordinary, out = int(sys.argv[1]), sys.argv[2] == "1", sys.argv[3]
del sys.argv[1:4]
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
sys.path.insert(0, "")
from training import cli
steps, samples = [], []

def timed(owner, name, seconds):
    function = getattr(owner, name)
    def run(*given):
        began = time.monotonic()
        try:
            return function(*given)
        finally:
            seconds.append(time.monotonic() - began)
    setattr(owner, name, run)

def train(app=cli.app):
    import torch
    if ordinary:
        torch.cpu.get_capabilities = dict
    now = os.path.isdir("training/engine")
    loop = importlib.import_module("training.engine.loop" if now else "training.loop")
    task = importlib.import_module("training.tasks.segmentation" if now else "training.segmentation").SegmentationTask
    timed(loop, "_step", steps)
    timed(task, "_batch", samples)
    task.validate = lambda *_: {}
    try:
        app()
    finally:
        with open(out, "w") as file:
            json.dump({"steps": steps, "samples": samples}, file)

cli.app = train
cli.main()
"""

#: Seconds of a step without its sample, and of the sample.
Step = tuple[float, float]


def measure(tree: Path, atlases: Path, scratch: Path, cores: int, steps: int, size: int, ordinary: bool) -> list[Step]:
    """Train in a fresh process, in a run folder of its own.

    Args:
        tree: of the commit.
        atlases: labelled folder.
        scratch: folder to write into.
        cores: that the process may use.
        steps: that are counted; one more comes before.
        size: voxels along each axis of a sample.
        ordinary: without wider instructions than AVX2, and without bfloat16.

    Raises:
        SystemExit: the training failed.
    """
    run, over, out = scratch / "run", scratch / "over.yaml", scratch / "seconds.json"
    shutil.rmtree(run, ignore_errors=True)
    over.write_text(f"synthesis:\n  size: {size}\n")
    fit = ["fit", "segmentation"] if (tree / "training" / "engine").is_dir() else ["segmentation"]
    options = ["--steps", str(steps + 1), "--threads", str(cores), "--over", str(over), "--device", "cpu"]
    command = [sys.executable, "-c", TIMED, str(cores), str(int(ordinary)), str(out)]
    done = subprocess.run(
        [*command, *fit, str(atlases), str(run), *options],
        cwd=tree,
        env=os.environ | (ORDINARY if ordinary else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"training in {tree} failed: {(done.stderr.splitlines() or ['without a word'])[-1]}")
    found = json.loads(out.read_text())
    # A sample belongs to each step: none is asked for twice by AdamW, which the settings name.
    pairs = list(zip(found["steps"], found["samples"], strict=True))[1:]
    return [(step - sample, sample) for step, sample in pairs]


def main() -> None:
    """Print the table."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_step", description=about)
    parser.add_argument("atlases", type=Path)
    parser.add_argument("--base", default="09d8dfe", help="commit to compare with; '' for none")
    parser.add_argument("--repeats", type=times, default=3, help="processes of each commit and number of cores")
    parser.add_argument("--steps", type=times, default=2, help="that are counted in each process")
    parser.add_argument("--size", type=times, default=128, help="voxels along each axis")
    parser.add_argument("--avx2", action="store_true")
    asked = parser.parse_args()
    if not asked.atlases.is_dir():
        raise SystemExit(f"{asked.atlases}: is not a folder of atlases")
    atlases = asked.atlases.resolve()
    print(f"{processor()}; {os.cpu_count()} cores, load when begun {os.getloadavg()[0]:.1f}", end="")
    print(", held to AVX2 and float32\n" if asked.avx2 else "\n")
    with tempfile.TemporaryDirectory(prefix="feta-benchmark-") as scratch:
        trees = {"now": ROOT}
        if asked.base:
            trees = {asked.base: clone(asked.base, Path(scratch) / "base"), **trees}
        print(f"| a step of {asked.size}³ | commit | step s, median (least–most) | its sample, s | both, s | ratio |")
        print("|---|---|---|---|---|---|")
        for cores in [count for count in CORES if count <= len(os.sched_getaffinity(0))]:
            found: dict[str, list[Step]] = {tree: [] for tree in trees}
            for _ in range(asked.repeats):
                for tree, path in trees.items():
                    found[tree] += measure(path, atlases, Path(scratch), cores, asked.steps, asked.size, asked.avx2)
            named = f"{cores} core" + "s" * (cores > 1)
            first = statistics.median(step for step, _ in next(iter(found.values())))
            for tree, seconds in found.items():
                steps, samples = zip(*seconds, strict=True)
                step, sample = statistics.median(steps), statistics.median(samples)
                spread = f"{step:.2f} ({min(steps):.2f}–{max(steps):.2f})"
                both, ratio = statistics.median(map(sum, seconds)), first / step
                print(f"| {named} | {tree} | {spread} | {sample:.2f} | {both:.2f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()

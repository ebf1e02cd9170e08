"""What one case of 256³ voxels at 0.5 mm costs a user, with everything, beside an earlier commit on the same machine.

    python -m benchmarks.case VOLUME [--base 09d8dfe] [--repeats 5] [--avx2] [--busy N]

The volume, of any grid, is put onto 256³ voxels of 0.5 mm. Each line is a fresh process from start to exit; the first
of each commit is not counted, since kernels are compiled in it. Commits take turns, and medians are compared. `--avx2`
keeps this machine's torch from wider instructions and from bfloat16, as on most computers. `--busy` runs so many
processes beside, which count. The parts are those of one run more each, under Python's profiler, which itself takes
some of the time; some are done at the same time, by several threads.
"""

from __future__ import annotations

import argparse
import os
import pstats
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[1]
SIDE, SPACING = 256, 0.5
#: What the command line is given besides.
WAYS = {"as it is": (), "--fast": ("--fast",)}
#: Parts of a case, and the functions (end of the file's path, name) of which each is the whole, of now and of 09d8dfe.
PARTS: dict[str, tuple[tuple[str, str], ...]] = {
    "torch, imported": (("torch/__init__.py", "<module>"),),
    "picture, imported": (("report/picture.py", "<module>"), ("inference/qc.py", "<module>")),
    "numba, imported": (("feta/compiled.py", "<module>"), ("inference/compiled.py", "<module>")),
    "reading": (("feta/volumes.py", "read_volume"), ("feta/volumes.py", "fingerprint")),
    "weights, loaded": (("weights.py", "load_network"),),
    "brain extraction": (("brain_extraction.py", "_mask"), ("inference/extraction.py", "_mask")),
    "locator": (("inference/segmentation/locator.py", "__call__"), ("inference/locator.py", "__call__")),
    "segmentation network": (("predictor.py", "_probabilities"), ("inference/segmenter.py", "_probabilities")),
    "resampling to native space": (("native_grid.py", "resample_to_native"), ("ongrid.py", "back_to_grid")),
    "topology": (("correction.py", "construct"), ("inference/topology.py", "construct")),
    "alignment to the midline": (("midline_alignment.py", "align_to_midline"), ("upright.py", "turn_upright")),
    "landmark network": (("landmark_network.py", "__call__"), ("heatmaps.py", "__call__")),
    "geometry of lengths": (("biometry/measure.py", "measure_upright"), ("inference/biometry.py", "measure_upright")),
    "further sizes": (("morphometry/sizes.py", "measure_sizes"), ("derivatives/size_table.py", "write_sizes")),
    "picture": (("report/picture.py", "draw_picture"), ("inference/qc.py", "write_picture")),
    "verdict": (("confidence/image_signals.py", "image_signals"), ("confidence/confidence.py", "assess")),
    "page": (("report/case_page.py", "write_case_page"), ("report/cohort_page.py", "write_cohort_page")),
    "label map, written": (("feta/volumes.py", "write_label_map"),),
}
#: An ordinary computer's torch: vectors of 256 bits, no bfloat16.
ORDINARY = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
#: What commits need besides that computed in bfloat16 whatever the first of these says. It imports torch before the run
#: could prepare for it, so that today's commit is spared it.
ORDINARY_START = "import torch; torch.cpu.get_capabilities = dict; "
#: Profiles a command in all of its threads. It ends by SystemExit.
PROFILED = """
import cProfile, pstats, threading
ended = []
def profiled(thread, run=threading.Thread.run):
    own = cProfile.Profile()
    own.runcall(run, thread)
    ended.append(own)
threading.Thread.run = profiled
main = cProfile.Profile()
try:
    main.runctx({run!r}, globals(), {{}})
finally:
    pstats.Stats(main, *ended).dump_stats({file!r})
"""
BUSY = "while True: sum(range(10**6))"


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock and of all processors, and the largest memory in MB, of one process."""

    wall: float
    cpu: float
    memory: float


def put_on_grid(source: Path, target: Path, side: int = SIDE, spacing: float = SPACING) -> None:
    """Resample a volume (linear) onto side³ voxels of so many mm about its middle.

    Raises:
        SystemExit: it can't be read.
    """
    try:
        image = sitk.ReadImage(str(source), sitk.sitkFloat32)
    except RuntimeError as error:
        raise SystemExit(f"{source}: cannot be read as a volume") from error
    middle = np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))
    grid = sitk.Image([side] * 3, sitk.sitkFloat32)
    grid.SetSpacing([spacing] * 3)
    grid.SetDirection(image.GetDirection())
    half = np.reshape(image.GetDirection(), (3, 3)) @ np.full(3, spacing * (side - 1) / 2)
    grid.SetOrigin((middle - half).tolist())
    sitk.WriteImage(sitk.Resample(image, grid), str(target))


def cost(command: Sequence[str], folder: Path, environment: dict[str, str]) -> Cost:
    """Run a command to its end.

    Raises:
        SystemExit: it failed.
    """
    began = time.monotonic()
    child = subprocess.Popen(
        command, cwd=folder, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert child.stderr is not None
    said = child.stderr.read().decode()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = status  # it is gone: nothing is left to wait for
    if status:
        raise SystemExit(f"{' '.join(command)}: failed\n{said}")
    return Cost(time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def clone(commit: str, folder: Path) -> Path:
    """This repository's tree at a commit, in a folder that is not there yet.

    Raises:
        SystemExit: there is no such commit.
    """
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    if subprocess.run(["git", "checkout", "--quiet", commit], cwd=folder, check=False).returncode:
        raise SystemExit(f"--base: {commit} is no commit of this repository")
    return folder


def times(text: str) -> int:
    """How often something is measured, of the command line: 1 or more."""
    if (count := int(text)) < 1:
        raise ValueError(text)
    return count


def start(arguments: Sequence[str], *, ordinary: bool = False, profile: Path | None = None) -> list[str]:
    """The command that runs `feta-infer` of whatever tree it is started in."""
    run = "runpy.run_module('inference', run_name='__main__', alter_sys=True)"
    before = (ORDINARY_START if ordinary else "") + "import runpy, sys; sys.path.insert(0, ''); "
    if profile is not None:
        run = PROFILED.format(run=run, file=str(profile))
    return [sys.executable, "-c", before + run, *arguments]


def parts(profile: Path) -> dict[str, float]:
    """Seconds of each part of a profiled run."""
    stats = pstats.Stats(str(profile)).stats  # type: ignore[attr-defined]
    found = {}
    for part, functions in PARTS.items():
        fits = [
            timing[3]
            for (file, _, name), timing in stats.items()
            if any(file.endswith(end) and name == function for end, function in functions)
        ]
        found[part] = sum(fits)
    return found


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that count, meanwhile."""
    children = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


def processor() -> str:
    """The CPU's name, and which of the instructions that matter it has."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields = {key.strip(): value for key, _, value in (line.partition(": ") for line in lines)}
    flags = set(fields.get("flags", "").split())
    has = [name for name in ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16") if name in flags]
    return f"{fields.get('model name', 'unknown')} (model {fields.get('model', '?')}), {', '.join(has)}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.case", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("volume", type=Path)
    parser.add_argument("--base", default="09d8dfe", help="commit to compare with; '' for none")
    parser.add_argument("--repeats", type=times, default=5)
    parser.add_argument("--avx2", action="store_true")
    parser.add_argument("--busy", type=int, default=0)
    asked = parser.parse_args()
    print(f"{processor()}; {os.cpu_count()} cores, load when begun {os.getloadavg()[0]:.1f}", end="")
    print(f"{', held to AVX2 and float32' if asked.avx2 else ''}, {asked.busy} busy processes beside\n")
    with tempfile.TemporaryDirectory(prefix="feta-benchmark-") as scratch, ExitStack() as held:
        volume = Path(scratch) / "sub-case_T2w.nii.gz"
        put_on_grid(asked.volume, volume)
        trees = {"now": ROOT}
        if asked.base:
            trees = {asked.base: clone(asked.base, Path(scratch) / "base"), **trees}
        environment = ORDINARY if asked.avx2 else {}

        def run(tree: str, more: Sequence[str], profile: Path | None = None) -> Cost:
            out = Path(scratch) / f"out-{tree}"
            shutil.rmtree(out, ignore_errors=True)
            given = [str(volume), str(out), "--weights", str(trees[tree] / "weights"), "--device", "cpu", "--ga", "28"]
            command = start([*given, *more], ordinary=asked.avx2 and tree != "now", profile=profile)
            return cost(command, trees[tree], environment)

        for tree in trees:
            run(tree, ())
        held.enter_context(busy(asked.busy))
        print("| a 256³ case | commit | wall s, median (least–most) | CPU s | MB | ratio |\n|---|---|---|---|---|---|")
        for way, more in WAYS.items():
            runs: dict[str, list[Cost]] = {tree: [] for tree in trees}
            for _ in range(asked.repeats):
                for tree in trees:
                    runs[tree].append(run(tree, more))
            first = statistics.median(each.wall for each in next(iter(runs.values())))
            for tree, costs in runs.items():
                walls = sorted(each.wall for each in costs)
                middle = statistics.median(walls)
                cpu, memory = statistics.median(c.cpu for c in costs), max(c.memory for c in costs)
                spread = f"{middle:.1f} ({walls[0]:.1f}–{walls[-1]:.1f})"
                print(f"| {way} | {tree} | {spread} | {cpu:.1f} | {memory:.0f} | {first / middle:.2f} |", flush=True)
        profiles = {}
        for tree in trees:
            profile = Path(scratch) / f"{tree}.profile"
            whole = run(tree, (), profile).wall
            profiles[tree] = {"all of it": whole, **parts(profile)}
        print("\n| part, s, under the profiler | " + " | ".join(trees) + " |\n|---|" + "---|" * len(trees))
        for part in ("all of it", *PARTS):
            print(f"| {part} | " + " | ".join(f"{profiles[tree][part]:.2f}" for tree in trees) + " |")


if __name__ == "__main__":
    main()

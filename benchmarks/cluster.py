"""What handing out jobs costs: containers that only sleep and write, on 1, 2 and 4 workers of this machine.

    python -m benchmarks.cluster [--teams 16] [--cases 180] [--workers 1 2 4] [--places 8] [--seconds 1]

Everything is as in a run but the engine (``tests/support/made_up_engine.py``): encrypted scheduler and workers in
processes of their own, each with some containers at a time, input by a shared folder, results and state written. It
prints jobs a second, the wall clock of a job beyond its sleep, CPU seconds of the client for a job, and the memory of
the client after a tenth of the jobs and at the end. Needs a checkout.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import yaml

from evaluation.harness.roster import ResourceLimits
from feta.cases import find_cases
from tests.support import images, rivals
from tests.support.cluster import ClusterHere, children
from tests.support.small_brains import write_truth

#: What a job may cost beyond its container, seconds.
TARGET_SECONDS = 1.0


def main() -> None:
    """Measure and print; exit status 1 where a job costs more than it may."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teams", type=int, default=16)
    parser.add_argument("--cases", type=int, default=180)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--places", type=int, default=8, help="containers at a time on each worker")
    parser.add_argument("--seconds", type=float, default=1.0, help="that each sleeps")
    options = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        write_cohort(root / "input", options.cases)
        write_roster(root / "roster.yaml", options.teams)
        print(f"{options.teams} teams x {options.cases} cases, containers of {options.seconds:g} s")
        for workers in options.workers:
            good &= measure(root, workers, options.places, options.seconds, options.teams * options.cases)
    sys.exit(0 if good else 1)


def write_cohort(folder: Path, cases: int) -> None:
    """One small volume under many names, by links, so that a thousand take no room."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        (only,) = find_cases(write_truth(Path(temporary) / "one", 1)).cases
        rows = ["participant_id\tPathology\tGestational age"]
        for number in range(cases):
            name = f"sub-{number:04d}"
            (folder / name / "anat").mkdir(parents=True)
            (folder / name / "anat" / f"{name}_T2w.nii.gz").hardlink_to(only.image)
            rows.append(f"{name}\tNeurotypical\t28")
        (folder / "participants.tsv").write_text("\n".join(rows) + "\n")


def write_roster(path: Path, teams: int) -> None:
    """Teams whose containers do what they should."""
    made = [{"name": f"team {number:02d}", "image": f"good:{number}"} for number in range(teams)]
    path.write_text(yaml.safe_dump({"teams": made, "limits": {"memory_mb": 64, "cpus": 1}}))
    assert ResourceLimits().team_seconds == float("inf")


def measure(root: Path, workers: int, places: int, seconds: float, jobs: int) -> bool:
    """One run on so many workers."""
    environment = {"MADE_UP_SECONDS": f"{seconds}"}
    preload = ("--preload", "tests.support.made_up_engine", "--nthreads", f"{places}")
    with ClusterHere(root / f"cluster-{workers}", [environment] * workers, preload) as cluster:
        call = rivals.command("run", root / "roster.yaml", root / "input", root / f"{workers}", *cluster.options())
        while not all("Registered" in cluster.log(f"worker-{number}") for number in range(workers)):
            time.sleep(0.2)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        client = subprocess.Popen(
            call, cwd=images.ROOT, env=rivals.quiet(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        times, memory = follow(client, jobs)
        assert client.wait() == 0
        for name in cluster.parts:
            print(f"    {name}: {1000 * cpu_seconds(cluster.parts[name].pid) / jobs:.0f} ms CPU a job")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # From the first job that ended to the last: without the start of the client.
    wall = times[-1] - times[0]
    slots, done = workers * places, len(times) - 1
    beyond = max(0.0, wall * slots / done - seconds)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"  {workers} workers x {places}: {done / wall:6.1f} jobs/s, {beyond:5.2f} s a job beyond its sleep, "
        f"client {1000 * spent / jobs:4.0f} ms CPU a job, {memory[0]} MB after a tenth, {memory[1]} MB at the end",
        flush=True,
    )
    return beyond <= TARGET_SECONDS


def follow(client: subprocess.Popen[str], jobs: int) -> tuple[Sequence[float], tuple[int, int]]:
    """When each job ended, and the client's memory in MB after a tenth of them and at the end."""
    assert client.stderr is not None
    times: list[float] = []
    first = last = 0
    with closing(client.stderr) as lines:
        for line in lines:
            if ": done" not in line:
                continue
            times.append(time.monotonic())
            if len(times) == max(1, jobs // 10):
                first = resident(client.pid)
            if len(times) == jobs:
                last = resident(client.pid)
    assert len(times) == jobs
    return times, (first, last)


def cpu_seconds(pid: int) -> float:
    """Of a process and those that it started, since their start."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
    return own + sum(map(cpu_seconds, children(pid)))


def resident(pid: int) -> int:
    """Memory of a process, MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


if __name__ == "__main__":
    main()

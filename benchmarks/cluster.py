"""What handing out jobs costs: containers that only sleep and write, on 1, 2 and 4 workers of this machine.

    python -m benchmarks.cluster [--teams 16] [--cases 180] [--workers 1 2 4] [--places 8] [--seconds 0]
                                 [--most 500] [--then-from 60000] [--containers]

Encrypted scheduler and workers are processes of their own, each worker with some containers at a time, input by a
shared folder, results and state written. By default everything is as in a run but the engine
(``tests/support/made_up_engine.py``); ``--containers`` takes the real one, with submissions that sleep and write.

A large challenge in pieces: ``--most`` ends the call after so many jobs, as Ctrl-C does; ``--then-from`` notes all jobs
before this one as done, without their files, and calls again, so that the last of 64,000 jobs can be looked at.

It prints after every tenth of the jobs how far it is, and the client's memory then; at the end the wall clock, jobs a
second, the wall clock of a job beyond its sleep, and the processor's milliseconds a job of each part (the figure that
other work on the machine changes least). Needs a checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from feta.cases import find_cases
from tests.support import images, rivals
from tests.support.cluster import ClusterHere, children
from tests.support.small_brains import write_truth

#: What a job may cost beyond its container, seconds.
TARGET_SECONDS = 1.0


@dataclass(frozen=True)
class Piece:
    """What is measured of a challenge: so many jobs of it, on workers with so many places each."""

    jobs: int
    all_jobs: int
    places: int
    seconds: float
    containers: bool


def main() -> None:
    """Measure and print; exit status 1 where a job costs more than it may."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teams", type=int, default=16)
    parser.add_argument("--cases", type=int, default=180)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--places", type=int, default=8, help="containers at a time on each worker")
    parser.add_argument("--seconds", type=float, default=0.0, help="that each sleeps")
    parser.add_argument("--most", type=int, help="end each run after so many jobs")
    parser.add_argument("--then-from", type=int, help="note jobs as done up to here, and run so many again")
    parser.add_argument("--containers", action="store_true", help="real ones; needs an engine and the base image")
    options = parser.parse_args()
    jobs, good = options.teams * options.cases, True
    if min(jobs, options.most or jobs) <= options.places * max(options.workers):
        parser.error("more jobs than places are needed")
    piece = Piece(min(jobs, options.most or jobs), jobs, options.places, options.seconds, options.containers)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        write_cohort(root / "input", options.cases)
        write_roster(root / "roster.yaml", options.teams, options.seconds if options.containers else None)
        print(f"{options.teams} teams x {options.cases} cases, containers of {options.seconds:g} s", flush=True)
        for workers in options.workers:
            good &= measure(root, workers, piece)
            if options.then_from:
                note_as_done(root / f"{workers}", options.then_from)
                good &= measure(root, workers, replace(piece, jobs=min(piece.jobs, jobs - options.then_from)))
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


def write_roster(path: Path, teams: int, sleep: float | None) -> None:
    """Teams whose containers do what they should.

    Args:
        sleep: of real containers; None for made-up ones.
    """
    names = [f"good:{n}" if sleep is None else sleeper(sleep) for n in range(teams)]
    made = [{"name": f"team {number:02d}", "image": image} for number, image in enumerate(names)]
    limits = {"memory_mb": 64, "cpus": 1, "output_mb": 8, "tmp_mb": 8}
    path.write_text(yaml.safe_dump({"teams": made, "limits": limits}))


def sleeper(seconds: float) -> str:
    """An image that sleeps and writes a file of the right name for each case; its tag."""
    tag = f"feta-sleeper:{seconds:g}"
    program = (
        f"sleep {seconds:g}; for i in /input/sub-*/anat/*_T2w.nii.gz; do n=$(basename $i .nii.gz); "
        "d=/output/${n%%_*}/anat; mkdir -p $d; cp $i $d/${n}_dseg.nii.gz; done"
    )
    recipe = f"FROM debian:bookworm-slim\nCMD {json.dumps(['sh', '-c', program])}\n"
    call = ["docker", "build", "--quiet", "--network", "none", "--tag", tag, "-"]
    subprocess.run(call, input=recipe, text=True, check=True, capture_output=True)
    return tag


def note_as_done(output: Path, jobs: int) -> None:
    """As if all jobs before this one had ended, without their files."""
    with closing(sqlite3.connect(output / "state.sqlite")) as database, database:
        order = "SELECT c.rowid FROM cases c JOIN teams t USING (team) ORDER BY t.place, c.place LIMIT ?"
        database.execute(f"UPDATE cases SET state = 'done', seconds = 1 WHERE rowid IN ({order})", (jobs,))
        database.execute("UPDATE cases SET state = 'pending' WHERE state = 'running'")


def measure(root: Path, workers: int, piece: Piece) -> bool:
    """One call on so many workers."""
    made_up = [] if piece.containers else ["--preload", "tests.support.made_up_engine"]
    environments, options = (
        [{"MADE_UP_SECONDS": f"{piece.seconds}"}] * workers,
        [*made_up, "--nthreads", f"{piece.places}"],
    )
    with ClusterHere(root / f"cluster-{workers}-{time.monotonic_ns()}", environments, options) as cluster:
        call = rivals.command("run", root / "roster.yaml", root / "input", root / f"{workers}", *cluster.options())
        while not all("Registered" in cluster.log(f"worker-{number}") for number in range(workers)):
            time.sleep(0.2)
        before, own = resource.getrusage(resource.RUSAGE_CHILDREN), parts_seconds(cluster)
        client = subprocess.Popen(
            call, cwd=images.ROOT, env=rivals.quiet(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        times, memory, printed = follow(client, piece, f"{workers} workers x {piece.places}")
        assert client.wait() in (0, 130), printed
        after, then = resource.getrusage(resource.RUSAGE_CHILDREN), parts_seconds(cluster)
    # From the first job that ended to the last: without the start of the client, and without the first round.
    slots = workers * piece.places
    wall, done = times[-1] - times[0], len(times) - slots
    beyond = wall * slots / done - piece.seconds
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    parts = {"client": spent, **{name: then[name] - own[name] for name in own}}
    print(
        f"  {workers} workers x {piece.places}: {len(times)} jobs in {wall:.0f} s, {done / wall:6.1f} jobs/s, "
        f"{beyond:5.2f} s a job beyond its sleep; client after each tenth {' '.join(map(str, memory))} MB; "
        "ms of CPU a job: "
        + ", ".join(f"{name} {1000 * seconds / len(times):.0f}" for name, seconds in parts.items())
        + f"; load {os.getloadavg()[0]:.0f}",
        flush=True,
    )
    return beyond <= TARGET_SECONDS


def follow(client: subprocess.Popen[str], piece: Piece, what: str) -> tuple[Sequence[float], Sequence[int], str]:
    """When each job ended, the client's memory in MB after each tenth of them, and what it printed else.

    Args:
        what: is followed, for a line after each tenth.
    """
    assert client.stderr is not None
    times: list[float] = []
    memory: list[int] = []
    printed = ""
    with closing(client.stderr) as lines:
        for line in lines:
            if ": done" not in line:
                printed += line
                continue
            if len(times) == piece.jobs:
                continue
            times.append(time.monotonic())
            if 10 * len(times) >= piece.jobs * (len(memory) + 1):
                memory.append(resident(client.pid))
                said = f"    {what}: {len(times)} of {piece.jobs} jobs after {times[-1] - times[0]:.0f} s, client"
                print(f"{said} {memory[-1]} MB", flush=True)
            if len(times) == piece.jobs < piece.all_jobs:
                client.send_signal(signal.SIGINT)
    assert len(times) == piece.jobs, printed
    return times, memory, printed


def parts_seconds(cluster: ClusterHere) -> dict[str, float]:
    """The processor's seconds of the scheduler and of all workers together."""
    spent = {"scheduler": 0.0, "workers": 0.0}
    for name, part in cluster.parts.items():
        spent["scheduler" if name == "scheduler" else "workers"] += cpu_seconds(part.pid)
    return spent


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

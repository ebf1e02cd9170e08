"""How the scoring of many cases grows with processes, and that its memory does not grow with cases.

    python -m benchmarks.cohort [--cases 8] [--jobs 1 2] [--size 256]

Each line is a fresh process that scores a cohort of made-up 256³ pairs, nothing kept from one to the next.
`wall` means something on an idle machine only; `cpu` (of all processes) should stay the same with more of them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ONE_CORE_EACH = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cases", type=int, default=8)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--only", nargs=2, metavar=("FOLDER", "JOBS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(_score(Path(arguments.only[0]), int(arguments.only[1]))))
        return
    with tempfile.TemporaryDirectory(prefix="feta-benchmark-") as scratch:
        _table(Path(scratch), arguments)


def _table(scratch: Path, arguments: argparse.Namespace) -> None:
    few, many = scratch / "few", scratch / "many"
    for folder, cases in ((few, max(2, arguments.cases // 4)), (many, arguments.cases)):
        # In a process of its own: the peak memory of those that score would else begin with this one's.
        writer = multiprocessing.get_context("spawn").Process(target=_write, args=(folder, cases, arguments.size))
        writer.start()
        writer.join()
    print(f"load of the machine when begun: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'cases':>6}{'jobs':>6}{'wall s':>9}{'cpu s':>9}{'s a case':>10}{'MB, largest process':>21}{'speed':>8}")
    alone, compared = 0.0, False
    for folder, jobs in [(few, arguments.jobs[0]), *((many, jobs) for jobs in arguments.jobs)]:
        found = _run(folder, jobs)
        each = found["wall"] / found["cases"]
        alone = each if folder is few or not compared else alone
        compared = folder is many
        print(
            f"{found['cases']:>6.0f}{jobs:>6}{found['wall']:>9.1f}{found['cpu']:>9.1f}{each:>10.2f}{found['mb']:>21.0f}"
            f"{alone / each:>8.2f}",
            flush=True,
        )


def _write(folder: Path, cases: int, size: int) -> None:
    """A cohort of one team; all cases are the same pair, under names of their own."""
    from benchmarks.folded_brain import write_pair

    folder.mkdir(parents=True)
    truth, prediction = write_pair(folder, size=size)
    people = ["participant_id\tSite"]
    for i in range(cases):
        name = f"sub-{i:03d}"
        for source, root in ((truth, folder / "truth"), (prediction, folder / "teams/team")):
            (root / name / "anat").mkdir(parents=True)
            shutil.copy(source, root / name / "anat" / f"{name}_dseg.nii.gz")
        people.append(f"{name}\tA")
    (folder / "truth/participants.tsv").write_text("\n".join(people) + "\n", encoding="utf-8")


def _run(folder: Path, jobs: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.cohort", "--only", str(folder), str(jobs)]
    done = subprocess.run(command, env=os.environ | ONE_CORE_EACH, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _score(folder: Path, jobs: int) -> dict[str, float]:
    from evaluation.scoring.score import score

    begun = time.perf_counter()
    table, _ = score(folder / "truth", folder / "teams", jobs=jobs)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "cases": len(table.cases),
        "wall": time.perf_counter() - begun,
        "cpu": sum(u.ru_utime + u.ru_stime for u in used),
        "mb": max(u.ru_maxrss for u in used) / 1024,
    }


if __name__ == "__main__":
    main()

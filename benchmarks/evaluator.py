"""Seconds and memory of the evaluator on one 256³ pair, side by side with its peers, in one run.

    python -m benchmarks.evaluator [--slow] [--size 256]

Everything is on one core; seconds are of CPU, so that a busy machine changes
little. Each line is a process of its own: `first` is its first call (for the
evaluator with all imports, and with nothing compiled yet; in the line below it
with the loops that an installation compiles), `warm` the next one, MB the most
memory that it ever held. ``--slow`` includes gudhi as the
organizers call it (minutes, and gigabytes of memory). MONAI and scikit-image
come with the extra `benchmark`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

#: What the evaluator has to keep to on one core, in seconds and MB.
TARGETS = {
    "one pair, warm": 1.5,
    "one pair, memory": 600,
    "with stray specks, warm": 3,
    "with stray specks, memory": 600,
    "first call of a fresh process": 4,
}
#: Named by the organizers, and no part of "the best of the others".
ORGANIZERS_ALONE = ("surface-distance", "gudhi")
ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--slow", action="store_true", help="include gudhi")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--pair", nargs=2, type=Path, metavar=("TRUTH", "PREDICTION"), help="instead of a made-up pair")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(_time_one(arguments.only, *arguments.pair)))
        return
    with tempfile.TemporaryDirectory(prefix="feta-benchmark-") as folder:
        _table(Path(folder), arguments)


def _table(folder: Path, arguments: argparse.Namespace) -> None:
    from benchmarks.contenders import PEERS
    from benchmarks.folded_brain import write_pair, write_specked

    pair = arguments.pair or write_pair(folder, size=arguments.size)
    specks = write_specked(folder, pair[0])
    print(f"load of the machine when begun: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'':<22}{'what':<12}{'first s':>9}{'warm s':>9}{'MB':>7}{'ratio':>8}", flush=True)
    ours = _run("ours", pair, compiled=folder / "cold")
    _line("evaluator", "everything", ours, ours)
    # Its loops were compiled by the line before.
    installed = _run("ours", pair, compiled=folder / "cold")
    _line("  loops compiled", "everything", installed, ours)
    stray = _run("ours", specks)
    _line("  with stray specks", "everything", stray, ours)
    _line("  without numba", "everything", _run("numpy", pair), ours)
    times: dict[str, float] = {}
    for name, (what, _, module) in PEERS.items():
        if (name == "gudhi" and not arguments.slow) or importlib.util.find_spec(module) is None:
            print(f"{name:<22}{what:<12}{'left out' if name == 'gudhi' else 'not installed':>25}", flush=True)
            continue
        result = _run(name, pair)
        times[name] = result["warm"]
        _line(name, what, result, ours)
    _summary(times, ours, stray)


def _summary(times: dict[str, float], ours: dict[str, float], stray: dict[str, float]) -> None:
    """Our figures beside what was promised, then the peers' sums in units of our time."""
    from benchmarks.contenders import ORGANIZERS, PEERS

    print()
    for what, result, key, unit in (
        ("one pair, warm", ours, "warm", "s"),
        ("one pair, memory", ours, "mb", "MB"),
        ("with stray specks, warm", stray, "warm", "s"),
        ("with stray specks, memory", stray, "mb", "MB"),
        ("first call of a fresh process", ours, "first", "s"),
    ):
        limit = TARGETS[what]
        print(f"{what:<30}{result[key]:>7.2f} {unit:<2}  at most {limit:g}: {'yes' if result[key] <= limit else 'NO'}")
    named = {name: times[name] for name in ORGANIZERS if name in times}
    absent = [name for name in ORGANIZERS if name not in named]
    print(f"\nwhat the organizers name ({' + '.join(named)}): {_sum(named, ours)}")
    if absent:
        print(f"   without {', '.join(absent)}")
    kinds = sorted({kind for name, (kind, _, _) in PEERS.items() if name in times and name not in ORGANIZERS_ALONE})
    best = {}
    for kind in kinds:
        name = min((n for n in times if PEERS[n][0] == kind and n not in ORGANIZERS_ALONE), key=times.__getitem__)
        best[f"{name} for {kind}"] = times[name]
    print(f"the best of the others put together ({' + '.join(best)}): {_sum(best, ours)}")


def _sum(times: dict[str, float], ours: dict[str, float]) -> str:
    total = sum(times.values())
    return f"{total:.2f} s, {total / ours['warm']:.1f} times our time"


def _line(name: str, what: str, result: dict[str, float], ours: dict[str, float]) -> None:
    ratio = result["warm"] / ours["warm"]
    print(
        f"{name:<22}{what:<12}{result['first']:>9.2f}{result['warm']:>9.2f}{result['mb']:>7.0f}{ratio:>8.1f}",
        flush=True,
    )


def _run(name: str, pair: tuple[Path, Path], compiled: Path | None = None) -> dict[str, float]:
    """Time a contender in a fresh process; with ``compiled``, numba keeps in that folder what it compiles."""
    environment = os.environ | ONE_CORE | ({"NUMBA_CACHE_DIR": str(compiled)} if compiled else {})
    environment |= {"FETA_BACKEND": "numpy"} if name == "numpy" else {}
    command = [sys.executable, "-m", "benchmarks.evaluator", "--only", name, "--pair", *map(str, pair)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr.strip().splitlines()[-1] if done.stderr else done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def _time_one(name: str, truth: Path, prediction: Path) -> dict[str, float]:
    """Seconds of the first call (for the evaluator with all imports) and of the next, and peak memory."""
    warnings.simplefilter("ignore")
    begun = 0.0 if name in ("ours", "numpy") else None
    from benchmarks.contenders import PEERS, ours

    if begun is None:
        work: Callable[[], object] = PEERS[name][1](truth, prediction)
        begun = time.process_time()
    else:
        work = lambda: ours(truth, prediction)  # noqa: E731
    work()
    first = time.process_time() - begun
    begun = time.process_time()
    if first < 60:
        work()
    warm = time.process_time() - begun if first < 60 else first
    return {"first": first, "warm": warm, "mb": _peak_mb()}


def _peak_mb() -> float:
    """The most memory this process held since it began: ru_maxrss would hold its parent's, too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()

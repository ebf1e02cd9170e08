"""Seconds and memory of the evaluator on one 256³ pair, side by side with its peers, in one run.

    python -m benchmarks.evaluator [--slow] [--size 256]

Everything is on one core; seconds are of CPU, so that a busy machine changes
little. Each line is a process of its own. ``--slow`` includes gudhi as the
organizers call it (minutes, and gigabytes of memory).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

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
    from benchmarks.contenders import ORGANIZERS, PEERS
    from benchmarks.folded_brain import write_pair

    pair = arguments.pair or write_pair(_made(folder / "clean"), size=arguments.size)
    specks = write_pair(_made(folder / "specks"), stray=0.002, size=arguments.size)
    print(f"{'':<22}{'what':<12}{'first s':>9}{'warm s':>9}{'MB':>7}{'ratio':>8}", flush=True)
    ours = _run("ours", pair, cold=folder / "cold")
    _line("evaluator", "everything", ours, ours)
    _line("  with stray specks", "everything", _run("ours", specks), ours)
    _line("  without numba", "everything", _run("plain", pair), ours)
    times: dict[str, float] = {}
    for name, (what, _, module) in PEERS.items():
        if (name == "gudhi" and not arguments.slow) or importlib.util.find_spec(module) is None:
            print(f"{name:<22}{what:<12}{'left out' if name == 'gudhi' else 'not installed':>25}", flush=True)
            continue
        result = _run(name, pair)
        times[name] = result["warm"]
        _line(name, what, result, ours)
    named = [times[name] for name in ORGANIZERS if name in times]
    share = sum(named) / ours["warm"]
    print(f"\nwhat the organizers name ({len(named)} of {len(ORGANIZERS)}): {share:.0f} times our time")
    best = {what: min(times[n] for n in times if PEERS[n][0] == what) for what in {PEERS[n][0] for n in times}}
    best.pop("topology", None)
    share = sum(best.values()) / ours["warm"]
    print(f"the best of the others put together ({', '.join(sorted(best))}): {share:.1f} times")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _line(name: str, what: str, result: dict[str, float], ours: dict[str, float]) -> None:
    ratio = result["warm"] / ours["warm"]
    print(
        f"{name:<22}{what:<12}{result['first']:>9.2f}{result['warm']:>9.2f}{result['mb']:>7.0f}{ratio:>8.1f}",
        flush=True,
    )


def _run(name: str, pair: tuple[Path, Path], cold: Path | None = None) -> dict[str, float]:
    """Time a contender in a fresh process; with ``cold``, where numba has compiled nothing yet."""
    environment = os.environ | ONE_CORE | ({"NUMBA_CACHE_DIR": str(cold)} if cold else {})
    environment |= {"FETA_PLAIN": "1"} if name == "plain" else {}
    command = [sys.executable, "-m", "benchmarks.evaluator", "--only", name, "--pair", *map(str, pair)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr.strip().splitlines()[-1] if done.stderr else done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def _time_one(name: str, truth: Path, prediction: Path) -> dict[str, float]:
    """Seconds of the first call (for the evaluator with all imports) and of the next, and peak memory."""
    warnings.simplefilter("ignore")
    begun = 0.0 if name in ("ours", "plain") else None
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
    return {"first": first, "warm": warm, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    main()

"""Made-up submissions, good and hostile, as tiny images; a cohort for them; and the runner as people call it."""

from __future__ import annotations

import csv
import functools
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from evaluation.harness.context import RunFolders
from feta.lock import is_held
from tests.support import images
from tests.support.small_brains import write_team, write_truth

CONTEXT = images.ROOT / "tests" / "container" / "rivals"
#: How far the label maps of good submissions are off, in voxels.
SHIFTS = ("0.0", "0.5", "1.0", "1.5", "2.0", "2.5", "3.0", "3.5", "4.0", "4.5", "5.0", "5.5")
MOST_CASES = 20
#: Room enough for a shell; a hostile one is at its limits at once.
LIMITS = {
    "case_seconds": 60, "memory_mb": 64, "cpus": 1, "processes": 64, "shm_mb": 8, "tmp_mb": 8, "output_mb": 8,
    "output_files": 500, "log_kb": 16,
}  # fmt: skip


@dataclass(frozen=True)
class Rival:
    """A team of a test: what its image does, and what the roster says of it."""

    name: str
    behaviour: str = "good"
    maps: str = "0.0"
    convention: str = "folder"
    exceptions: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> str:
        """The image's tag. All share every layer but the last, which holds no file."""
        tag = f"feta-rival-{self.behaviour}:{self.maps}"
        arguments = ["--build-arg", f"BEHAVIOUR={self.behaviour}", "--build-arg", f"MAPS={self.maps}", "--tag", tag]
        settings = ("--quiet", "--network", "none")
        images.docker("build", *settings, *arguments, _context().name, environment={"DOCKER_BUILDKIT": "1"})
        return tag


@functools.cache
def _context() -> tempfile.TemporaryDirectory[str]:
    """A build context with the label maps of every good submission."""
    folder = tempfile.TemporaryDirectory()
    for path in CONTEXT.iterdir():
        shutil.copy(path, folder.name)
    for shift in SHIFTS:
        write_team(Path(folder.name) / "maps" / shift, MOST_CASES, float(shift))
    return folder


def write_cohort(root: Path, cases: int) -> tuple[Path, Path]:
    """Input and truth. The truth's label maps lie beside the input's volumes too, as a careless organizer has them."""
    truth = write_truth(root / "truth", cases)
    shutil.copytree(truth, root / "input")
    return root / "input", truth


def write_roster(path: Path, rivals: Sequence[Rival], limits: Mapping[str, Any] | None = None, **more: Any) -> Path:
    """A roster with images that are built when they are not there."""
    teams = [
        {"name": r.name, "image": r.build(), "convention": r.convention, "exceptions": dict(r.exceptions)}
        for r in rivals
    ]
    path.write_text(yaml.safe_dump({"limits": {**LIMITS, **(limits or {})}, "teams": teams, **more}))
    return path


def command(*arguments: object) -> list[str]:
    """``feta-evaluate``, as this interpreter runs it."""
    return [sys.executable, "-m", "evaluation", *map(str, arguments)]


def evaluate(*arguments: object, limit: float = images.LIMIT) -> subprocess.CompletedProcess[str]:
    """Run ``feta-evaluate`` to its end."""
    return subprocess.run(
        command(*arguments), cwd=images.ROOT, capture_output=True, text=True, timeout=limit, stdin=subprocess.DEVNULL,
        env=quiet(), check=False,
    )  # fmt: skip


def quiet() -> dict[str, str]:
    """The environment, with one thread: the engine needs the other processor."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def run_killed(roster: Path, input_: Path, output: Path, kills: int, seconds: float, seed: int) -> int:
    """The runner, killed at random moments after it began its work, and begun again until it ends by itself.

    Returns:
        How often it was killed before its end.
    """
    draw, arguments = random.Random(seed), command("run", roster, input_, output)
    for done in range(kills):
        harness = subprocess.Popen(
            arguments, cwd=images.ROOT, env=quiet(), stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        while harness.poll() is None and not is_held(RunFolders(output).lock):
            time.sleep(0.1)
        try:
            harness.wait(draw.uniform(0, seconds))
            return done
        except subprocess.TimeoutExpired:
            harness.kill()
            harness.wait()
    ended = evaluate("run", roster, input_, output, limit=7200)
    assert ended.returncode in (0, 1), ended.stderr
    return kills


def states(output: Path) -> dict[str, dict[str, str]]:
    """Team → case → state, read past the runner; empty while it has made no table yet."""
    found: dict[str, dict[str, str]] = {}
    with closing(sqlite3.connect(output / "state.sqlite")) as database:
        if not database.execute("SELECT name FROM sqlite_master WHERE name = 'cases'").fetchone():
            return {}
        for team, case, state in database.execute("SELECT team, case_id, state FROM cases ORDER BY team, case_id"):
            found.setdefault(team, {})[case] = state
    return found


def counted(output: Path) -> dict[str, dict[str, int]]:
    """Team → state → number of cases."""
    return {team: dict(Counter(cases.values())) for team, cases in states(output).items()}


def run_id(output: Path) -> str:
    """The label that everything of a run carries."""
    with closing(sqlite3.connect(output / "state.sqlite")) as database:
        return str(database.execute("SELECT value FROM facts WHERE name = 'run'").fetchone()[0])


def left_behind(output: Path) -> list[str]:
    """Containers and volumes of a run that are still there, and volumes of ours that no label belongs to."""
    label = f"label=feta.run={run_id(output)}"
    containers = images.docker("ps", "--all", "--quiet", "--filter", label).split()
    volumes = images.docker("volume", "ls", "--quiet", "--filter", label).split()
    unlabelled = images.docker("volume", "ls", "--filter", "name=feta-", "--format", "{{.Name}} {{.Labels}}")
    return containers + volumes + [line for line in unlabelled.splitlines() if len(line.split()) == 1]


def files(folder: Path) -> dict[str, bytes]:
    """Everything below a folder, by name."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def leaderboard(scores: Path) -> list[dict[str, str]]:
    """The cohort's rows of the segmentation leaderboard, in their order."""
    with (scores / "leaderboard_segmentation.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["site"] == "all"]


def record(output: Path) -> dict[str, Any]:
    """``runs.json``."""
    return json.loads((output / "submissions" / "runs.json").read_text())["teams"]

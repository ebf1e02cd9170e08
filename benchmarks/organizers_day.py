"""An organizer's day on a real engine: what the runner costs, and whether it comes to the same when it is killed.

    python -m benchmarks.organizers_day [--cases 20] [--kills 20] [--folder DIR]

Twelve good submissions of falling worth and four hostile ones (one that never ends, one that takes all memory, one
that fills its disk, one that forks without end) on small cases. Needs an engine, the base image, and a checkout:
submissions and cohort are those of ``tests/container``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

from evaluation.harness.container_spec import container_arguments, staged_places
from evaluation.harness.context import RunContext, RunFolders
from evaluation.harness.conventions import make_call, make_jobs
from evaluation.harness.engine import Engine
from evaluation.harness.job import Worker, run_job
from evaluation.harness.roster import read_roster
from evaluation.harness.staging import cases_to_run, stage
from evaluation.harness.volumes import ResultVolumes
from tests.support import rivals
from tests.support.small_brains import write_team

#: What the harness may add to a container's own time with the engine, seconds.
TARGET_SECONDS = 1.0
HOSTILE = ("deaf", "memory", "disk", "forks")
#: Spread over the conventions, so that each is used.
CONVENTIONS = ("folder", "2024-case", "folder-all", "2021", "2024-all")
SECONDS_A_CASE, SECONDS_A_TEAM = 12, 30
#: The longest between its beginning to work and a kill.
SECONDS_TO_KILL = 12.0


def main() -> None:
    """Measure and print; exit status 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=rivals.MOST_CASES)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="kept for a look; a temporary one otherwise")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = options.folder or Path(temporary)
        root.mkdir(parents=True, exist_ok=True)
        good = overhead(root)
        good &= day(root, options.cases, options.kills)
    sys.exit(0 if good else 1)


def overhead(root: Path, containers: int = 16) -> bool:
    """What a job takes beyond a container with the same arguments that is only made, run and removed."""
    (root / "overhead").mkdir()
    input_, _ = rivals.write_cohort(root / "overhead", 1)
    roster = read_roster(rivals.write_roster(root / "overhead" / "roster.yaml", [rivals.Rival("good")]))
    folders, engine = RunFolders(root / "overhead" / "out"), Engine()
    cases = cases_to_run(input_, roster)
    stage(cases, folders.staged)
    (job,) = make_jobs(roster.teams[0], cases)
    image_id = engine.image_id(roster.teams[0].image)
    helper = engine.image_id(roster.helper_image)
    context = RunContext("benchmark", folders, roster.limits, {"good": image_id}, helper, cases)
    call = make_call(job)
    # Results go to a tmpfs here: what the volume and its helper cost belongs to the harness.
    bare = container_arguments(
        roster.teams[0], roster.limits, call, staged_places(call, folders.staged), image_id=image_id, labels={}
    )
    bare["tmpfs"][call.results] = bare["tmpfs"]["/tmp"]

    def alone() -> None:
        container = engine.start(bare)
        engine.wait(container, 60)
        engine.remove(container)

    def whole() -> None:
        (row,) = run_job(worker, job, 60)
        assert row.state == "done", row

    # A new batch of volumes now and then belongs to what the harness costs: the mean, not the median.
    with ResultVolumes(engine, context, roster.teams[0], containers) as volumes:
        worker = Worker(engine, context, volumes, None, Event())
        pairs = [(seconds(alone), seconds(whole)) for _ in range(containers)]
    added = statistics.mean(b - a for a, b in pairs)
    for name, times in (("engine alone", [a for a, _ in pairs]), ("with the harness", [b for _, b in pairs])):
        print(f"{name:18}{statistics.mean(times):6.2f} s a container ({min(times):.2f} to {max(times):.2f})")
    print(f"{'the harness adds':18}{added:6.2f} s a container, target {TARGET_SECONDS:g}", flush=True)
    return added <= TARGET_SECONDS


def seconds(work: Callable[[], None]) -> float:
    """Wall clock of a call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def day(root: Path, cases: int, kills: int) -> bool:
    """The whole day, undisturbed and killed; whether both come to the right leaderboard."""
    teams = [
        rivals.Rival(f"good {i:02d}", maps=shift, convention=CONVENTIONS[i % len(CONVENTIONS)])
        for i, shift in enumerate(rivals.SHIFTS)
    ]
    for i, behaviour in enumerate(HOSTILE):
        teams.insert(4 * i, rivals.Rival(f"hostile {behaviour}", behaviour))
    rivals.write_cohort(root, cases)
    limits = {"case_seconds": SECONDS_A_CASE, "team_seconds": SECONDS_A_TEAM}
    rivals.write_roster(root / "roster.yaml", teams, limits, parallel=2)
    took = seconds(lambda: run(root, "undisturbed"))
    print(
        f"{len(teams)} teams, {cases} cases: {took:.0f} s, {len(rivals.left_behind(root / 'undisturbed'))} left behind"
    )
    for team, counts in rivals.counted(root / "undisturbed").items():
        print(f"  {team:18}{', '.join(f'{n} {state}' for state, n in counts.items())}")
    order = leaderboard(root, root / "undisturbed" / "submissions")
    good = order == leaderboard(root, without_containers(root, teams, cases))
    print(f"leaderboard {'right' if good else 'WRONG'}: {', '.join(order)}", flush=True)
    if not kills:
        return good
    done = rivals.run_killed(root / "roster.yaml", root / "input", root / "killed", kills, SECONDS_TO_KILL, seed=1)
    same = all(what(root / "killed") == what(root / "undisturbed") for what in (rivals.counted, results))
    same &= leaderboard(root, root / "killed" / "submissions") == order and not rivals.left_behind(root / "killed")
    print(f"killed {done} times: {'the same' if same else 'ANOTHER RESULT'}")
    return good and same and done == kills


def results(output: Path) -> dict[str, bytes]:
    """All that is scored."""
    return {name: data for name, data in rivals.files(output / "submissions").items() if name != "runs.json"}


def run(root: Path, output: str) -> None:
    """The runner to its end."""
    done = rivals.evaluate("run", root / "roster.yaml", root / "input", root / output, limit=7200)
    if done.returncode == 2:
        sys.exit(done.stderr)


def without_containers(root: Path, teams: Sequence[rivals.Rival], cases: int) -> Path:
    """The submissions that must come of it: the label maps of good ones as they were made, nothing of hostile ones."""
    folder = root / "expected"
    for team in teams:
        (folder / team.name).mkdir(parents=True)
        if team.behaviour == "good":
            write_team(folder / team.name, cases, float(team.maps))
    return folder


def leaderboard(root: Path, submissions: Path) -> list[str]:
    """Rank and team, of the segmentation."""
    scores = root / "scores" / submissions.relative_to(root)
    rivals.evaluate("score", root / "truth", submissions, scores, "--jobs", 1, limit=7200)
    return [f"{row['rank']} {row['team']}" for row in rivals.leaderboard(scores)]


if __name__ == "__main__":
    main()

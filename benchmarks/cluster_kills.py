"""A run on a cluster whose every part is killed at random moments: whether it comes to the same, and leaves nothing.

    python -m benchmarks.cluster_kills [--kills 20] [--cases 4] [--seconds 10] [--dockerd] [--folder DIR]

Client, scheduler, a worker's process, a worker with its nanny and, with ``--dockerd``, an engine of its own are killed
by SIGKILL, each a random time after containers are at work; what an init system would start again is started again, and
so is the client. Each line says which process was hit, and that it is gone.
Needs an engine, the base image, and a checkout; ``--dockerd`` needs root.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from evaluation.harness.context import RunFolders
from feta.lock import is_held
from tests.support import images, rivals
from tests.support.cluster import ClusterHere, alive, outcome
from tests.support.rivals import Rival

TEAMS = (
    Rival("best", maps="0.0"),
    Rival("slow", "slow"),
    Rival("second", maps="1.0", convention="folder-all"),
    Rival("crashes", "crash"),
    Rival("third", "slow", maps="2.0", convention="2024-case"),
)
#: A client that was told that its run can't go on ends with it.
UNUSABLE = 2


class Dockerd:
    """An engine of its own, that can be killed: another daemon beside the machine's."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._daemon = folder, None
        self.host = f"unix://{folder}/docker.sock"
        folder.mkdir(parents=True)

    def start(self) -> None:
        """Start it where it isn't running, and wait until it answers."""
        if self._daemon is not None and self._daemon.poll() is None:
            return
        (self._folder / "pid").unlink(missing_ok=True)
        call = ["dockerd", "--data-root", self._folder / "data", "--exec-root", self._folder / "exec", "-H", self.host]
        quiet = ["--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"]
        with (self._folder / "log").open("ab") as log:
            self._daemon = subprocess.Popen(
                [*call, *quiet, "--pidfile", self._folder / "pid"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        while subprocess.run(["docker", "-H", self.host, "info"], capture_output=True, check=False).returncode:
            if self._daemon.poll() is not None:  # on a busy machine it gives up on the daemon below it
                self.start()
                return
            time.sleep(0.5)

    def take_images(self, names: Sequence[str]) -> None:
        """Copy images from the machine's engine."""
        kept = self._folder / "images.tar"
        subprocess.run(["docker", "save", "--output", kept, *names], check=True)
        subprocess.run(["docker", "-H", self.host, "load", "--quiet", "--input", kept], check=True, capture_output=True)
        kept.unlink()

    def kill(self) -> Sequence[int]:
        """SIGKILL, to the daemon and the one below it; returns which those were."""
        assert self._daemon is not None
        found = Path(f"/proc/{self._daemon.pid}/task").glob("*/children")
        hit = [self._daemon.pid, *(int(pid) for each in found for pid in each.read_text().split())]
        for pid in hit:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._daemon.wait()
        return hit

    def stop(self) -> None:
        """End it in order."""
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait()
        # One that was killed leaves its folder mounted on itself, which could not be deleted then.
        unmount = ["umount", "--lazy", self._folder / "data"]
        while not subprocess.run(unmount, check=False, stderr=subprocess.DEVNULL).returncode:
            continue


class Client:
    """``feta-evaluate run``, begun again whenever it has ended before its work was done."""

    def __init__(self, root: Path, cluster: ClusterHere) -> None:
        self._call = rivals.command(
            "run", root / "roster.yaml", root / "input", root / "killed", *cluster.options()
        )  # fmt: skip
        self._output, self._log = root / "killed", root / "client.log"
        self.process: subprocess.Popen[bytes] | None = None

    def at_work(self) -> bool:
        """Start it if need be; False where the work was done, however it ended."""
        while self.process is None or self.process.poll() is not None:
            if self.process is not None and self.process.returncode in (0, 1):
                return False
            with self._log.open("ab") as log:
                self.process = subprocess.Popen(
                    self._call, cwd=images.ROOT, env=rivals.quiet(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            while self.process.poll() is None and not is_held(RunFolders(self._output).lock):
                time.sleep(0.1)
        return True


def main() -> None:
    """Kill, compare, print; exit status 1 where it comes to something else or leaves something."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--cases", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0, help="the longest before a kill")
    parser.add_argument("--dockerd", action="store_true")
    parser.add_argument("--folder", type=Path, help="kept for a look; a temporary one otherwise")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = (options.folder or Path(temporary)).resolve()
        root.mkdir(parents=True, exist_ok=True)
        engine = Dockerd(root / "engine") if options.dockerd else None
        rivals.write_cohort(root, options.cases)
        rivals.write_roster(root / "roster.yaml", TEAMS, {"case_seconds": 60}, parallel=2)
        try:
            if engine:
                engine.start()
                engine.take_images(["debian:bookworm-slim", *(team.build() for team in TEAMS)])
                os.environ["DOCKER_HOST"] = engine.host
            good = killed(root, options.kills, options.seconds, options.seed, engine)
        finally:
            if engine:
                engine.stop()
    sys.exit(0 if good else 1)


def killed(root: Path, kills: int, seconds: float, seed: int, engine: Dockerd | None = None) -> bool:
    """Whether a run whose parts were killed comes to what an undisturbed one on one machine comes to."""
    alone = rivals.evaluate("run", root / "roster.yaml", root / "input", root / "alone", limit=7200)
    assert alone.returncode == 1, alone.stderr
    draw, done = random.Random(seed), Counter[str]()
    victims = ["client", "scheduler", "worker", "worker and nanny", *(["engine"] if engine else [])]
    with ClusterHere(root / "cluster") as cluster:
        client = Client(root, cluster)
        while sum(done.values()) < kills and client.at_work():
            assert client.process is not None
            wait_for_work(client.process, cluster, engine)
            with contextlib.suppress(subprocess.TimeoutExpired):
                client.process.wait(draw.uniform(0, seconds))
            if client.process.poll() is not None:
                continue  # ended meanwhile, by itself: begun again if there is more to do
            victim = victims[sum(done.values()) % len(victims)]
            hit = kill(victim, client, cluster, engine, draw)
            assert not any(map(alive, hit)), hit
            done[victim] += 1
            print(f"  {sum(done.values()):2d}  {victim:16} {hit} {progress(root / 'killed')}", flush=True)
            time.sleep(draw.uniform(0, 2))
            tend(cluster, engine)
        while client.at_work():
            assert client.process is not None
            with contextlib.suppress(subprocess.TimeoutExpired):
                client.process.wait(1)
            tend(cluster, engine)
    same = outcome(root / "killed") == outcome(root / "alone")
    left = rivals.left_behind(root / "killed")
    print(f"killed {sum(done.values())} times ({', '.join(f'{n} {name}' for name, n in done.items())})")
    print(f"results and states: {'the same' if same else 'OTHERS'}; left in the engine: {left or 'nothing'}")
    return same and not left


def kill(
    victim: str, client: Client, cluster: ClusterHere, engine: Dockerd | None, draw: random.Random
) -> Sequence[int]:
    """SIGKILL to a part; returns the processes that it hit."""
    if victim == "client":
        assert client.process is not None
        client.process.kill()
        client.process.wait()
        return [client.process.pid]
    if victim == "engine":
        assert engine is not None
        return engine.kill()
    if victim == "scheduler":
        return cluster.kill("scheduler")
    return cluster.kill(draw.choice(["worker-0", "worker-1"]), nanny=victim != "worker")


def tend(cluster: ClusterHere, engine: Dockerd | None) -> None:
    """As an init system does: what has ended is started again. Workers end a while after their scheduler."""
    if engine:
        engine.start()
    cluster.mend()


def wait_for_work(client: subprocess.Popen[bytes], cluster: ClusterHere, engine: Dockerd | None) -> None:
    """Until a submission's container is at work, or the client has ended."""
    call = ["docker", "ps", "--quiet", "--filter", "label=feta.case"]
    while client.poll() is None:
        tend(cluster, engine)
        if subprocess.run(call, capture_output=True, check=False).stdout:
            break
        time.sleep(0.2)


def progress(output: Path) -> str:
    """How far the run is."""
    if not (output / "state.sqlite").exists():
        return "not begun"
    counts = Counter(state for cases in rivals.states(output).values() for state in cases.values())
    return ", ".join(f"{n} {state}" for state, n in sorted(counts.items()))


if __name__ == "__main__":
    main()

"""Who the container runs as, what it may do, and how it ends."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.images import HARDENED, TINY, Call, Ended, docker, printed
from tests.support.textured_ball import write_image

MAP = "sub-002/anat/sub-002_T2w_dseg.nii.gz"
#: Prints the owner of every result, from inside a volume.
OWNERS = "import pathlib; print({(p.stat().st_uid, p.stat().st_gid) for p in pathlib.Path('/output').rglob('*')})"


@pytest.fixture(scope="session")
def one_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("one")
    write_image(root / "sub-002/anat/sub-002_T2w.nii.gz")
    root.chmod(0o755)
    return root


@pytest.fixture
def call(inference_image: str, tiny_weights: Path, one_case: Path) -> Call:
    return Call(inference_image, {"/weights:ro": tiny_weights, "/input:ro": one_case}, dict(TINY))


@pytest.fixture
def volume() -> Iterator[str]:
    name = f"feta-test-{uuid.uuid4().hex}"
    docker("volume", "create", name)
    yield name
    docker("volume", "rm", "--force", name)


def owners(folder: Path) -> set[tuple[int, int]]:
    return {(p.stat().st_uid, p.stat().st_gid) for p in folder.rglob("*")}


def run_on(call: Call, output: Path, *options: str) -> Ended:
    """Run with a folder for results and some options of the engine."""
    call.mounts["/output"] = output
    call.options = options
    return call.run()


def test_fresh_volume(call: Call, volume: str) -> None:
    call.mounts["/output"] = volume
    ended = call.run()
    assert ended.status == 0, ended.output
    assert call.run("python", "-c", OWNERS).output.strip() == "{(0, 0)}"


def test_root_owned_folder(call: Call, output: Path) -> None:
    os.chown(output, 0, 0)
    call.mounts["/output"] = output
    ended = call.run()
    assert ended.status == 0, ended.output
    assert (output / MAP).is_file()
    assert owners(output) == {(0, 0)}


def test_results_belong_to_the_owner_of_the_folder(call: Call, output: Path) -> None:
    os.chown(output, 1000, 1007)
    output.chmod(0o700)
    call.mounts["/output"] = output
    ended = call.run()
    assert ended.status == 0, ended.output
    assert (output / MAP).is_file()
    assert owners(output) == {(1000, 1007)}


def test_no_file_is_read_as_root(call: Call, output: Path, tmp_path: Path) -> None:
    """A volume that only root may read stays unread where the results go to somebody else."""
    secret = tmp_path / "input"
    write_image(secret / "sub-002/anat/sub-002_T2w.nii.gz").chmod(0o600)
    os.chown(output, 1000, 1000)
    call.mounts |= {"/output": output, "/input:ro": secret}
    ended = call.run()
    assert ended.status == 1, ended.output
    assert "Permission denied" in ended.output
    assert not (output / MAP).exists()


def test_variables_name_the_folder_too(call: Call, output: Path) -> None:
    os.chown(output, 1000, 1000)
    call.mounts["/elsewhere"] = output
    call.variables |= {"t2w_image": "/input/sub-002/anat/sub-002_T2w.nii.gz", "output_seg": "/elsewhere/new/seg.nii.gz"}
    ended = call.run("bash", "src/inference.sh")
    assert ended.status == 0, ended.output
    assert owners(output) == {(1000, 1000)}


def test_a_given_user(call: Call, output: Path) -> None:
    os.chown(output, 4321, 4321)
    ended = run_on(call, output, "--user", "4321:4321")
    assert ended.status == 0, ended.output
    assert owners(output) == {(4321, 4321)}


@pytest.mark.parametrize("user", [(), ("--user", "4321:4321")], ids=["root", "any user"])
def test_hardened(call: Call, output: Path, user: tuple[str, ...]) -> None:
    """Read-only, without a network, without any right: root, which cannot change user then, or anybody."""
    output.chmod(0o777)
    ended = run_on(call, output, *HARDENED, *user)
    assert ended.status == 0, ended.output
    assert (output / MAP).is_file()


def test_rights_that_are_missing_are_no_reason_to_stop(call: Call, output: Path) -> None:
    """The folder is somebody's, but the container may not become somebody: it goes on as root, which may not write."""
    os.chown(output, 1000, 1000)
    output.chmod(0o777)
    ended = run_on(call, output, *HARDENED)
    assert ended.status == 0, ended.output
    assert owners(output) == {(0, 0)}


def test_unwritable_output(call: Call, output: Path) -> None:
    output.chmod(0o555)
    ended = run_on(call, output, *HARDENED, "--user", "4321:4321")
    assert ended.status in (1, 2)
    assert "/output" in ended.output
    assert "Traceback" not in ended.output


def test_an_output_on_no_mount_is_said_before_any_computing(call: Call) -> None:
    ended = call.run()
    assert ended.status == 2, ended.output
    assert "--allow-unmounted" in ended.output
    assert "started" not in ended.output
    assert call.run("/input", "/output", "--allow-unmounted").status == 0


def test_a_users_folder_under_isolation_names_the_option_that_opens_it(call: Call, output: Path) -> None:
    os.chown(output, 1000, 1000)
    output.chmod(0o755)
    ended = run_on(call, output, *HARDENED)
    assert ended.status == 2, ended.output
    assert "belongs to user 1000" in ended.output
    assert "--user" in ended.output
    assert run_on(call, output, *HARDENED, "--user", "1000:1000").status == 0


COMMANDS = [(), ("bash", "src/inference.sh"), ("/bin/bash", "scripts/run_test.sh")]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("options", [(), HARDENED], ids=["plain", "hardened"])
def test_sigterm_ends_it_within_5_seconds(
    call: Call, output: Path, tmp_path: Path, command: tuple[str, ...], options: tuple[str, ...]
) -> None:
    many = tmp_path / "many"
    for number in range(8):
        write_image(many / f"sub-{number:03}/anat/sub-{number:03}_T2w.nii.gz", side=96)
    output.chmod(0o777)
    call.mounts = {"/weights:ro": call.mounts["/weights:ro"], "/input": many, "/output": output}
    call.options = options
    call.variables |= {
        "bids_input": "/input",
        "teamname": "t",
        "t2w_image": "/input/sub-000/anat/sub-000_T2w.nii.gz",
        "output_seg": "/output/seg.nii.gz",
    }
    container = call.start(*command)
    try:
        wait_for(container, "started")
        begun = time.monotonic()
        docker("stop", "--time", "60", container)
        assert time.monotonic() - begun < 5
        assert docker("inspect", "--format", "{{.State.ExitCode}}", container).strip() == "143", printed(container)
        left = {p.name for folder in (output, many) for p in folder.rglob("*") if p.is_file()}
        assert not {name for name in left if name.startswith(".") or "tmp" in name or "part" in name}, left
    finally:
        docker("rm", "--force", container)


def wait_for(container: str, words: str, seconds: float = 120) -> None:
    """Wait until the container has printed these words."""
    end = time.monotonic() + seconds
    while words not in printed(container):
        assert time.monotonic() < end, f"{words!r} was never printed:\n{printed(container)}"
        time.sleep(0.3)

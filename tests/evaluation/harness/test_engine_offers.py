"""What an engine says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation.harness.engine_offers import EngineOffers, Wall, check_isolation, read_offers
from evaluation.harness.workers import gpu_problem
from feta.errors import FetaError
from tests.support.made_up_engine import MadeUpEngine

PLAIN = {"NCPU": 4, "MemTotal": 1 << 30, "SecurityOptions": ["name=seccomp,profile=default", "name=cgroupns"]}
NEW, OLD = {"ApiVersion": "1.47"}, {"ApiVersion": "1.40"}


def test_a_usual_engine_has_everything() -> None:
    assert read_offers(PLAIN, NEW) == EngineOffers(cpus=4, memory=1 << 30)


@pytest.mark.parametrize("options", [[], None, ["name=apparmor"]])
def test_an_engine_without_a_filter_of_system_calls(options: list[str] | None) -> None:
    assert not read_offers({**PLAIN, "SecurityOptions": options}, NEW).seccomp


@pytest.mark.parametrize("version", [OLD, {}, {"ApiVersion": "x"}])
def test_an_engine_that_knows_no_control_group_namespaces(version: dict[str, str]) -> None:
    assert not read_offers(PLAIN, version).private_cgroup


@pytest.mark.parametrize(
    ("options", "root", "first"),
    [
        (["name=seccomp,profile=default", "name=userns"], "/var/lib/docker/165536.165536", 165536),
        (["name=userns"], "/data/1000.1000/docker/231072.231072", 231072),
        (["name=userns"], "/var/lib/docker", 0),
        (["name=seccomp,profile=default"], "/var/lib/docker/165536.165536", 0),
    ],
)
def test_where_accounts_are_mapped_the_first_of_them(options: list[str], root: str, first: int) -> None:
    info: dict[str, Any] = {**PLAIN, "SecurityOptions": options, "DockerRootDir": root}
    assert read_offers(info, NEW).first_id == first


#: As Podman 4.3.1 of Debian 12 answers.
PODMAN = {"ApiVersion": "1.41", "Version": "4.3.1", "Components": [{"Name": "Podman Engine"}, {"Name": "Conmon"}]}
ON_V1, ON_V2 = {**PLAIN, "CgroupVersion": "1"}, {**PLAIN, "CgroupVersion": "2"}
LIMITS = {Wall.MEMORY, Wall.SWAP, Wall.CPUS, Wall.PROCESSES}


def own(rootless: bool, *controllers: str) -> dict[str, Any]:
    return {"host": {"security": {"rootless": rootless}, "cgroupControllers": list(controllers)}}


@pytest.mark.parametrize(
    ("info", "podman", "lacks", "named"),
    [
        (ON_V1, own(False), {Wall.CONTROL_GROUPS}, "Podman 4.3.1"),
        (ON_V2, own(False, "memory"), set(), "Podman 4.3.1"),
        (ON_V1, own(True), {Wall.CONTROL_GROUPS, *LIMITS}, "Podman 4.3.1, without root"),
        (ON_V2, own(True, "cpu", "memory", "pids"), set(), "Podman 4.3.1, without root"),
        (ON_V2, own(True, "memory", "pids"), {Wall.CPUS}, "Podman 4.3.1, without root"),
        (ON_V2, own(True), LIMITS, "Podman 4.3.1, without root"),
    ],
)
def test_what_podman_can_t_keep(info: dict[str, Any], podman: dict[str, Any], lacks: set[Wall], named: str) -> None:
    """Seen from inside on the first version of control groups; on the second by its word."""
    offers = read_offers(info, PODMAN, podman)
    assert (set(offers.lacks), offers.engine, offers.podman) == (lacks, named, True)


@pytest.mark.parametrize(
    ("version", "gives"), [("4.3.1", False), ("5.3.2", False), ("5.4.0", True), ("5.10.0", True), ("6.0.0-dev", True)]
)
def test_a_podman_that_would_not_say_that_it_gives_no_gpu(version: str, gives: bool) -> None:
    """By containers/podman#25171; what is not asked for can't be missed in silence."""
    offers = read_offers(ON_V2, {**PODMAN, "Version": version}, own(False))
    assert offers.gpus is gives
    assert (gpu_problem(MadeUpEngine(), "helper", offers, {}, "0") == "") is gives
    assert read_offers(PLAIN, {**NEW, "Version": "20.10.5"}).gpus


def test_docker_without_root_on_the_first_version_of_control_groups_keeps_no_limit() -> None:
    options = [*PLAIN["SecurityOptions"], "name=rootless"]  # type: ignore[misc]
    assert set(read_offers({**ON_V1, "SecurityOptions": options}, NEW).lacks) == LIMITS
    assert read_offers({**ON_V2, "SecurityOptions": options}, NEW).lacks == ()


@pytest.mark.parametrize(
    ("name", "wall"),
    [("MemoryLimit", "memory"), ("SwapLimit", "swap"), ("CpuCfsQuota", "cpus"), ("PidsLimit", "processes")],
)
def test_a_limit_that_the_kernel_can_t_keep(name: str, wall: str) -> None:
    offers = read_offers({**PLAIN, name: False}, NEW)
    assert offers.lacks == (wall,)
    with pytest.raises(FetaError, match=f"here: .* can't keep what the roster promises: {wall} "):
        check_isolation("here", offers, tuple(Wall))
    check_isolation("here", offers, tuple(set(Wall) - {Wall(wall)}))

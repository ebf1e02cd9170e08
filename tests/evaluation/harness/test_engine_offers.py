"""What an engine says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation.harness.engine_offers import EngineOffers, read_offers

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

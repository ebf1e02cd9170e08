"""Isolation, as the engine is told of it; no engine is needed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.harness.container_spec import (
    MB,
    NOBODY,
    Place,
    account,
    container_arguments,
    folder_arguments,
    helper_arguments,
    own_folders,
    staged_places,
    volume_arguments,
)
from evaluation.harness.conventions import Call, make_call
from evaluation.harness.engine_offers import EngineOffers
from evaluation.harness.roster import Convention, Exceptions, ResourceLimits, Team
from tests.support.made_up_roster import first_job, team

LIMITS = ResourceLimits(
    memory_mb=100, cpus=1.5, processes=7, open_files=17, shm_mb=5, tmp_mb=3, output_mb=9, output_files=11, log_kb=13
)
PAGE = os.sysconf("SC_PAGE_SIZE")
RESULTS = Place("v", "/output", is_volume=True, read_only=False)

exceptions = st.builds(
    Exceptions, root=st.booleans(), writable_input=st.booleans(), shm_mb=st.none() | st.integers(1, 9000),
    scratch=st.sampled_from([(), ("/scratch",), ("/a", "/b/c")]),
)  # fmt: skip
teams = st.builds(Team, st.just("a"), st.just("i"), st.sampled_from(Convention), exceptions)


def arguments(of: Team | None = None, **more: Any) -> dict[str, Any]:
    given_: dict[str, Any] = {"image_id": "sha256:1", "labels": {"feta.run": "1"}, **more}
    return container_arguments(of or team(), LIMITS, Call(None), [Place("/in", "/input"), RESULTS], **given_)


def assert_isolated(made: dict[str, Any]) -> None:
    assert made["network_mode"] == "none"
    assert made["read_only"] is True
    assert made["cap_drop"] == ["ALL"]
    first, second = made["security_opt"]
    assert (first, second.split("=")[0]) == ("no-new-privileges", "seccomp")
    assert made["cgroupns"] == "private"
    assert {limit["Name"]: limit["Hard"] for limit in made["ulimits"]}.keys() == {"core", "nofile", "nproc"}
    assert made["privileged"] is False
    assert made["init"] is True
    assert made["ipc_mode"] == "private"
    assert made["use_config_proxy"] is False
    assert made["mem_limit"] == made["memswap_limit"] > 0
    assert made["pids_limit"] > 0
    assert not {"cap_add", "pid_mode", "devices", "volumes", "userns_mode", "ports", "extra_hosts"} & set(made)
    assert "docker.sock" not in json.dumps(made)


@given(teams)
def test_no_exception_loosens_isolation(of: Team) -> None:
    assert_isolated(arguments(of))


def test_the_helper_is_isolated_too() -> None:
    assert_isolated(helper_arguments("sha256:1", ["v"], {}))


def test_limits_are_the_rosters() -> None:
    made = arguments()
    assert made["mem_limit"] == 100 * MB
    assert made["nano_cpus"] == 1_500_000_000
    assert made["pids_limit"] == 7
    assert made["shm_size"] == 5 * MB
    assert made["tmpfs"] == {"/tmp": f"rw,exec,nosuid,nodev,mode=1777,uid=65532,gid=65532,size={3 * MB}"}
    assert made["log_config"] == {"Type": "json-file", "Config": {"max-size": "104k", "max-file": "2"}}
    assert {"Name": "nofile", "Soft": 17, "Hard": 17} in made["ulimits"]
    options = volume_arguments("v", NOBODY, LIMITS, {})["driver_opts"]
    assert options["type"] == "tmpfs"
    assert f"nr_blocks={9 * MB // PAGE}," in options["o"]
    assert "nr_inodes=11," in options["o"]


def test_what_a_team_may_write_to_belongs_to_its_account() -> None:
    made = arguments(user=60707)
    assert made["user"] == "60707:60707"
    assert "uid=60707,gid=60707," in made["tmpfs"]["/tmp"]
    assert "uid=60707,gid=60707,mode=0700" in volume_arguments("v", 60707, LIMITS, {})["driver_opts"]["o"]


def test_every_team_has_an_account_of_its_own_that_nobody_else_uses() -> None:
    accounts = [account(place) for place in range(400)]
    assert len(set(accounts)) == 400
    assert all(60705 < number < 61184 for number in accounts)
    assert NOBODY not in accounts


def test_folders_of_the_image_that_may_be_written_to_belong_to_the_account_too() -> None:
    options = folder_arguments("v", 60707, LIMITS, {"feta.job": "1"})["driver_opts"]["o"]
    assert options == f"nr_blocks={3 * MB // PAGE},uid=60707,gid=60707,mode=1777,nosuid,nodev"


def test_an_engine_is_not_asked_for_what_it_lacks() -> None:
    made = arguments(offers=EngineOffers(seccomp=False, private_cgroup=False))
    assert made["security_opt"] == ["no-new-privileges"]
    assert "cgroupns" not in made


def test_exceptions_that_are_granted() -> None:
    of = team(shm_mb=77, scratch=("/scratch",))
    assert arguments(of)["shm_size"] == 77 * MB
    assert own_folders(of, [RESULTS], []) == ["/scratch"]


@given(teams)
def test_only_the_results_can_be_written(of: Team) -> None:
    writable = [mount for mount in arguments(of)["mounts"] if not mount["ReadOnly"]]
    assert [(mount["Type"], mount["Target"]) for mount in writable] == [("volume", "/output")]


def test_a_volume_that_was_removed_is_made_anew_with_its_labels_and_without_room() -> None:
    """Docker makes what is to be mounted and isn't there: else a folder of the host, which nobody finds."""
    (mount,) = helper_arguments("sha256:0", ["v"], {"feta.run": "1"})["mounts"]
    assert mount.keys() == arguments()["mounts"][-1].keys()
    assert mount["VolumeOptions"]["Labels"] == {"feta.run": "1"}
    assert "nr_blocks=1," in mount["VolumeOptions"]["DriverConfig"]["Options"]["o"]


def test_volumes_that_the_image_declares_have_a_size() -> None:
    places = [Place("/in", "/input"), RESULTS]
    declared = ["/bottomless", "/output", "/input", "/output/", "//input", "data/", "/a/../b", "/tmp", "/bottomless/"]
    assert own_folders(team(), places, declared) == ["/bottomless", "/data", "/b"]


def test_a_folder_that_roster_and_image_name_is_one() -> None:
    assert own_folders(team(scratch=("/cache", "/tmp")), [RESULTS], ["cache/", "/more"]) == ["/cache", "/more"]


def test_a_gpu_by_its_id() -> None:
    assert "device_requests" not in arguments()
    (request,) = arguments(gpu="3")["device_requests"]
    assert request["device_ids"] == ["3"]
    assert request["capabilities"] == [["gpu"]]


def test_a_gpu_of_podman_s_by_its_name_in_the_container_device_interface() -> None:
    """Podman's API takes that alone, and passes over in silence what Docker is asked with."""
    (request,) = arguments(gpu="3", offers=EngineOffers(podman=True))["device_requests"]
    assert request == {"driver": "cdi", "device_ids": ["nvidia.com/gpu=3"]}


def test_a_missing_folder_is_not_made_by_the_engine() -> None:
    assert Place("/in", "/input").mount()["Type"] == "bind"


@pytest.mark.parametrize("convention", list(Convention))
def test_only_staged_folders_are_mounted(tmp_path: Path, convention: Convention) -> None:
    call = make_call(first_job(tmp_path / "data", convention))
    places = staged_places(call, tmp_path / "staged")
    assert places
    assert all(Path(place.source).is_relative_to(tmp_path / "staged") and place.read_only for place in places)


def test_the_published_commands(tmp_path: Path) -> None:
    job = first_job(tmp_path, "2024-case")
    assert make_call(job).command == ("bash", "src/inference.sh")
    variables = make_call(job).environment
    assert variables["t2w_image"] == "/input/sub-001/anat/sub-001_rec-mial_T2w.nii.gz"
    assert set(variables) == {"t2w_image", "participants", "output_seg", "output_biom"}
    call = make_call(first_job(tmp_path, "2024-all"))
    assert call.command == ("/bin/bash", "scripts/run_test.sh")
    assert call.environment == {"bids_input": "/input", "participants": "/input/participants.tsv", "teamname": "a_team"}
    assert make_call(first_job(tmp_path, "folder")).command is None

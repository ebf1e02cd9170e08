"""The list of system calls, as it stands; from inside of a container it is tried in tests/container."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from evaluation.harness.container_spec import seccomp_profile

#: What reaches the kernel's parts that no submission needs, or other processes and namespaces.
NEVER = (
    "io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "perf_event_open", "userfaultfd", "ptrace",
    "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "mount", "umount2", "fsopen", "open_tree",
    "move_mount", "mount_setattr", "pivot_root", "chroot", "unshare", "setns", "keyctl", "add_key", "request_key",
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "iopl",
    "ioperm", "acct", "syslog", "settimeofday", "clock_settime", "clock_adjtime", "quotactl", "open_by_handle_at",
    "name_to_handle_at", "fanotify_init", "mbind", "move_pages", "set_mempolicy", "modify_ldt", "vmsplice",
)  # fmt: skip
AF_VSOCK = 40


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    profile = json.loads(seccomp_profile())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    return profile["syscalls"]


def allowed(rules: list[dict[str, Any]]) -> Counter[str]:
    return Counter(name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"])


def test_it_allows_and_forbids_nothing_by_name(rules: list[dict[str, Any]]) -> None:
    others = [rule["names"] for rule in rules if rule["action"] != "SCMP_ACT_ALLOW"]
    assert others == [["clone3"]]  # which the C library is told isn't there


@pytest.mark.parametrize("name", NEVER)
def test_what_no_submission_needs_is_not_allowed(rules: list[dict[str, Any]], name: str) -> None:
    assert not allowed(rules)[name]


def test_no_call_stands_there_twice_but_by_its_arguments(rules: list[dict[str, Any]]) -> None:
    conditional = {name for rule in rules if rule.get("args") for name in rule["names"]}
    assert conditional == {"clone", "socket", "socketpair", "personality"}
    assert {name for name, times in allowed(rules).items() if times > 1} == {"socket", "personality"}


def test_only_sockets_that_stay_in_the_container_can_be_made(rules: list[dict[str, Any]]) -> None:
    families = {rule["args"][0]["value"] for rule in rules if "socket" in rule["names"]}
    assert families == {1, 2, 10, 16}
    assert all(rule["args"][0]["op"] == "SCMP_CMP_EQ" for rule in rules if "socket" in rule["names"])
    assert AF_VSOCK not in families


def test_no_child_gets_a_namespace_of_its_own(rules: list[dict[str, Any]]) -> None:
    (condition,) = next(rule["args"] for rule in rules if rule["names"] == ["clone"])
    new_namespaces = (0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x00020000)
    assert (condition["op"], condition["valueTwo"]) == ("SCMP_CMP_MASKED_EQ", 0)
    assert condition["value"] == sum(new_namespaces)

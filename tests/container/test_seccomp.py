"""The list of system calls from inside of a container, beside the engine's own."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest

from evaluation.harness import container_spec
from tests.support import images
from tests.support.rivals import Rival

#: Every call of this processor, each in a child of its own that is ended when it waits, with arguments that nothing
#: can be done with; prints those that fail as the filter makes them fail: forbidden (1), not there (38), killed (31).
SWEEP = r"""
$| = 1;
for my $call (0 .. 450) {
  my $child = fork;
  if (!$child) {
    alarm 1; open STDOUT, ">/dev/null"; open STDERR, ">/dev/null";
    my $given = syscall($call, -1, -1, -1, -1, -1, -1);
    exit(($given < 0 && ($! == 1 || $! == 38)) ? 77 : 0);
  }
  waitpid $child, 0;
  print "$call " if $? >> 8 == 77 || ($? & 127) == 31;
}
"""
PROFILE = Path(container_spec.__file__).with_name("seccomp.json")
IO_URING = {425, 426, 427}
X86 = platform.machine() == "x86_64"


@pytest.fixture(scope="module")
def image() -> str:
    return Rival("own").build()


def refused(image: str, *options: str) -> set[int]:
    """Numbers of the calls that are refused."""
    more = ("--cap-drop", "ALL", "--user", "60706:60706", "--security-opt", "no-new-privileges", *options)
    ended = images.Call(image, options=more).run("perl", "-e", SWEEP)
    assert re.fullmatch(r"[\d\s]*", ended.output), ended.output
    return {int(number) for number in ended.output.split()}


@pytest.fixture(scope="module")
def ours(image: str) -> set[int]:
    return refused(image, "--security-opt", f"seccomp={PROFILE}")


@pytest.mark.skipif(not X86, reason="numbers of calls are those of x86-64")
def test_it_is_at_least_as_strict_as_the_engines(image: str, ours: set[int]) -> None:
    engines = refused(image)
    assert engines - ours == set()
    assert len(ours) < 200


@pytest.mark.skipif(not X86, reason="numbers of calls are those of x86-64")
def test_without_a_filter_more_calls_can_be_made(image: str, ours: set[int]) -> None:
    """Else the sweep would prove nothing."""
    assert len(ours - refused(image, "--security-opt", "seccomp=unconfined")) > 20


@pytest.mark.skipif(not X86, reason="numbers of calls are those of x86-64")
def test_io_uring_is_not_there(ours: set[int]) -> None:
    assert ours >= IO_URING


@pytest.mark.parametrize(
    ("family", "made"), [(1, True), (2, True), (10, True), (16, True), (40, False), (38, False), (17, False)]
)
def test_sockets_that_can_be_made(image: str, family: int, made: bool) -> None:
    program = f"print socket(my $s, {family}, {3 if family == 16 else 1}, 0) ? 'made' : 'not'"
    call = images.Call(image, options=("--security-opt", f"seccomp={PROFILE}", "--cap-drop", "ALL"))
    ended = call.run("perl", "-e", program)
    assert ended.output == ("made" if made else "not")


def test_ordinary_programs_run_under_it(image: str) -> None:
    script = "sort /etc/passwd | head -1 >/tmp/x; cp /tmp/x /tmp/y; (sleep 0.1 & wait); ls -la /; mkfifo /tmp/p"
    call = images.Call(image, options=("--security-opt", f"seccomp={PROFILE}", "--cap-drop", "ALL"))
    ended = call.run("bash", "-euc", f"{script}; echo well")
    assert ended.output.endswith("well\n"), ended.output

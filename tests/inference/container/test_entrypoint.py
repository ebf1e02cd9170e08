"""What the container starts, by its arguments, with a program in the place of ours that says what it was given."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from inference.commands.bids_arguments import bids_arguments

CONTAINER = Path(__file__).resolve().parents[3] / "inference/container"
#: What fetpype puts in for its tags (fetpype/definitions.py, VALID_SEG_TAGS).
TAGS = {
    "mount": "-v /w/seg/input:/w/seg/input -v /w/seg/out:/w/seg/out",
    "input_dir": "/w/seg/input",
    "output_dir": "/w/seg/out",
    "singularity_path": "/sif",
    "singularity_mount": "/w:/w",
    "gestational_age": "27.5",
}


@pytest.fixture
def started(tmp_path: Path):
    """The arguments that feta-infer is started with, for those of the container."""
    program = tmp_path / "bin/feta-infer"
    program.parent.mkdir()
    program.write_text('#!/bin/bash\nprintf "%s\\n" feta-infer "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "FETA_PROGRAM": "feta-infer", "PATH": f"{program.parent}:{os.environ['PATH']}"}
    # The owner of a folder for results that is root's: the test changes user nowhere.
    environment |= {"FETA_OUTPUT": "/", "NUMBA_CACHE_DIR": str(tmp_path / "numba")}

    def start(*arguments: str) -> list[str]:
        call = ["bash", str(CONTAINER / "entrypoint.sh"), *arguments]
        return subprocess.run(call, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()

    return start


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["/in dir", "/out"], ["/in dir", "/out"]),
        (["/data", "/out", "participant", "--participant_label", "01", "02"],) * 2,
        (["grand-challenge"],) * 2,
        (["--help"],) * 2,
        (["feta-infer", "/in", "/out"], ["/in", "/out"]),
    ],
)
def test_arguments_are_the_program_s(started, arguments: list[str], command: list[str]) -> None:
    assert started(*arguments) == ["feta-infer", *command]


@pytest.mark.parametrize("runtime", ["docker", "singularity"])
def test_fetpype_s_configuration_gives_a_call_that_is_ours(started, runtime: str) -> None:
    settings = yaml.safe_load((CONTAINER / "fetpype.yaml").read_text())
    command = settings[runtime]["cmd"]
    assert set(re.findall("<(.*?)>", command)) <= set(TAGS)
    for tag, value in TAGS.items():
        command = command.replace(f"<{tag}>", value)
    words = shlex.split(command)
    assert words[:3] == (["docker", "run", "--rm"] if runtime == "docker" else ["singularity", "run", "--cleanenv"])
    image = next(at for at, word in enumerate(words) if "feta-inf" in word)
    assert started(*words[image + 1 :]) == ["feta-infer", "/w/seg/input", "/w/seg/out"]
    # fetpype names its input so, and asks for the result by the name that this project gives it.
    assert settings["path_to_output"].replace("<basename>", "input_srr") == "input_srr_dseg.nii.gz"


def test_the_apptainer_definition_starts_what_docker_does() -> None:
    text = (CONTAINER / "apptainer.def").read_text()
    sections = dict(re.findall(r"^%(\w+)\n(.*?)(?=^%|\Z)", text, re.MULTILINE | re.DOTALL))
    entrypoint = re.findall(r"^ENTRYPOINT (.*)$", (CONTAINER.parents[1] / "Dockerfile").read_text(), re.MULTILINE)[-1]
    assert sections["runscript"].split() == ["exec", *yaml.safe_load(entrypoint), '"$@"']
    for name in ("environment", "runscript", "test"):
        assert subprocess.run(["bash", "-n"], input=sections[name], text=True, check=False).returncode == 0
    made = subprocess.run(
        ["bash", "-c", sections["environment"] + "\necho $NUMBA_CACHE_DIR"], capture_output=True, text=True, check=True
    )
    assert made.stdout == f"/tmp/numba-{os.getuid()}\n"


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        (["B", "O", "participant"], ["--", "B", "O", "participant"]),
        (["B", "O", "group", "--device", "cpu"], ["--device", "cpu", "--", "B", "O", "group"]),
        (["B", "O"], None),
        (["B", "participant"], None),
        (["--device", "cpu", "group"], None),
        ([], None),
        (["B", "O", "participant", "--participant_label"], ["--participant-label", "", "--", "B", "O", "participant"]),
    ],
)
def test_a_bids_app_s_call_is_known_by_its_third_place(arguments: list[str], read: list[str] | None) -> None:
    assert bids_arguments(arguments, frozenset({"--device"})) == read


@pytest.mark.parametrize(("flags", "name"), [("fpu avx avx2 fma", "x86-64-v3"), ("fpu avx", "none"), (None, "none")])
def test_loops_compiled_for_avx2_are_used_where_the_processor_has_it(
    tmp_path: Path, flags: str | None, name: str
) -> None:
    if flags:
        (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    told = {"FETA_CPUINFO": str(tmp_path / "cpuinfo"), "NUMBA_CPU_NAME": "x86-64-v3", "FETA_PROGRAM": "feta-infer"}
    call = ["bash", str(CONTAINER / "entrypoint.sh"), "bash", "-c", "echo ${NUMBA_CPU_NAME-none}"]
    environment = {**os.environ, **told, "FETA_OUTPUT": "/", "NUMBA_CACHE_DIR": str(tmp_path)}
    ended = subprocess.run(call, env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == [name]

"""requirements.lock and its parts for the images."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK = (ROOT / "requirements.lock").read_text()
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = SETTINGS["project"]["optional-dependencies"]
#: Asked for by packages of the lock, and left out of it on purpose.
LEFT_OUT = {canonicalize_name(Requirement(line).name) for line in SETTINGS["tool"]["uv"]["override-dependencies"]}


#: One file of these is read, and nothing of them is imported.
BARE = {"nilearn"}


def part(*wanted: str) -> str:
    command = [sys.executable, str(ROOT / "tools" / "locked.py"), *wanted]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def names(text: str) -> set[str]:
    return {canonicalize_name(name) for name in re.findall(r"^([A-Za-z0-9][\w.-]*)==", text, re.MULTILINE)}


def test_the_lock_pins_everything_by_hash_and_names_no_place() -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", LOCK)[1:]
    assert len(entries) == len(names(LOCK)) > 50
    assert all(re.match(r"\S+==\S+ .*?\\\n    --hash=sha256:", entry, re.DOTALL) for entry in entries)
    assert not re.search(r"://|file:|index-url|find-links|(^|\s)/\w", LOCK)


def test_torch_and_what_only_its_gpu_build_needs_are_left_out() -> None:
    assert not {name for name in names(LOCK) if re.match(r"torch$|triton|nvidia-|cuda-", name)}
    assert "sympy" in names(part("torch"))


@pytest.mark.parametrize("extra", [*EXTRAS, "torch"])
def test_a_part_holds_all_that_its_packages_ask_for(extra: str) -> None:
    """Compared with what the installed packages themselves declare."""
    found = names(part(extra))
    present = found | LEFT_OUT | {"torch"}  # installed by itself, in the build that suits the machine
    for name in found - BARE:
        try:
            declared = requires(name) or []
        except PackageNotFoundError:  # of an extra that is not installed here
            continue
        for line in declared:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in present, f"{name} asks for {line}"


def test_the_evaluators_part_is_free_of_the_submissions_packages() -> None:
    assert not {"safetensors", "sympy", "networkx"} & names(part("evaluation"))
    # Beyond both: scikit-learn and what it asks for.
    more = names(part("training")) - names(part("inference", "evaluation"))
    assert names(part("inference", "evaluation")) < names(part("training"))
    assert more == {"scikit-learn", "joblib", "narwhals", "threadpoolctl", "cloudpickle"}, (
        "scikit-learn and what it asks for"
    )


def test_what_is_only_read_brings_nothing_along() -> None:
    """nilearn carries the viewer; pandas and scikit-learn, which it computes with, would double the image."""
    found = names(part("inference"))
    assert "nilearn" in found
    assert not {"pandas", "scikit-learn", "joblib"} & found


def test_an_unknown_package_is_refused_in_one_line() -> None:
    command = [sys.executable, str(ROOT / "tools" / "locked.py"), "no-such-package"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == ["locked.py: not in requirements.lock: no-such-package; run tools/lock"]

"""The benchmarks of a case and of a start: what they would tell wrong in silence, and calls that can't be."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.case import PARTS, ROOT

SOURCES = [path for folder in ("feta", "inference") for path in (ROOT / folder).rglob("*.py")]


@pytest.mark.parametrize("part", [part for part in PARTS if part != "torch, imported"])
def test_a_part_s_function_is_there(part: str) -> None:
    """One that was renamed or moved would be told to take no time."""
    found = [
        path
        for end, name in PARTS[part]
        for path in SOURCES
        if path.as_posix().endswith(end) and (name == "<module>" or name in functions(path))
    ]
    assert found


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("benchmark", ["benchmarks.case", "benchmarks.startup"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.nii.gz", "--base", ""], "nowhere.nii.gz: cannot be read as a volume"),
        (["nowhere.nii.gz", "--repeats", "0"], "argument --repeats: invalid times value: '0'"),
    ],
)
def test_a_call_that_cannot_be_is_refused(benchmark: str, arguments: list[str], said: str) -> None:
    call = [sys.executable, "-m", benchmark, *arguments]
    done = subprocess.run(call, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2)
    assert done.stderr.splitlines()[-1].endswith(said)
    assert "Traceback" not in done.stderr

"""Imports point one way: feta ← evaluation; feta ← inference ← training."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Packages of the project, and torch, that a package must never import.
FORBIDDEN = {
    "feta": {"evaluation", "inference", "training", "torch"},
    "evaluation": {"inference", "training", "torch"},
    "inference": {"evaluation", "training"},
}


def imported(file: Path) -> set[str]:
    """First parts of all module names that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_file_imports_upwards(package):
    files = list((ROOT / package).rglob("*.py"))
    assert files
    wrong = {str(f.relative_to(ROOT)): found for f in files if (found := imported(f) & FORBIDDEN[package])}
    assert wrong == {}


def test_feta_needs_numpy_and_simpleitk_alone():
    names = set().union(*(imported(file) for file in (ROOT / "feta").rglob("*.py")))
    assert names - set(sys.stdlib_module_names) == {"feta", "numpy", "SimpleITK"}


def test_no_torch_is_loaded_with_the_contract():
    modules = ", ".join(f"feta.{file.stem}" for file in (ROOT / "feta").glob("*.py") if file.stem != "__init__")
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0

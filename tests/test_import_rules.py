"""Imports point one way: feta ← evaluation; feta ← inference ← training. The evaluator never meets torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("feta", "inference", "evaluation", "training")
#: What no module of a package may name, at its top or inside a function.
FORBIDDEN = {
    "feta": {"inference", "evaluation", "training", "torch"},
    "evaluation": {"inference", "training", "torch", "safetensors"},
    "inference": {"evaluation", "training"},
    "training": set(),
}


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and top-level name of every import of a file, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, (node.module or "").split(".")[0]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "import_module":
            yield from ((node.lineno, str(a.value).split(".")[0]) for a in node.args if isinstance(a, ast.Constant))


def modules(package: str) -> list[str]:
    names = [path.relative_to(ROOT).with_suffix("") for path in sorted((ROOT / package).rglob("*.py"))]
    return [".".join(name.parts).removesuffix(".__init__") for name in names if name.name != "__main__"]


def loaded_after(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after a statement."""
    code = f"import sys; {statement}; print('\\n'.join({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_names_what_its_package_must_not_import(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in files
        for line, name in imported(path)
        if name in FORBIDDEN[package]
    ]
    assert wrong == []


def test_feta_needs_numpy_and_simpleitk_alone() -> None:
    names = {name for path in (ROOT / "feta").rglob("*.py") for _, name in imported(path)}
    assert names - set(sys.stdlib_module_names) == {"feta", "numpy", "SimpleITK"}


@pytest.mark.parametrize("package", ["feta", "evaluation"])
def test_importing_every_module_loads_nothing_forbidden(package: str) -> None:
    """Also through other libraries: what is imported inside functions is covered by the test above."""
    loaded = loaded_after("import " + ", ".join(modules(package)))
    assert package in loaded
    assert not loaded & FORBIDDEN[package]


def test_importing_the_submission_loads_no_evaluator_and_no_training() -> None:
    loaded = loaded_after("import " + ", ".join(modules("inference")))
    assert not loaded & FORBIDDEN["inference"]


@pytest.mark.parametrize("module", ["inference.cli", "training.cli"])
def test_help_does_not_wait_for_torch(module: str) -> None:
    assert "torch" not in loaded_after(f"import {module}")

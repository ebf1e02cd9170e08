"""The layers: which folder may import which. Imports point down only, and two walls stand between neighbours."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.import_graph import Code, circles, reachable

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("feta", "inference", "evaluation", "training")

#: Each folder (or file beside a package's folders), and which others its files may import. A folder stands below all
#: that it imports; what is not in the table may not exist.
LAYERS = {
    "feta": "",
    # The submission.
    "inference/geometry": "feta",
    "inference/networks": "feta",
    "inference/topology": "feta",
    "inference/biometry": "feta inference/geometry inference/networks",
    "inference/segmentation": "feta inference/geometry inference/networks inference/topology",
    "inference/nnunet": "feta inference/geometry inference/networks inference/segmentation",
    "inference/morphometry": "feta inference/geometry inference/topology inference/biometry",
    "inference/confidence": "feta inference/geometry inference/biometry inference/morphometry",
    "inference/surfaces": "feta inference/topology inference/biometry inference/morphometry",
    "inference/derivatives": "feta inference/morphometry",
    "inference/report": "feta inference/geometry inference/biometry inference/morphometry",
    "inference/processes": "feta",
    "inference/runs": (
        "feta inference/geometry inference/networks inference/biometry inference/segmentation inference/nnunet "
        "inference/morphometry inference/confidence inference/derivatives inference/report inference/topology "
        "inference/surfaces inference/processes"
    ),
    "inference/api": "feta inference/biometry inference/morphometry inference/derivatives inference/runs",
    "inference/__init__.py": "inference/api",
    "inference/options.py": "inference/biometry inference/derivatives inference/report inference/runs",
    "inference/commands": (
        "feta inference/biometry inference/morphometry inference/derivatives inference/report inference/runs "
        "inference/options.py"
    ),
    "inference/cli.py": (
        "feta inference/derivatives inference/report inference/processes inference/runs inference/options.py "
        "inference/commands"
    ),
    "inference/__main__.py": "inference/cli.py",
    # The organizers' side.
    "evaluation/__init__.py": "",
    "evaluation/choices.py": "",
    "evaluation/submissions": "feta",
    "evaluation/metrics": "feta",
    "evaluation/harness": "feta evaluation/submissions",
    "evaluation/cluster": "feta evaluation/submissions evaluation/harness",
    "evaluation/scoring": (
        "feta evaluation/choices.py evaluation/submissions evaluation/metrics evaluation/harness evaluation/cluster"
    ),
    "evaluation/ranking": "feta evaluation/choices.py evaluation/submissions evaluation/scoring",
    "evaluation/report": (
        "feta evaluation/choices.py evaluation/submissions evaluation/metrics evaluation/harness evaluation/scoring "
        "evaluation/ranking"
    ),
    "evaluation/release": (
        "feta evaluation/choices.py evaluation/submissions evaluation/harness evaluation/scoring evaluation/ranking "
        "evaluation/report"
    ),
    "evaluation/rehearsal": "feta evaluation/submissions evaluation/harness",
    "evaluation/analysis": "feta evaluation/submissions evaluation/scoring evaluation/ranking evaluation/report",
    "evaluation/phases": (
        "feta evaluation/choices.py evaluation/submissions evaluation/harness evaluation/scoring evaluation/ranking "
        "evaluation/report evaluation/release evaluation/analysis"
    ),
    "evaluation/commands": (
        "feta evaluation/choices.py evaluation/submissions evaluation/harness evaluation/cluster evaluation/scoring "
        "evaluation/ranking evaluation/report evaluation/release evaluation/rehearsal evaluation/analysis "
        "evaluation/phases"
    ),
    "evaluation/cli.py": "feta evaluation/metrics evaluation/commands",
    "evaluation/__main__.py": "evaluation/cli.py",
    # Simulation and training. They train what the submission runs, and score it as the organizers do.
    "training/__init__.py": "",
    "training/imaging": "feta",
    "training/data": "feta inference/geometry inference/biometry training/imaging",
    "training/anatomy": (
        "feta inference/geometry inference/networks inference/biometry training/imaging training/data"
    ),
    "training/findings": "feta training/imaging training/anatomy",
    "training/scanner": (
        "feta inference/geometry inference/topology training/imaging training/data training/anatomy training/findings"
    ),
    "training/phantom": "feta training/anatomy training/scanner",
    "training/synthesis": (
        "feta inference/geometry training/imaging training/data training/anatomy training/scanner"
    ),
    "training/engine": "feta inference/networks training/data",
    "training/assessment": (
        "feta inference/geometry inference/networks inference/topology inference/biometry inference/segmentation "
        "inference/morphometry inference/report inference/runs evaluation/metrics evaluation/scoring training/imaging "
        "training/data training/anatomy"
    ),
    "training/confidence": (
        "feta inference/geometry inference/networks inference/biometry inference/confidence inference/runs "
        "evaluation/metrics training/assessment"
    ),
    "training/tasks": (
        "feta inference/geometry inference/networks inference/topology inference/biometry inference/segmentation "
        "evaluation/metrics evaluation/scoring training/imaging training/data training/anatomy training/synthesis "
        "training/engine training/assessment"
    ),
    "training/commands": "feta inference/biometry training/engine training/tasks",
    "training/commands/data": (
        "training/imaging "
        "feta inference/geometry inference/biometry training/data training/anatomy training/findings training/scanner "
        "training/phantom training/synthesis training/engine training/commands"
    ),
    "training/commands/fit": (
        "feta inference/networks inference/segmentation training/data training/synthesis training/engine "
        "training/tasks training/commands"
    ),
    "training/commands/assess": (
        "feta inference/biometry inference/morphometry inference/confidence inference/runs training/anatomy "
        "training/scanner training/assessment training/confidence training/tasks training/commands"
    ),
    "training/cli.py": (
        "feta training/commands training/commands/data training/commands/fit training/commands/assess"
    ),
    "training/__main__.py": "training/cli.py",
}  # fmt: skip

#: (module or folder, folder of which it reaches nothing, not even through others, and why).
WALLS = (
    ("training/assessment/robustness.py", "training/synthesis", "a network is not tested by what it was trained with"),
    ("inference/segmentation", "inference/biometry", "label maps and lengths are made by parts of their own"),
    ("inference/biometry", "inference/segmentation", "label maps and lengths are made by parts of their own"),
)

#: What else `feta` may import: both sides install it.
CONTRACT_NEEDS = {"feta", "numpy", "SimpleITK", "yaml", "numba", "zlib_ng"}
#: Never loaded by importing a package, also not through others.
NEVER_LOADED = {
    "feta": {"inference", "evaluation", "training", "torch"},
    "evaluation": {"inference", "training", "torch", "safetensors"},
    "inference": {"evaluation", "training"},
}
MOST_FILES = 20


@pytest.fixture(scope="module")
def code() -> Code:
    return Code.read(ROOT, PACKAGES)


def loaded_after(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after a statement."""
    text = f"import sys; {statement}; print('\\n'.join({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_table_points_down() -> None:
    rooms = list(LAYERS)
    for room, allowed in LAYERS.items():
        assert set(allowed.split()) <= set(rooms[: rooms.index(room)]), room


def test_every_import_is_in_the_table(code: Code) -> None:
    assert code.trespasses(LAYERS) == []


def test_no_circle_between_files_or_folders(code: Code) -> None:
    assert circles(code.files()) == []
    assert circles(code.rooms()) == []


@pytest.mark.parametrize(("place", "beyond", "why"), WALLS)
def test_walls(code: Code, place: str, beyond: str, why: str) -> None:
    inside = [name for name, path in code.modules.items() if place in (str(path), str(path.parent))]
    assert inside
    graph = code.files()
    over = {(name, other) for name in inside for other in reachable(graph, name) if code.room(other) == beyond}
    assert not over, why


def test_evaluator_and_contract_name_no_forbidden_package(code: Code) -> None:
    """At the top of a file or inside a function."""
    for package, never in NEVER_LOADED.items():
        assert not code.outer(package) & never, package


def test_feta_needs_little(code: Code) -> None:
    assert code.outer("feta") - set(sys.stdlib_module_names) <= CONTRACT_NEEDS


@pytest.mark.parametrize("package", NEVER_LOADED)
def test_importing_every_module_loads_nothing_forbidden(code: Code, package: str) -> None:
    """Also through other libraries: what is imported inside functions is covered by the tests above."""
    names = [name for name, path in code.modules.items() if path.parts[0] == package and path.name != "__main__.py"]
    loaded = loaded_after("import " + ", ".join(names))
    assert package in loaded
    assert not loaded & NEVER_LOADED[package]


@pytest.mark.parametrize("module", ["inference.cli", "training.cli"])
def test_help_does_not_wait_for_torch(module: str) -> None:
    assert "torch" not in loaded_after(f"import {module}")


def test_every_folder_says_what_lives_there_and_loads_nothing(code: Code) -> None:
    for folder in {path.parent for path in code.modules.values()}:
        start = ROOT / folder / "__init__.py"
        assert start.is_file(), folder
        assert ast.get_docstring(ast.parse(start.read_text())), folder
    starts = {name for name, path in code.modules.items() if path.name == "__init__.py"}
    # The call from Python is named there, and imported when it is asked for.
    own = {"importlib", "typing", "inference.api.call", "inference.api.segmented"}
    assert [each for each in code.imports if each.source in starts - {"inference"}] == []
    assert {each.target for each in code.imports if each.source == "inference"} <= own


def test_the_call_from_python_is_not_loaded_before_it_is_asked_for() -> None:
    assert not loaded_after("import inference") & {"feta", "numpy", "torch"}
    assert "torch" not in loaded_after("from inference import segment")


def test_no_folder_is_crowded(code: Code) -> None:
    folders = [path.parent for path in code.modules.values()]
    assert {str(folder): folders.count(folder) for folder in folders if folders.count(folder) > MOST_FILES} == {}

"""The picture of the folders, drawn from the code, and the table of what lives in each."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tests.support.import_graph import Code

#: From the one that imports none of the others to the one that may import all; left edge and width of its block.
PACKAGES = {"feta": (0, 760), "inference": (0, 372), "evaluation": (388, 372), "training": (0, 760)}
_COLOURS = {"feta": "#e8e8ef", "inference": "#dcebfa", "evaluation": "#fbe9d3", "training": "#e0f0df"}
_ABOUT = {
    "feta": "the contract of both sides",
    "inference": "the submission",
    "evaluation": "the organizers’ side, without torch",
    "training": "simulation and training",
}
#: Height of a box, between boxes, around them, and of a block's title.
_BOX, _GAP, _PAD, _HEAD = 26, 7, 12, 46


@dataclass(frozen=True)
class Folder:
    """A folder with code: its path, what its ``__init__.py`` says first, and those of its package that it imports."""

    path: str
    about: str
    imports: frozenset[str]

    @property
    def name(self) -> str:
        """The path within its package."""
        return self.path.partition("/")[2]


@functools.lru_cache(maxsize=1)
def read(root: Path) -> dict[str, list[Folder]]:
    """The folders of each package, those that import least first."""
    code = Code.read(root, PACKAGES)
    rooms = code.rooms()
    found: dict[str, list[Folder]] = {}
    for package in PACKAGES:
        inside = [room for room in rooms if room.startswith(f"{package}/") and not room.endswith(".py")]
        folders = [Folder(r, _about(root / r), frozenset(rooms[r]) & frozenset(inside)) for r in inside]
        depth = _depths({folder.path: folder.imports for folder in folders})
        found[package] = sorted(folders, key=lambda folder: (depth[folder.path], folder.path))
    return found


def _about(folder: Path) -> str:
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def _depths(graph: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Length of the longest chain of imports below each node of a graph without circles."""
    found: dict[str, int] = {}

    def depth(node: str) -> int:
        if node not in found:
            found[node] = 1 + max((depth(other) for other in graph[node]), default=-1)
        return found[node]

    for node in graph:
        depth(node)
    return found


def table(root: Path) -> str:
    """Markdown: each folder, in the order of the picture from below, with what its ``__init__.py`` says."""
    rows = ["| folder | what lives there |", "|---|---|"]
    for package, folders in read(root).items():
        rows.append(f"| **`{package}/`** | {_about(root / package)} |")
        rows += [f"| `{folder.path}/` | {folder.about} |" for folder in folders]
    return "\n".join(rows) + "\n"


def picture(root: Path) -> str:
    """An SVG: a block a package, a box a folder; whatever is imported lies below."""
    packages = read(root)
    rows = {package: _rows(folders, PACKAGES[package][1]) for package, folders in packages.items()}
    height = {package: _HEAD + len(lines) * (_BOX + _GAP) + _PAD - _GAP for package, lines in rows.items()}
    height["feta"] = _HEAD
    middle = max(height["inference"], height["evaluation"])
    height |= {"inference": middle, "evaluation": middle}
    tops = {"training": 0, "inference": height["training"] + 40}
    tops |= {"evaluation": tops["inference"], "feta": tops["inference"] + middle + 40}
    total = tops["feta"] + height["feta"]
    parts = [_block(package, tops[package], height[package], lines) for package, lines in rows.items()]
    between = [(186, height["training"]), (574, height["training"]), (186, tops["feta"] - 40), (574, tops["feta"] - 40)]
    parts += [_arrow(x, top) for x, top in between]
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='-6 -6 772 {total + 12}' role='img' "
        f"font-family='system-ui,sans-serif' font-size='14'>"
        f"<title>Packages and folders: imports point down</title>"
        f"<rect x='-6' y='-6' width='772' height='{total + 12}' fill='#ffffff'/>{''.join(parts)}</svg>\n"
    )


def _width(name: str) -> int:
    return round(len(name) * 8.4) + 18


def _rows(folders: list[Folder], width: int) -> list[list[Folder]]:
    """Boxes in lines, from the last of the order to the first, as many in a line as fit."""
    lines: list[list[Folder]] = [[]]
    for folder in reversed(folders):
        used = sum(_width(each.name) + _GAP for each in lines[-1])
        if lines[-1] and used + _width(folder.name) > width - 2 * _PAD:
            lines.append([])
        lines[-1].append(folder)
    return [line for line in lines if line]


def _block(package: str, top: int, height: int, lines: list[list[Folder]]) -> str:
    left, width = PACKAGES[package]
    drawn = [
        f"<rect x='{left}' y='{top}' width='{width}' height='{height}' rx='8' fill='{_COLOURS[package]}'/>",
        f"<text x='{left + _PAD}' y='{top + 28}' font-size='17' font-weight='700' fill='#1c1c28'>{package}"
        f"<tspan font-size='13' font-weight='400' dx='10'>{escape(_ABOUT[package])}</tspan></text>",
    ]
    y = top + _HEAD
    for line in lines:
        x = left + _PAD
        for folder in line:
            drawn.append(_box(folder, x, y))
            x += _width(folder.name) + _GAP
        y += _BOX + _GAP
    return "".join(drawn)


def _box(folder: Folder, x: int, y: int) -> str:
    width = _width(folder.name)
    return (
        f"<g><title>{escape(folder.about)}</title>"
        f"<rect x='{x}' y='{y}' width='{width}' height='{_BOX}' rx='5' fill='#ffffff' stroke='#8a8a99'/>"
        f"<text x='{x + width / 2}' y='{y + 18}' text-anchor='middle' fill='#1c1c28'>{escape(folder.name)}</text></g>"
    )


def _arrow(x: int, top: int) -> str:
    return (
        f"<path d='M{x} {top + 4}V{top + 28}' stroke='#4a4a5a' stroke-width='3'/>"
        f"<path d='M{x - 8} {top + 24}L{x} {top + 36}L{x + 8} {top + 24}Z' fill='#4a4a5a'/>"
    )

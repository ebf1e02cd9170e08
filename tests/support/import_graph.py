"""Who imports whom, read from the source without importing it: files, folders, and circles among them."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Import:
    """One import of one file.

    Attributes:
        source: dotted name of the importing module.
        line: where it stands, at the top or inside a function.
        target: dotted name of the module for one of our own; else as it is written.
    """

    source: str
    line: int
    target: str


@dataclass(frozen=True)
class Code:
    """All modules of some packages below a folder, by dotted name, with all their imports."""

    root: Path
    modules: Mapping[str, Path]
    imports: tuple[Import, ...]

    @classmethod
    def read(cls, root: Path, packages: Iterable[str]) -> Code:
        files = [path.relative_to(root) for package in packages for path in sorted((root / package).rglob("*.py"))]
        modules = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in files}
        found = [each for name, path in modules.items() for each in _imports(name, root / path, modules)]
        return cls(root, modules, tuple(found))

    def inner(self) -> list[Import]:
        """Imports of our own modules by one another."""
        return [each for each in self.imports if each.target in self.modules and each.target != each.source]

    def outer(self, *packages: str) -> set[str]:
        """Top-level names of what the files of some packages import, wherever it comes from."""
        return {each.target.split(".")[0] for each in self.imports if each.source.split(".")[0] in packages}

    def room(self, module: str) -> str:
        """The folder of a module, 'training/engine'; a file beside a package's folders is a room itself."""
        path = self.modules[module]
        return str(path if len(path.parts) == 2 and path.parts[0] in self._with_folders else path.parent)

    @functools.cached_property
    def _with_folders(self) -> set[str]:
        return {path.parts[0] for path in self.modules.values() if len(path.parts) > 2}

    def rooms(self) -> dict[str, set[str]]:
        """Each room with the other rooms that it imports."""
        found: dict[str, set[str]] = {self.room(module): set() for module in self.modules}
        for each in self.inner():
            found[self.room(each.source)].add(self.room(each.target))
        return {room: others - {room} for room, others in found.items()}

    def files(self) -> dict[str, set[str]]:
        """Each module with the modules that it imports."""
        found: dict[str, set[str]] = {module: set() for module in self.modules}
        for each in self.inner():
            found[each.source].add(each.target)
        return found

    def trespasses(self, allowed: Mapping[str, str]) -> list[str]:
        """Imports that a table of rooms and what each may import doesn't allow, and rooms that are not in it."""
        rooms = sorted({self.room(module) for module in self.modules})
        wrong = [f"{room} is not in the table" for room in rooms if room not in allowed]
        for each in self.inner():
            source, target = self.room(each.source), self.room(each.target)
            if source != target and target not in allowed.get(source, "").split():
                wrong.append(f"{self.modules[each.source]}:{each.line} imports {each.target}")
        return list(dict.fromkeys(wrong))


def reachable(graph: Mapping[str, Iterable[str]], start: str) -> set[str]:
    """All that `start` imports, directly or not."""
    found: set[str] = set()
    queue = [start]
    while queue:
        more = set(graph.get(queue.pop(), ())) - found
        found |= more
        queue += more
    return found


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Groups of nodes that reach one another: strongly connected components of more than one node (Tarjan, 1972)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = lowest[node] = len(order)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in order:
                visit(other)
                lowest[node] = min(lowest[node], lowest[other])
            elif other in stack:
                lowest[node] = min(lowest[node], order[other])
        if lowest[node] == order[node]:
            group = stack[stack.index(node) :]
            del stack[-len(group) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in order:
            visit(node)
    return found


def _imports(source: str, path: Path, modules: Mapping[str, Path]) -> Iterator[Import]:
    for node in ast.walk(ast.parse(path.read_text())):
        for target in _targets(node, source, modules):
            yield Import(source, node.lineno, target)


def _targets(node: ast.AST, source: str, modules: Mapping[str, Path]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:  # counted from the folder of the importing file
            package = source if modules[source].name == "__init__.py" else source.rpartition(".")[0]
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, *([base] if base else [])])
        for alias in node.names:
            name = f"{base}.{alias.name}"
            yield name if name in modules else base
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "import_module":
        yield from (str(each.value) for each in node.args if isinstance(each, ast.Constant))

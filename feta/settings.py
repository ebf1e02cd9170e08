"""Settings from YAML: every key known, every value of its field's type, or one clear line."""

from __future__ import annotations

import dataclasses
import reprlib
import types
import warnings
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml

from feta.errors import FetaError

T = TypeVar("T")
#: What aliases can make of a few lines of YAML would fill the memory when written out.
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 80, 80


def read_settings(
    kind: type[T], path: Path, changes: dict[str, dict[str, Any]] | None = None, over: Sequence[Path] = ()
) -> T:
    """Read a YAML file into a frozen dataclass; what it does not name keeps its default.

    Fields may be dataclasses, plain values, words of a StrEnum, and tuples of any of these. A dataclass whose settings
    had other names before has them in ``RENAMED``, old dotted name → new one; files may use them, with a warning.

    Args:
        kind: the dataclass.
        path: of the YAML file.
        changes: sections and keys given on the command line, which win over the files.
        over: other files, each of which wins over those before it where it names something.

    Raises:
        FetaError: unreadable file, unknown or missing key, or a value of another type.
    """
    content = _read(kind, path)
    for above in over:
        _build(kind, content, path, "")  # an error must name the file that it stands in
        content, path = _laid_over(content, _read(kind, above)), above
    if isinstance(content, dict) and changes:
        content = _laid_over(content, changes)
    return _build(kind, content, path, "")


def settings_from(kind: type[T], content: Any, path: Path) -> T:
    """The same from names and values that have been read already; errors name ``path``, old names need no warning."""
    return _build(kind, current_names(content, _renamed(kind), path)[0], path, "")


def current_names(content: Any, renamed: Mapping[str, str], path: Path) -> tuple[Any, list[str]]:
    """Settings under the names of now.

    Args:
        content: nested names and values.
        renamed: dotted names, old → new.
        path: that errors name.

    Returns:
        the settings (``content`` itself stays as it is), and the old names that were found in it.

    Raises:
        FetaError: a setting stands there under both names.
    """
    found = []
    for old, new in renamed.items():
        keys, places = old.split("."), new.split(".")
        value = _at(content, keys)
        if value is _ABSENT:
            continue
        if _at(content, places) is not _ABSENT:
            raise FetaError(path, f"{old} is called {new} now, and both are there", f"remove {old}")
        for depth in range(1, len(places)):
            if not isinstance(_at(content, places[:depth]), dict | _Absent):
                raise FetaError(path, f"{'.'.join(places[:depth])} must hold names and values")
        found.append(old)
        content = _laid_over(_without(content, keys), _nested(places, value))
    return content, found


class _Absent:
    """No setting stands there."""


_ABSENT = _Absent()


def _at(content: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        if not isinstance(content, dict) or key not in content:
            return _ABSENT
        content = content[key]
    return content


def _without(content: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    if len(keys) == 1:
        return {name: value for name, value in content.items() if name != keys[0]}
    return content | {keys[0]: _without(content[keys[0]], keys[1:])}


def _nested(keys: Sequence[str], value: Any) -> Any:
    return {keys[0]: _nested(keys[1:], value)} if keys else value


def _renamed(kind: type) -> dict[str, str]:
    """Old and new dotted names of a dataclass's settings, and of those within."""
    names = dict(getattr(kind, "RENAMED", {}))
    for name, hint in _hints(kind).items():
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            names |= {f"{name}.{old}": f"{name}.{new}" for old, new in _renamed(hint).items()}
    return names


class _Loader(yaml.SafeLoader):
    """A name that stands twice in a mapping is an error: the first would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is named twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _read(kind: type, path: Path) -> Any:
    """A file's settings under the names of now."""
    content, old = current_names(_load(path), renamed := _renamed(kind), path)
    if old:
        others = f", and {len(old) - 1} more have other names" if len(old) > 1 else ""
        warnings.warn(f"{path}: {old[0]} is called {renamed[old[0]]} now{others}", FutureWarning, stacklevel=3)
    return content


def _load(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(), _Loader) or {}
    except OSError as error:
        raise FetaError(path, f"cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FetaError(path, f"is not YAML ({error})") from error


def _laid_over(below: Any, above: Any) -> Any:
    """Mappings key by key, whatever else as it stands above."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _laid_over(below.get(key), value) for key, value in above.items()}


def _build(kind: type[T], content: Any, path: Path, where: str) -> T:
    if not isinstance(content, dict):
        raise FetaError(path, f"{where.rstrip('.') or 'the file'} must hold names and values")
    hints = _hints(kind)
    unknown = sorted(map(str, set(content) - set(hints)))
    if unknown:
        raise FetaError(path, f"unknown setting {where}{unknown[0]}", f"known are {', '.join(sorted(hints))}")
    absent = [name for name in _needed(kind) if name not in content]
    if absent:
        raise FetaError(path, f"{where}{absent[0]} is missing", "add it")
    values = {name: _value(hints[name], value, path, f"{where}{name}") for name, value in content.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise FetaError(path, f"{where.rstrip('.') or 'settings'}: {error}") from error


def _hints(kind: Any) -> dict[str, Any]:
    """Types of a dataclass's fields."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _needed(kind: type) -> list[str]:
    """Fields without a default."""
    return [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]


def _value(hint: Any, value: Any, path: Path, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _build(hint, value, path, f"{where}.")
    if get_origin(hint) is tuple and isinstance(value, list):
        element = get_args(hint)[0]
        return tuple(_value(element, v, path, f"{where}[{i}]") for i, v in enumerate(value, start=1))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        if value not in list(hint):
            raise FetaError(path, f"{where} is {_SHORT.repr(value)}", f"it must be one of {', '.join(hint)}")
        return hint(value)
    options = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if float in options and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) not in options:
        wanted = getattr(hint, "__name__", str(hint))
        raise FetaError(path, f"{where} is {_SHORT.repr(value)}", f"it must be of type {wanted}")
    return value

"""Which label of another tool is which of FeTA's: a file that says it, and a label map read by it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml

from feta.errors import FetaError
from feta.files import read_text
from feta.grid import Grid
from feta.labels import LABEL_COUNT, Tissue
from feta.tables import parse_number, read_table
from feta.volumes import Volume, read_label_map, read_volume

REMEDY = "say which value is which of FeTA's labels: --mapping FILE, with lines 'their value: ours'"
#: No tool numbers its labels beyond this (FreeSurfer's parcellations reach 14,175).
_HIGHEST = 100_000


def read_mapping(path: Path) -> dict[int, int]:
    """Read ``their value: ours`` from YAML, or from a table of two columns; ours by value (3) or abbreviation (WM).

    Raises:
        FetaError: it can't be read, or a line isn't such a pair.
    """
    pairs = _from_yaml(path) if path.suffix.lower() in (".yaml", ".yml", ".json") else _from_table(path)
    mapping: dict[int, int] = {}
    for theirs, ours in pairs:
        value, label = _whole(theirs, _HIGHEST), _label(ours)
        if value is None or label is None:
            names = ", ".join(f"{t.value} ({t.name})" for t in Tissue)
            raise FetaError(path, f"'{theirs}: {ours}' maps no value to a label", f"ours are {names}")
        if mapping.setdefault(value, label) != label:
            raise FetaError(path, f"maps {value} twice")
    if not any(mapping.values()):
        raise FetaError(path, "maps nothing to a tissue", "write lines 'their value: ours'")
    return mapping


def _from_yaml(path: Path) -> list[tuple[object, object]]:
    try:
        content = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FetaError(path, "is not YAML", "write lines 'their value: ours'") from error
    if not isinstance(content, dict):
        raise FetaError(path, "is no mapping", "write lines 'their value: ours'")
    return list(content.items())


def _from_table(path: Path) -> list[tuple[object, object]]:
    table = read_table(path)
    rows = [table.header, *table.rows]
    if any(len(row) < 2 for row in rows):
        raise FetaError(path, "has a line of less than two columns", "write their value and ours, a tab between")
    # A header's first cell is no number.
    return [(row[0], row[1]) for i, row in enumerate(rows) if i or parse_number(row[0]) is not None]


def _whole(value: object, highest: int) -> int | None:
    number = parse_number(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= highest:
        return None
    return int(number) if number == int(number) else None


def _label(value: object) -> int | None:
    if isinstance(value, str) and value.strip().upper() in Tissue.__members__:
        return int(Tissue[value.strip().upper()])
    return _whole(value, LABEL_COUNT - 1)


def read_mapped(path: Path, grid: Grid | None, mapping: Mapping[int, int] | None) -> Volume:
    """Read a label map as FeTA labels, uint8 (z, y, x).

    Args:
        path: the file.
        grid: of the image that it belongs to, if it must lie on one.
        mapping: their value → ours, for every value that the map holds but 0; None where they are FeTA's.

    Raises:
        FetaError: it can't be read, is no label map, or holds a value that the mapping doesn't name.
    """
    if mapping is None:
        try:
            return read_label_map(path, grid)
        except FetaError as error:
            if not error.problem.startswith("holds labels"):
                raise
            raise FetaError(path, error.problem, REMEDY) from error
    volume = read_volume(path)
    if grid is not None and (gap := grid.difference(volume.grid)):
        raise FetaError(path, f"is not on the grid of its image: {gap}", "resample it to the image")
    values = np.unique(volume.array)
    if len(values) > LABEL_COUNT**4 or (values != np.rint(values)).any() or values[0] < 0:
        raise FetaError(path, "holds values that are no labels", "give the label map that the mapping is for")
    theirs = [int(v) for v in values]
    unknown = [v for v in theirs if v and v not in mapping]
    if unknown:
        said = ", ".join(map(str, unknown[:5])) + (", …" if len(unknown) > 5 else "")
        raise FetaError(path, f"holds values that the mapping doesn't name: {said}", "map each, to 0 what is no brain")
    ours = np.array([mapping.get(v, 0) for v in theirs], np.uint8)
    return Volume(ours[np.searchsorted(values, volume.array)], volume.grid, volume.warnings)

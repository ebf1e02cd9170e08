"""Where measured brains lie on the curves that sizes are judged by: z of each size, median, least and most.

    feta-infer measure ATLAS OUT && python -m benchmarks.norms OUT [OUT ...]

Of healthy brains the median should be 0. Sizes that no norm is for, or that two norms disagree about, have no z.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

#: The ending of a column of z.
_Z = "_z"


def z_of(folder: Path) -> dict[str, list[float]]:
    """The z of all cases that have one, by the size's full name, in the table's order."""
    names = json.loads((folder / "cohort.json").read_text())
    with (folder / "cohort.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    found: dict[str, list[float]] = {}
    for column in (name for name in (rows[0] if rows else ()) if name.endswith(_Z)):
        values = [float(row[column]) for row in rows if row[column] != "n/a"]
        if values:
            found[names[column.removesuffix(_Z)]["LongName"]] = values
    return found


def table(measured: Mapping[str, Mapping[str, Sequence[float]]]) -> Iterator[str]:
    """Lines of a Markdown table: a row for each size, a column for each folder."""
    yield "| z | " + " | ".join(measured) + " |"
    yield "|---|" + "---|" * len(measured)
    for size in dict.fromkeys(name for of in measured.values() for name in of):
        yield f"| {size} | " + " | ".join(_cell(of.get(size, ())) for of in measured.values()) + " |"


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "–"
    middle = statistics.median(values)
    return f"{middle:+.1f} ({min(values):+.1f} to {max(values):+.1f}; {len(values)})"


def main() -> None:
    """Print the table of folders that ``feta-infer measure`` has written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("measured", type=Path, nargs="+")
    folders: list[Path] = parser.parse_args().measured
    for folder in folders:
        if not (folder / "cohort.tsv").is_file():
            parser.error(f"{folder}: holds no cohort.tsv; name a folder that feta-infer measure has written")
    print(*table({str(folder): z_of(folder) for folder in folders}), sep="\n")


if __name__ == "__main__":
    main()

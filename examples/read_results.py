"""Read what ``feta-infer INPUT OUTPUT`` wrote: ``python examples/read_results.py OUTPUT``.

The standard library is enough; with pandas it is ``pandas.read_csv(path, sep="\\t", na_values="n/a")``.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table, by column; ``n/a`` where nothing is known."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def main(output: str) -> None:
    """Print each case's brain volume, and each size to look at."""
    for case in sorted(Path(output).rglob("*_volumes.tsv")):
        sizes = {row["measure"]: row for row in rows(case)}
        brain = sizes["total_brain"]
        print(case.name, "brain", brain["value"], brain["unit"], "centile", brain["centile"])
        for key, row in sizes.items():
            if row["flag"] != "n/a":
                print("  ", key, row["value"], row["unit"], row["flag"])
    # All cases in one table, a row each; cohort.json says what its columns are.
    print(len(rows(Path(output) / "cohort.tsv")), "cases in cohort.tsv")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])

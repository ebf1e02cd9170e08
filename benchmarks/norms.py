"""Where measured brains lie on the curves that sizes are judged by: z of each size, median, least and most.

    feta-infer measure ATLAS OUT && python -m benchmarks.norms OUT [OUT ...]

Of healthy brains the median should be 0. Sizes that no norm is for, or that two norms disagree about, have no z.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from feta.errors import FetaError
from inference.report.cohort_table import read_cohort


def z_of(folder: Path) -> dict[str, list[float]]:
    """The z of all cases that have one, the least first, by the size's full name, in the table's order.

    Raises:
        FetaError: the folder holds no table of cases.
    """
    cohort = read_cohort(folder)
    found = {size.title: [case.sizes[size.key].z for case in cohort.cases] for size in cohort.sizes}
    known = {title: sorted(z for z in values if z is not None) for title, values in found.items()}
    return {title: values for title, values in known.items() if values}


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
    try:
        print(*table({str(folder): z_of(folder) for folder in folders}), sep="\n")
    except FetaError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()

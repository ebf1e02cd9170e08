"""Segment and measure one scan: ``python examples/one_scan.py SCAN WEEKS LABELS``. Not a medical device."""

from __future__ import annotations

import sys

from feta.errors import FetaError
from inference import segment


def main(scan: str, weeks: str, labels: str) -> None:
    """Print each size with its place among healthy fetuses, and save the label map."""
    result = segment(scan, ga=weeks)
    for size in result.sizes:
        if size.value is not None:
            centile = "" if size.centile is None else f"centile {min(max(size.centile, 1), 99):.0f}"
            print(f"{size.title:45} {size.value:8.1f} {size.unit}  {centile} {size.flag}".rstrip())
    for line in result.warnings:
        print("warning:", line)
    result.save(labels)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except FetaError as error:
        sys.exit(str(error))

"""Put measured tables into a page: ``feta-train assess topology … | python -m tools.tables docs/results/PAGE.md``.

Each Markdown table that is read takes the place of the page's table with the same heading; of several with one heading
the first takes the first's place, and so on. What stands around them, and when it was measured, is yours to write.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path

#: A heading, the line under it, and rows; each line begins and ends with a bar.
TABLE = re.compile(r"^\|.*\|\n\|[-| :]+\|\n(?:\|.*\|\n)*", re.MULTILINE)


def heading(table: str) -> tuple[str, ...]:
    """The cells of the first line."""
    return tuple(cell.strip() for cell in table.splitlines()[0].strip("|").split("|"))


def filled(page: str, measured: str) -> tuple[str, int]:
    """A page with its tables replaced.

    Args:
        page: Markdown.
        measured: what a program printed, tables and other lines.

    Returns:
        The page, and how many tables were replaced.

    Raises:
        ValueError: a table was measured that the page has no place for.
    """
    waiting: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for table in TABLE.findall(measured if measured.endswith("\n") else measured + "\n"):
        waiting[heading(table)].append(table)
    count = sum(map(len, waiting.values()))

    def replaced(found: re.Match[str]) -> str:
        fitting = waiting.get(heading(found[0]))
        return fitting.pop(0) if fitting else found[0]

    text = TABLE.sub(replaced, page)
    if left := [" | ".join(head) for head, tables in waiting.items() if tables]:
        raise ValueError(f"the page has no table with the heading: {left[0]}")
    return text, count


def main(name: str) -> None:
    """Read standard input, rewrite a page."""
    page = Path(name)
    try:
        text, count = filled(page.read_text(encoding="utf-8"), sys.stdin.read())
    except (OSError, ValueError) as error:
        sys.exit(f"tables: {error}")
    if not count:
        sys.exit("tables: nothing was read that is a Markdown table")
    page.write_text(text, encoding="utf-8")
    print(f"{page}: {count} tables")


if __name__ == "__main__":
    main(sys.argv[1])

"""One self-contained page that shows a whole evaluation, and opens without a network."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from evaluation.results import Results
from feta.files import write_atomically


def write_report(path: Path, results: Results, *, pictures: Path | None = None) -> None:
    """Write report.html."""
    environment = Environment(
        loader=PackageLoader("evaluation"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    write_atomically(path, environment.get_template("report.html").render(results=results))

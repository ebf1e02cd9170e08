"""The log of a run (``log.csv``) and its curves as a picture (``curves.png``)."""

from __future__ import annotations

import csv
import io
import math
import sys
from pathlib import Path

from feta.errors import FetaError
from feta.files import write_atomically

#: Its name in the folder of a run.
LOG = "log.csv"
#: Columns that are not drawn against the steps.
_TIME = ("step", "minutes")
_REMEDY = "put it aside: the run continues with a new one"


def append_row(path: Path, row: dict[str, str]) -> None:
    """Add a row to a log. Columns that it lacked come last; they are empty in the rows before."""
    _write(path, [*read_rows(path), row])


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, dict.fromkeys(name for each in rows for name in each), restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


def drop_after(path: Path, step: int) -> None:
    """Take the rows of later steps out of a log."""
    rows = read_rows(path)
    kept = [row for row in rows if int(row["step"]) <= step]
    if len(kept) < len(rows):
        _write(path, kept)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a log; none where there is no log yet.

    Raises:
        FetaError: it can't be read, or a row lacks its step or holds what is no number.
    """
    try:
        with path.open(newline="") as stream:
            rows = [{k: v or "" for k, v in row.items() if k} for row in csv.DictReader(stream)]
        for row in rows:
            int(row["step"])
            [float(text) for text in row.values() if text]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FetaError(path, f"cannot be read ({error.strerror})", _REMEDY) from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise FetaError(path, "is no log of feta-train any more", _REMEDY) from error
    return rows


def draw_curves(log: Path, picture: Path) -> None:
    """Draw a log's columns against the steps: the loss, all that lie within 0–1 together, each other one alone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curves = _curves(read_rows(log))
    panels = _panels(curves)
    figure = Figure(figsize=(4.5 * len(panels), 3.6), layout="constrained")
    for axes, names in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for name in names:
            steps, values = curves[name]
            axes.plot(steps, values, label=name, lw=2 if name == "dice" else 1, marker="." if len(steps) < 30 else None)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, ncols=2 if len(names) > 4 else 1)
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png)
    write_atomically(picture, png.getvalue())


def _curves(rows: list[dict[str, str]]) -> dict[str, tuple[list[int], list[float]]]:
    """Steps and values of each column where it has any."""
    found: dict[str, tuple[list[int], list[float]]] = {}
    for row in rows:
        for name, text in row.items():
            if name not in _TIME and text and math.isfinite(float(text)):
                steps, values = found.setdefault(name, ([], []))
                steps.append(int(row["step"]))
                values.append(float(text))
    return found


def _panels(curves: dict[str, tuple[list[int], list[float]]]) -> list[list[str]]:
    others = [name for name in curves if name != "loss"]
    shares = [name for name in others if all(0 <= v <= 1 for v in curves[name][1])]
    alone = [[name] for name in others if name not in shares]
    return [panel for panel in (["loss"] if "loss" in curves else [], shares, *alone) if panel] or [[]]


def report(line: str) -> None:
    """Tell a person at the terminal a line of progress, on stderr."""
    print(line, file=sys.stderr, flush=True)

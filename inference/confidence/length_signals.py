"""What the five lengths tell of themselves: how far their sources are apart, and how much of them is the age."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from feta.measurements import MEASUREMENTS, Measurement
from inference.biometry.calibration import SOURCES
from inference.biometry.lengths import Length

Array = npt.NDArray[np.float64]


def length_signals(lengths: Mapping[Measurement, Length]) -> tuple[dict[str, float], dict[str, Array]]:
    """Signals of the whole and of each length (5,), in the order of MEASUREMENTS, by name; NaN where unknown.

    Args:
        lengths: the five; none of them where they were not measured.
    """
    rows = [_of(lengths.get(m)) for m in MEASUREMENTS]
    table = np.array(rows, np.float64)
    names = ("length_size", "length_width", "length_apart", "length_sources", "length_age")
    length = {name: table[:, at] for at, name in enumerate(names)}
    seen = length["length_sources"] > 0
    apart = length["length_apart"]
    case = {
        "lengths_seen": float(seen.sum()) if lengths else float("nan"),
        "lengths_apart": float(np.nanmean(apart)) if np.isfinite(apart).any() else float("nan"),
        "lengths_width": _mean(length["length_width"]),
    }
    return case, length


def _of(length: Length | None) -> tuple[float, float, float, float, float]:
    """ln(mm), ln of the half width of its interval, spread of the sources' logarithms, how many, the age's weight."""
    nothing = float("nan")
    if length is None:
        return (nothing,) * 5
    logs = np.log([v for k, v in length.estimates.items() if k in {str(s) for s in SOURCES} and v > 0])
    apart = float(logs.max() - logs.min()) if len(logs) > 1 else nothing
    size = nothing if not length.value else float(np.log(length.value))
    width = nothing if not length.value or length.interval is None else log_width(length.interval)
    return size, width, apart, float(len(logs)), length.age_share


def log_width(interval: tuple[float, float]) -> float:
    """ln of half the width of an interval in ln(mm)."""
    return float(np.log(max(np.log(interval[1] / interval[0]) / 2, 1e-3)))


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")

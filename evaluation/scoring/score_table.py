"""Everything that was measured, in dense arrays: one cell for every team, case, label and metric.

Scoring fills it, ranking and the report read it. Nothing is ever dropped: a cell that
could not be measured holds its penalty and, in the reasons, why. What was measured is one
thing, what of it counts in means and ranks another: see ``ScoreCaps``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from feta.labels import TISSUES
from feta.measurements import MEASUREMENTS

SEGMENTATION_METRICS = ("dice", "vs", "hd95", "ed", "b0", "b1", "b2")
#: The four that are ranked; the Betti differences |Δb0|, |Δb1|, |Δb2| stand beside.
RANKED_METRICS = ("dice", "vs", "hd95", "ed")
HIGHER_IS_BETTER = frozenset({"dice", "vs"})


@dataclass(frozen=True)
class CaseInfo:
    """One scored case and what participants.tsv says about it (None: not said)."""

    subject: str
    name: str
    site: str
    age: float | None = None
    pathology: str | None = None
    reconstruction: str | None = None
    field_strength: str | None = None
    quality: float | None = None
    in_domain: bool | None = None


@dataclass(frozen=True)
class ScoreCaps:
    """The most that a value counts in means, ranks and tests, so that leaving a thing out never pays.

    Attributes:
        ed: of an ED.
        betti: of |Δb0|, |Δb1| and |Δb2|.
        length: of a length's error, percent.
    """

    ed: float = math.inf
    betti: float = math.inf
    length: float = math.inf

    def of(self, metric: str) -> float:
        """The limit of a segmentation metric; infinite where it has none."""
        return {"ed": self.ed, "b0": self.betti, "b1": self.betti, "b2": self.betti}.get(metric, math.inf)

    def counted(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(…, 7) values of the segmentation metrics as they count."""
        return np.minimum(values, [self.of(metric) for metric in SEGMENTATION_METRICS])

    def counted_errors(self, errors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Errors of lengths, percent, as they count."""
        return np.minimum(errors, self.length)


@dataclass(frozen=True)
class ScoreTable:
    """Scores after penalties. T teams, C cases, 7 labels (1–7 at index 0–6), 7 metrics, 5 lengths.

    Attributes:
        teams: names of the teams, as their folders spell them.
        cases: the cases of the ground truth, every one of them scored for every team.
        values: (T, C, 7, 7) float64, metrics in the order of SEGMENTATION_METRICS; NaN for all teams
            in a case whose true map can't be read, else finite.
        reasons: (T, C, 7, 7) str; "" where measured, else a reason code.
        ed_floor: (C, 7) float64, the ED that a perfect prediction would get; NaN without a true map.
        true_lengths: (C, 5) float64 mm; NaN where the truth has none.
        lengths: (T, C, 5) float64 mm; NaN where the team gave none.
        length_errors: (T, C, 5) float64 percent after penalties; NaN where the truth has none.
        length_reasons: (T, C, 5) str; "" where measured.
        limits: the most that values and errors count.
    """

    teams: tuple[str, ...]
    cases: tuple[CaseInfo, ...]
    values: npt.NDArray[np.float64]
    reasons: npt.NDArray[np.str_]
    ed_floor: npt.NDArray[np.float64]
    true_lengths: npt.NDArray[np.float64]
    lengths: npt.NDArray[np.float64]
    length_errors: npt.NDArray[np.float64]
    length_reasons: npt.NDArray[np.str_]
    limits: ScoreCaps = ScoreCaps()

    def __post_init__(self) -> None:
        t, c = len(self.teams), len(self.cases)
        expected = {
            "values": (t, c, len(TISSUES), len(SEGMENTATION_METRICS)),
            "reasons": (t, c, len(TISSUES), len(SEGMENTATION_METRICS)),
            "ed_floor": (c, len(TISSUES)),
            "true_lengths": (c, len(MEASUREMENTS)),
            "lengths": (t, c, len(MEASUREMENTS)),
            "length_errors": (t, c, len(MEASUREMENTS)),
            "length_reasons": (t, c, len(MEASUREMENTS)),
        }
        for field, shape in expected.items():
            if getattr(self, field).shape != shape:
                raise ValueError(f"{field} has shape {getattr(self, field).shape}, not {shape}")

    @cached_property
    def counted(self) -> npt.NDArray[np.float64]:
        """``values`` as they count in means, ranks and tests, (T, C, 7, 7)."""
        return self.limits.counted(self.values)

    @cached_property
    def counted_errors(self) -> npt.NDArray[np.float64]:
        """``length_errors`` as they count, (T, C, 5) percent."""
        return self.limits.counted_errors(self.length_errors)

    @cached_property
    def mapped(self) -> npt.NDArray[np.bool_]:
        """The cases whose true map could be read, (C,)."""
        return np.asarray(np.isfinite(self.ed_floor).all(axis=1))

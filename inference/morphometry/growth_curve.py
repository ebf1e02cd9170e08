"""A published growth curve: mean and spread of one size against gestational age."""

from __future__ import annotations

from dataclasses import dataclass

#: Said of every curve, on every page and in every table's dictionary.
TRANSCRIBED = "transcribed, not checked against the paper"


@dataclass(frozen=True)
class GrowthCurve:
    """mean = q2·a² + q1·a + q0 and sd = sd2·a² + sd1·a + sd0, with a in weeks.

    Attributes:
        source: who published it.
        measure: the curve's own name for what it measures.
        weeks: first and last week that it covers.
        mean_terms: (q2, q1, q0), ml or mm.
        sd_terms: (sd2, sd1, sd0), ml or mm.
    """

    source: str
    measure: str
    weeks: tuple[float, float]
    mean_terms: tuple[float, float, float]
    sd_terms: tuple[float, float, float]

    def covers(self, age_weeks: float) -> bool:
        """Whether the curve was drawn for that age; beyond, it says nothing."""
        return self.weeks[0] <= age_weeks <= self.weeks[1]

    def mean(self, age_weeks: float) -> float:
        """Mean of healthy fetuses, ml or mm."""
        return _parabola(self.mean_terms, age_weeks)

    def sd(self, age_weeks: float) -> float:
        """Standard deviation between healthy fetuses, ml or mm."""
        return _parabola(self.sd_terms, age_weeks)


def _parabola(terms: tuple[float, float, float], age_weeks: float) -> float:
    q2, q1, q0 = terms
    return (q2 * age_weeks + q1) * age_weeks + q0

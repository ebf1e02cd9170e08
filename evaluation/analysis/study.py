"""What a forest is grown on: for each case one number a metric, and the factors that may explain it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.analysis.effects import FEWEST_IN_LEVEL
from evaluation.analysis.factors import QUALITY, Factor, factors_of, levels_of
from evaluation.analysis.results_folder import Floats, Scores
from evaluation.scoring.score_table import RANKED_METRICS, SEGMENTATION_METRICS, CaseInfo
from feta.errors import FetaError
from feta.participants import read_participants

#: Fewer cases than these say nothing about four factors.
FEWEST_CASES = 30
#: A factor that is known of a smaller share of the cases is left out, not the cases.
KNOWN_SHARE = 0.5


@dataclass(frozen=True)
class Study:
    """C cases whose factors are all known.

    Attributes:
        targets: metric → (C,) float64, the mean over teams and labels; NaN where nothing was measured.
        warnings: one line each: what was left out, and why.
    """

    cases: tuple[CaseInfo, ...]
    factors: tuple[Factor, ...]
    targets: Mapping[str, Floats]
    warnings: tuple[str, ...] = ()


def study_of(scores: Scores, team: str | None = None) -> Study:
    """The mean of all teams, or one team's scores; a penalty says nothing about an image and is left out.

    Raises:
        FetaError: the team is unknown, or too few cases or factors are left.
    """
    if team is not None and team not in scores.teams:
        raise FetaError(team, "is no team of these results", f"choose one of {', '.join(scores.teams)}")
    members = np.array([team is None or name == team for name in scores.teams])
    factors, known, warnings = _usable_factors(scores.cases)
    measured = scores.measured[members]
    penalties = int((~measured & np.isfinite(scores.values[members])).any(axis=3).sum())
    if penalties:
        warnings.append(f"{penalties} labels of a case were not measured and carry a penalty: left out")
    targets = {
        metric: _mean(scores.values[members][..., k], measured[..., k])[known]
        for metric, k in ((m, SEGMENTATION_METRICS.index(m)) for m in RANKED_METRICS)
    }
    lengths = scores.lengths_measured[members] & np.isfinite(scores.length_errors[members])
    if lengths.any():
        targets["mape"] = _mean(scores.length_errors[members], lengths)[known]
    cases = tuple(case for case, keep in zip(scores.cases, known, strict=True) if keep)
    return Study(cases, tuple(f.at(known) for f in factors), targets, tuple(warnings))


def with_quality(cases: tuple[CaseInfo, ...], estimates: Mapping[str, float]) -> tuple[tuple[CaseInfo, ...], list[str]]:
    """Fill in the image quality where nobody rated it; a rating is never replaced.

    Args:
        estimates: case or subject → estimated quality.
    """
    found = {c.name: estimates.get(c.name, estimates.get(c.subject)) for c in cases if c.quality is None}
    filled = tuple(replace(c, quality=found[c.name]) if found.get(c.name) is not None else c for c in cases)
    count = sum(value is not None for value in found.values())
    return filled, [f"the image quality of {count} of {len(cases)} cases is an estimate, not a rating"] if count else []


def with_participants(cases: tuple[CaseInfo, ...], path: Path) -> tuple[CaseInfo, ...]:
    """Fill in from a participants table what the results don't say about a case.

    Raises:
        FetaError: the table can't be used.
    """
    people = read_participants(path)
    names = ("age", "pathology", "reconstruction", "field_strength", "quality", "in_domain")

    def filled(case: CaseInfo) -> CaseInfo:
        person = people.get(case.subject)
        if person is None:
            return case
        return replace(case, **{n: getattr(person, n) if getattr(case, n) is None else getattr(case, n) for n in names})

    return tuple(filled(case) for case in cases)


def _usable_factors(cases: tuple[CaseInfo, ...]) -> tuple[list[Factor], npt.NDArray[np.bool_], list[str]]:
    """Factors that are known and differ, (C,) which cases have all of them, and what was left out."""
    warnings: list[str] = []
    usable: list[Factor] = []
    for factor in factors_of(cases):
        if factor.known.mean() < KNOWN_SHARE:
            hint = ": rate it, or estimate it with feta-evaluate quality estimate" if factor.name == QUALITY else ""
            count = int(factor.known.sum())
            warnings.append(f"{factor.name}: known of {count} of {len(cases)} cases, left out{hint}")
        else:
            usable.append(factor)
    known = np.array([all(f.known[i] for f in usable) for i in range(len(cases))], dtype=bool) & bool(usable)
    if not known.all() and usable:
        warnings.append(f"{int((~known).sum())} of {len(cases)} cases: some factor isn't known, left out")
    differing = [factor for factor in usable if len(np.unique(factor.values[known])) > 1]
    warnings += [f"{f.name}: the same for all cases, left out" for f in usable if f not in differing]
    varied = [factor for factor in differing if _has_two_levels(factor.at(known))]
    few = f"fewer than two of its values stand for {FEWEST_IN_LEVEL} cases or more, left out"
    warnings += [f"{f.name}: {few}" for f in differing if f not in varied]
    if known.sum() < FEWEST_CASES or not varied:
        raise FetaError(
            "analyse",
            f"{int(known.sum())} cases and {len(varied)} factors that differ are left; {'; '.join(warnings)}",
            f"at least {FEWEST_CASES} cases with a column of participants.tsv that differs are needed",
        )
    return varied, known, warnings


def _has_two_levels(factor: Factor) -> bool:
    """Whether there are two levels to tell apart."""
    return int((np.bincount(levels_of(factor).member) >= FEWEST_IN_LEVEL).sum()) >= 2


def _mean(values: Floats, measured: npt.NDArray[np.bool_]) -> Floats:
    """(T, C, …) → (C,): the mean of what was measured; each label or length counts alike, NaN where nothing was."""
    flat, mask = (np.moveaxis(a, 1, 0).reshape(a.shape[1], -1) for a in (values, measured))
    with np.errstate(invalid="ignore"):
        return np.where(mask, np.nan_to_num(flat), 0.0).sum(axis=1) / mask.sum(axis=1)

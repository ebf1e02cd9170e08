"""How far the age that the image shows is off, of volumes as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from inference.confidence.age_estimate import Age, AgeEstimator
from training.confidence.age_fit import fit_age
from training.confidence.causes import AS_IS
from training.confidence.quality_table import FOLDS, folds_of
from training.confidence.rows import CaseRow

#: A volume whose age is known, and the age that it shows.
Aged = tuple[CaseRow, Age]
#: In healthy fetuses of these weeks the error has a target.
HEALTHY_WEEKS = 20.0, 36.0


def ages_by(rows: Sequence[CaseRow], estimator: AgeEstimator) -> list[Aged]:
    """The estimated ages of volumes as they are; those whose age is unknown, or can't be estimated, are left out."""
    plain = ((row, row.estimated(estimator)) for row in rows if row.cause == AS_IS and np.isfinite(row.age))
    return [(row, age) for row, age in plain if age is not None]


def ages_across(rows: Sequence[CaseRow], count: int = FOLDS) -> list[Aged]:
    """Those of individuals that were left out of the fit, fold by fold, of which there are so many.

    Raises:
        FetaError: there are too few in one of the folds.
    """
    folds = folds_of(rows, count).tolist()
    fits = {fold: fit_age([r for r, f in zip(rows, folds, strict=True) if f != fold]) for fold in set(folds)}
    return [aged for row, fold in zip(rows, folds, strict=True) for aged in ages_by([row], fits[fold])]


def age_table(aged: Sequence[Aged]) -> Iterator[str]:
    """Errors of each cohort: of all, the healthy, the ill, and thirds of its ages, as Markdown; nothing of none."""
    if not aged:
        return
    yield "| cohort | age from the image | volumes | mean absolute error | bias | interval holds | half width |"
    yield "|---|---|---|---|---|---|---|"
    for name in dict.fromkeys(row.cohort for row, _ in aged):
        own = [each for each in aged if each[0].cohort == name]
        for group, members in _groups(own).items():
            if members.any():
                yield _line(name, group, [each for each, taken in zip(own, members, strict=True) if taken])
    yield "\nweeks; volumes as they are whose age is known; the interval is to hold 90 %\n"


def _groups(aged: Sequence[Aged]) -> dict[str, npt.NDArray[np.bool_]]:
    age = np.array([row.age for row, _ in aged])
    ill = np.array([row.ill for row, _ in aged], bool)
    youngest, oldest = HEALTHY_WEEKS
    first, second = np.quantile(age, [1 / 3, 2 / 3])
    return {
        "all": np.ones(len(age), bool),
        f"healthy, {youngest:.0f} to {oldest:.0f} weeks": ~ill & (age >= youngest) & (age <= oldest),
        "ill": ill,
        f"to {first:.1f} weeks": age <= first,
        f"{first:.1f} to {second:.1f} weeks": (age > first) & (age <= second),
        f"above {second:.1f} weeks": age > second,
    }


def _line(cohort: str, group: str, members: Sequence[Aged]) -> str:
    off = np.array([age.weeks - row.age for row, age in members])
    held = np.mean([age.low <= row.age <= age.high for row, age in members])
    width = np.mean([(age.high - age.low) / 2 for _, age in members])
    cells = [f"{np.abs(off).mean():.2f}", f"{off.mean():+.2f}", f"{100 * held:.0f} %", f"{width:.2f}"]
    return "| " + " | ".join([cohort, group, str(len(off)), *cells]) + " |"

"""The fit of the age on made-up rows, and its errors of individuals that were left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from feta.errors import FetaError
from inference.confidence.age_estimate import Age
from tests.support.made_up_quality import made_up_rows
from training.confidence.age_fit import fit_age
from training.confidence.age_report import age_table, ages_across, ages_by
from training.confidence.rows import CaseRow


@pytest.fixture(scope="module")
def rows() -> list[CaseRow]:
    """Good volumes, one each of 60 fetuses."""
    return [replace(row, dice=np.full(7, 0.95)) for row in made_up_rows(60, each=1)]


def of_any_size(rows: list[CaseRow], seed: int = 0) -> list[CaseRow]:
    """The same brains, each magnified: only their folds tell the age."""
    scales = np.exp(np.random.default_rng(seed).normal(0, 0.3, len(rows)))
    return [
        replace(row, volumes=row.volumes * by**3, ageless=replace(row.ageless, values=row.ageless.values * by))
        for row, by in zip(rows, scales, strict=True)
        if row.ageless is not None
    ]


def error(aged: list[tuple[CaseRow, Age]]) -> float:
    return float(np.mean([abs(age.weeks - row.age) for row, age in aged]))


def test_where_sizes_tell_little_folds_tell_the_age(rows: list[CaseRow]) -> None:
    """0.02 of noise where a week adds 0.03."""
    grown = of_any_size(rows)
    blind = [replace(row, folding=2.1 + 0.01 * (k % 2)) for k, row in enumerate(grown)]
    assert error(ages_across(grown)) < 0.6 * error(ages_across(blind))


def widths(rows: list[CaseRow], wide: bool) -> list[float]:
    aged = ages_by(rows, fit_age(rows))
    return [age.high - age.low for row, age in aged if (row.volumes[3] > 20) == wide]


def test_the_interval_is_wider_where_ventricles_are_wide_if_ages_are_less_sure_there(rows: list[CaseRow]) -> None:
    """A third has ventricles of six times the size, and stated ages that are off by weeks."""
    draw = np.random.default_rng(5)
    wide = [
        replace(row, ill=True, volumes=row.volumes * [1, 1, 1, 6, 1, 1, 1], age=row.age + draw.normal(0, 3))
        if k % 3 == 0
        else replace(row, ill=False)
        for k, row in enumerate(rows)
    ]
    assert np.median(widths(wide, True)) > 3 * np.median(widths(wide, False))


@pytest.mark.parametrize("seed", range(3))
def test_nine_of_ten_of_those_left_out_lie_within(seed: int) -> None:
    rows = [replace(row, dice=np.full(7, 0.95)) for row in made_up_rows(120, seed=seed, each=1)]
    noisy = [
        replace(row, age=row.age + e)
        for row, e in zip(rows, np.random.default_rng(seed).normal(0, 1, 120), strict=True)
    ]
    held = np.mean([age.low <= row.age <= age.high for row, age in ages_across(noisy)])
    assert 0.84 <= held <= 0.97


def test_nine_of_ten_of_others_lie_within_after_a_fit_to_a_dozen() -> None:
    """Over twenty dozens, each with thirty others; stated ages are off by a week."""
    held = []
    for seed in range(20):
        off = np.random.default_rng(seed).normal(0, 1, 42)
        made = [replace(row, dice=np.full(7, 0.95)) for row in made_up_rows(42, seed=seed, each=1)]
        rows = [replace(row, age=row.age + e) for row, e in zip(made, off, strict=True)]
        held += [age.low <= row.age <= age.high for row, age in ages_by(rows[12:], fit_age(rows[:12]))]
    assert 0.86 <= np.mean(held) <= 0.98


def test_bad_label_maps_teach_nothing(rows: list[CaseRow]) -> None:
    wrong = [replace(row, volumes=row.volumes * 3, folding=1.6, dice=np.full(7, 0.4)) for row in rows[:20]]
    assert fit_age([*rows, *wrong]).plain() == fit_age(rows).plain()


def test_spoilt_volumes_teach_nothing(rows: list[CaseRow]) -> None:
    spoilt = [replace(row, cause="noise", volumes=row.volumes * 3) for row in rows[:20]]
    assert fit_age([*rows, *spoilt]).plain() == fit_age(rows).plain()


def test_too_few_good_label_maps_are_one_line(rows: list[CaseRow]) -> None:
    with pytest.raises(FetaError, match="good volumes of 7 fetuses") as raised:
        fit_age([*rows[:7], replace(rows[0], name="another")])
    assert len(str(raised.value).splitlines()) == 1


def test_an_unknown_folding_does_not_spoil_a_fit(rows: list[CaseRow]) -> None:
    unknown = [replace(row, folding=np.nan) if k % 5 == 0 else row for k, row in enumerate(rows)]
    assert np.isfinite(fit_age(unknown).coefficients).all()


def test_a_size_that_no_volume_has_is_no_matter_later(rows: list[CaseRow]) -> None:
    assert all(row.ageless is not None for row in rows)
    lacking = [
        replace(row, ageless=replace(row.ageless, values=row.ageless.values * [np.nan, 1, 1, 1, 1]))
        for row in rows
        if row.ageless is not None
    ]
    fitted = fit_age(lacking)
    assert all(np.isfinite(list(fitted.plain()[name])).all() for name in ("centre", "spread", "coefficients"))
    assert error(ages_by(rows, fitted)) < 1.5 * error(ages_by(lacking, fitted)) + 0.1


def test_an_individual_s_age_is_told_by_a_fit_without_it(rows: list[CaseRow]) -> None:
    """However old one is said to be, what is estimated of it stays."""
    (name,) = {row.individual for row in rows[:1]}
    older = [replace(row, age=row.age + 8) if row.individual == name else row for row in rows]
    before, after = (next(age for row, age in ages_across(each) if row.individual == name) for each in (rows, older))
    assert before.weeks == pytest.approx(after.weeks)


def test_ages_are_told_in_the_order_of_the_rows(rows: list[CaseRow]) -> None:
    assert [row.name for row, _ in ages_across(rows)] == [row.name for row in rows]


def test_volumes_of_unknown_age_spoilt_or_refused_are_not_told(rows: list[CaseRow]) -> None:
    others = [replace(rows[0], age=np.nan), replace(rows[1], cause="noise"), replace(rows[2], ageless=None)]
    assert [row.name for row, _ in ages_by([*others, rows[3]], fit_age(rows))] == [rows[3].name]


def test_the_table_has_the_errors_of_each_group(rows: list[CaseRow]) -> None:
    """Four fetuses, off by 1, -1, 3 and 1 weeks, with an interval of a week to each side and two of them ill."""
    known = [(18.0, 1.0, False), (24.0, -1.0, False), (30.0, 3.0, True), (37.0, 1.0, True)]
    aged = [
        (replace(rows[0], cohort="C", age=at, ill=ill), Age(at + off, at + off - 1.0, at + off + 1.0, at))
        for at, off, ill in known
    ]
    table = "\n".join(age_table(aged))
    for line in (
        "| C | all | 4 | 1.50 | +1.00 | 75 % | 1.00 |",
        "| C | healthy, 20 to 36 weeks | 1 | 1.00 | -1.00 | 100 % | 1.00 |",
        "| C | ill | 2 | 2.00 | +2.00 | 50 % | 1.00 |",
        "| C | to 24.0 weeks | 2 | 1.00 | +0.00 | 100 % | 1.00 |",
        "| C | 24.0 to 30.0 weeks | 1 | 3.00 | +3.00 | 0 % | 1.00 |",
        "| C | above 30.0 weeks | 1 | 1.00 | +1.00 | 100 % | 1.00 |",
    ):
        assert line in table


def test_each_cohort_has_its_own_lines_in_the_order_given(rows: list[CaseRow]) -> None:
    aged = [(replace(rows[0], cohort=name), Age(28.0, 27.0, 29.0, 28.0)) for name in ("second", "first", "second")]
    assert [line.split(" | ")[:3] for line in age_table(aged) if " all " in line] == [
        ["| second", "all", "2"], ["| first", "all", "1"],
    ]  # fmt: skip


def test_without_any_age_there_is_no_table() -> None:
    assert list(age_table([])) == []

"""What expectations are worth: coverage, width, and the area under the risk–coverage curve, against plain sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.report.write import write_outputs
from evaluation.scoring.confidence import ConfidenceScore, risk_coverage
from evaluation.scoring.score import score
from feta.labels import TISSUES
from tests.support.small_brains import LENGTHS, write_team, write_truth

HEADER = "case,measure,target,value,low,high\n"


def expect(team: Path, case: int, rows: list[str]) -> None:
    stem = f"sub-{case:03d}_rec-mial_T2w"
    path = team / f"sub-{case:03d}" / "anat" / f"{stem}_confidence.csv"
    path.write_text(HEADER + "".join(f"{stem},{row}\n" for row in rows))


def dice(value: float, low: float, high: float) -> list[str]:
    return [f"dice,{t.name},{value},{low},{high}" for t in TISSUES]


def scored(tmp_path: Path) -> ConfidenceScore:
    found = score(tmp_path / "truth", tmp_path / "teams", jobs=1)[1].confidence
    assert list(found) == ["us"]
    return found["us"]


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """Perfect label maps, lengths 10 % too long; another team expects nothing."""
    write_truth(tmp_path / "truth", 2)
    write_team(tmp_path / "teams" / "others", 2)
    return write_team(tmp_path / "teams" / "us", 2, factor=1.1)


def test_intervals_that_hold_half_of_the_truths_are_told_so(tmp_path: Path, team: Path) -> None:
    expect(team, 1, dice(0.95, 0.9, 1.0))
    expect(team, 2, dice(0.8, 0.7, 0.9))
    found = scored(tmp_path).measures["dice"]
    assert (found.pairs, found.held) == (14, 0.5)
    assert found.half_width == pytest.approx((0.05 + 0.1) / 2)
    assert found.error == pytest.approx((0.05 + 0.2) / 2)


def test_lengths_are_told_in_per_cent_of_the_true_ones(tmp_path: Path, team: Path) -> None:
    true = LENGTHS[4] + 1
    expect(team, 1, [f"length,TCD,{1.1 * true},{0.9 * true},{1.3 * true}"])
    found = scored(tmp_path).measures["length"]
    assert (found.pairs, found.held) == (1, 1.0)
    assert found.error == pytest.approx(10)
    assert found.half_width == pytest.approx(20)


def test_a_missing_label_map_has_the_dice_of_its_penalty(tmp_path: Path, team: Path) -> None:
    (team / "sub-001/anat/sub-001_rec-mial_T2w_dseg.nii.gz").unlink()
    expect(team, 1, dice(0.95, 0.9, 1.0))
    assert scored(tmp_path).measures["dice"].held == 0


def test_a_team_that_knows_its_bad_case_has_the_least_area(tmp_path: Path, team: Path) -> None:
    (team / "sub-001/anat/sub-001_rec-mial_T2w_dseg.nii.gz").unlink()
    expect(team, 1, dice(0.1, 0.0, 0.3))
    expect(team, 2, dice(0.95, 0.9, 1.0))
    found = scored(tmp_path)
    assert (found.area, found.best, found.chance) == pytest.approx((0.25, 0.25, 0.5))


def test_what_is_wrong_with_a_file_is_said_of_its_team(tmp_path: Path, team: Path) -> None:
    expect(team, 1, ["dice,GM,much,0,1"])
    _, messages = score(tmp_path / "truth", tmp_path / "teams", jobs=1)
    assert any("must be numbers" in line for line in messages.teams["us"])
    assert messages.teams["others"] == []


def test_the_report_shows_it_and_results_json_holds_it(tmp_path: Path, team: Path) -> None:
    import json

    expect(team, 1, dice(0.95, 0.9, 1.0))
    table, messages = score(tmp_path / "truth", tmp_path / "teams", jobs=1)
    write_outputs(tmp_path / "out", table, messages)
    held = json.loads((tmp_path / "out" / "results.json").read_text())["confidence"]["us"]["measures"]["dice"]["held"]
    assert held == 1.0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "What teams expected of their results" in page
    assert ">1 of 2<" in page  # a team that leaves out its bad cases is seen to


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3)), min_size=1, max_size=12))
def test_equally_sure_cases_count_in_the_mean_of_their_orders(pairs: list[tuple[float, int]]) -> None:
    """So that the order of files gives no advantage; the last point is always the mean of all."""
    risk, sure = np.array([r for r, _ in pairs]), np.array([s for _, s in pairs], float)
    forward, backward = risk_coverage(risk, sure), risk_coverage(risk[::-1], sure[::-1])
    np.testing.assert_allclose(forward, backward, atol=1e-12)
    assert forward[-1] == pytest.approx(risk.mean())


def test_the_curve_of_a_known_order() -> None:
    found = risk_coverage(np.array([0.3, 0.0, 0.6]), np.array([0.5, 0.9, 0.1]))
    np.testing.assert_allclose(found, [0.0, 0.15, 0.3])

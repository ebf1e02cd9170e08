"""Tables of experts' points and of a cohort's percentiles: what is read, and what is refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from feta.errors import FetaError
from feta.measurements import Measurement
from training.data.expert_points import read_percentiles, read_points

POINTS = "subject,measure,x1,y1,z1,x2,y2,z2,length_mm\n"
PERCENTILES = "source,measure,ga_weeks,p5_mm,p50_mm,p95_mm\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def test_points_in_ras_become_points_in_lps(tmp_path: Path) -> None:
    found = read_points(written(tmp_path, POINTS + "sub-a,TCD,1,2,3,-5,2,3,6\nsub-a,HV,0,0,0,0,3,4,5\n"))
    assert found["sub-a"][Measurement.TCD].start == (-1.0, -2.0, 3.0)
    assert found["sub-a"][Measurement.TCD].end == (5.0, -2.0, 3.0)
    assert found["sub-a"][Measurement.HV].length == pytest.approx(5.0)


def test_percentiles_are_read_by_length(tmp_path: Path) -> None:
    text = PERCENTILES + "a cohort,HV,22,9,10,11\na cohort,HV,23,10,11,12\na cohort,LCC,22,19,20,21\n"
    found = read_percentiles(written(tmp_path, text))
    assert found[Measurement.HV].tolist() == [[22, 9, 10, 11], [23, 10, 11, 12]]
    assert found[Measurement.LCC].tolist() == [[22, 19, 20, 21]]


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (read_points, "subject,measure\n", "no column 'x1'"),
        (read_points, POINTS + "sub-a,TCD,1,2,3,-5,2,nan,6\n", "line 2 holds 'nan'"),
        (read_points, POINTS + "sub-a,TCD,1,2\n", "line 2 holds ''"),
        (read_points, POINTS + "sub-a,CBD,1,2,3,4,5,6,7\n", "line 2 measures 'CBD'"),
        (read_percentiles, PERCENTILES + "a cohort,HV,22,9,1e999,11\n", "line 2 holds '1e999'"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(
    tmp_path: Path, read: Callable[[Path], object], text: str, said: str
) -> None:
    with pytest.raises(FetaError, match=said):
        read(written(tmp_path, text))

"""What one person with one scan reads on the terminal."""

from __future__ import annotations

import io

from rich.console import Console

from inference.morphometry.measured import Kind, Measured
from inference.runs.summary import summary_table


def test_a_curvature_has_digits_to_compare_it_by() -> None:
    """Those of fetal brains lie about 0.1 per mm."""
    text = io.StringIO()
    curvature = Measured("white_curvature_left", "white surface, mean |curvature|, left", Kind.CURVATURE, 0.1374)
    area = Measured("white_area_left", "white surface, area, left", Kind.AREA, 5264.52)
    Console(file=text, width=80).print(summary_table([curvature, area], 30.0))
    rows = [" ".join(line.split()) for line in text.getvalue().splitlines()]
    assert "white surface, mean |curvature|, left 0.137 1/mm –" in rows
    assert "white surface, area, left 5264.5 mm^2 –" in rows

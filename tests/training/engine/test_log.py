from pathlib import Path

import numpy as np
from matplotlib.image import imread

from training.engine.log import append_row, draw_curves, read_rows


def _row(step: int, **values: float) -> dict[str, str]:
    return {"step": str(step), "minutes": "0.5"} | {name: str(value) for name, value in values.items()}


def test_a_log_gives_back_what_was_added(tmp_path: Path) -> None:
    rows = [_row(1, loss=2.0, dice=0.5), _row(2, loss=1.0, dice=0.6)]
    for row in rows:
        append_row(tmp_path / "log.csv", row)
    assert read_rows(tmp_path / "log.csv") == rows


def test_an_older_log_gets_new_columns(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_bytes(b"step,minutes,loss,dice\r\n500,10.3,0.5,0.8\r\n")
    append_row(log, _row(1000, loss=0.4, dice=0.82, hd95=1.5))
    assert log.read_text().splitlines()[0] == "step,minutes,loss,dice,hd95"
    assert [row["hd95"] for row in read_rows(log)] == ["", "1.5"]


def test_a_figure_that_is_no_longer_measured_stays_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    append_row(log, _row(1, loss=2.0, old=7.0))
    append_row(log, _row(2, loss=1.0))
    assert [row["old"] for row in read_rows(log)] == ["7.0", ""]


def _drawn(tmp_path: Path, name: str, *rows: dict[str, str]) -> np.ndarray:
    for row in rows:
        append_row(tmp_path / f"{name}.csv", row)
    draw_curves(tmp_path / f"{name}.csv", tmp_path / f"{name}.png")
    return np.asarray(imread(tmp_path / f"{name}.png"))


def test_each_figure_beyond_0_to_1_has_a_panel_of_its_own(tmp_path: Path) -> None:
    few = _drawn(tmp_path, "few", _row(1, loss=2.0, dice=0.5, gm=0.4), _row(2, loss=1.0, dice=0.6, gm=0.5))
    more = _drawn(tmp_path, "more", _row(1, loss=2.0, dice=0.5, gm=0.4, hd95=9.0))
    assert more.shape[1] * 2 == few.shape[1] * 3


def test_the_picture_follows_the_log(tmp_path: Path) -> None:
    up = _drawn(tmp_path, "up", _row(1, loss=1.0), _row(2, loss=2.0))
    down = _drawn(tmp_path, "down", _row(1, loss=2.0), _row(2, loss=1.0))
    assert (up != down).any()


def test_values_that_are_no_numbers_leave_a_gap(tmp_path: Path) -> None:
    assert _drawn(tmp_path, "gap", _row(1, loss=1.0, ed=float("nan")), _row(2, loss=2.0, ed=5.0)).size

"""The bench: what it measures, what it keeps, and how its table is counted."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from evaluation.scoring.score_table import SEGMENTATION_METRICS
from feta.errors import FetaError
from feta.labels import TISSUES, Tissue
from feta.participants import Participant
from feta.volumes import Volume, write_label_map, write_volume
from inference.runs.settings import default_weights
from tests.support.small_brains import brain, volume
from training.assessment import bench
from training.assessment.bench_table import Result, table_rows
from training.assessment.validation import scores


class Segmented:
    """In place of the networks: the truth, with grey and white matter swapped; counts what it is asked for."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, image: Volume) -> Segmented:
        self.calls += 1
        labels = np.rint(image.array / 100).astype(np.uint8)
        swapped = labels.copy()
        swapped[labels == Tissue.GM], swapped[labels == Tissue.WM] = Tissue.WM, Tissue.GM
        self.labels = Volume(swapped, image.grid)
        return self


@pytest.fixture
def segmented(monkeypatch: pytest.MonkeyPatch) -> Segmented:
    found = Segmented()
    monkeypatch.setattr(bench, "load_segmenter", lambda *_: found)
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data" / "atlas"
    rows = ["participant_id\tpathology\tquality"]
    for number in (1, 2, 3):
        name = f"sub-a{number}"
        labels = volume(brain())
        folder = root / name / "anat"
        folder.mkdir(parents=True)
        write_label_map(folder / f"{name}_T2w_dseg.nii.gz", labels)
        write_volume(folder / f"{name}_T2w.nii.gz", Volume(100.0 * labels.array.astype(np.float32), labels.grid))
        rows.append(f"{name}\t{'spina bifida' if number == 3 else 'healthy'}\t{number}")
    (root / "participants.tsv").write_text("\n".join(rows) + "\n")
    return tmp_path / "data"


def settings(folder: Path, **part: object) -> Path:
    path = folder / "bench.yaml"
    entries = {"name": "atlas", "data": "atlas", **part}
    path.write_text("parts:\n  - {" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}\n")
    return path


def run(folder: Path, out: Path, **part: object) -> list[str]:
    return list(bench.run_bench(settings(folder, **part), folder, default_weights(), out))


def test_scores_are_the_evaluators_and_tissues_taken_for_one_are_one(
    data: Path, tmp_path: Path, segmented: Segmented
) -> None:
    lines = run(data, tmp_path / "out", together="GM WM", by="[pathology, quality]")
    table = (tmp_path / "out" / "bench.md").read_text().splitlines()
    assert lines[-len(table) :] == table
    rows = {row.split("|")[1].strip(): [cell.strip() for cell in row.split("|")[2:-1]] for row in table[2:]}
    assert list(rows) == [
        "atlas",
        "atlas, GM and WM as one",
        "atlas, healthy",
        "atlas, spina bifida",
        "atlas, worst tenth of images",
    ]
    assert [row[0] for row in rows.values()] == ["3", "3", "2", "1", "1"]
    assert float(rows["atlas"][1]) == pytest.approx(5 / 7, abs=0.02)  # two of seven tissues are wrong
    assert float(rows["atlas, GM and WM as one"][1]) == 1.0
    assert all(len(row) == len(table[1].split("|")) - 3 for row in rows.values())


def test_what_was_measured_is_not_measured_again(data: Path, tmp_path: Path, segmented: Segmented) -> None:
    first = run(data, tmp_path / "out")
    assert segmented.calls == 3
    assert run(data, tmp_path / "out") == first
    assert segmented.calls == 3


def test_a_run_that_was_killed_goes_on(data: Path, tmp_path: Path, segmented: Segmented) -> None:
    whole = run(data, tmp_path / "out")
    text = (tmp_path / "out" / "bench.csv").read_text()
    (tmp_path / "out" / "bench.csv").write_text(text[: int(len(text) * 0.6)])
    assert run(data, tmp_path / "out") == whole
    assert segmented.calls == 5
    rows = list(csv.reader((tmp_path / "out" / "bench.csv").open()))
    assert tuple(rows[0]) == bench.COLUMNS


def test_other_weights_are_measured_anew(
    data: Path, tmp_path: Path, segmented: Segmented, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(data, tmp_path / "out")
    monkeypatch.setattr(bench, "networks_digest", lambda _: "another")
    run(data, tmp_path / "out")
    assert segmented.calls == 6


def test_each_condition_is_a_row(data: Path, tmp_path: Path, segmented: Segmented) -> None:
    run(data, tmp_path / "out", conditions="[as is, bias]", subjects="sub-a1")
    table = (tmp_path / "out" / "bench.md").read_text().splitlines()
    assert [row.split("|")[1].strip() for row in table[2:]] == ["atlas", "atlas, bias"]
    assert segmented.calls == 2


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"conditions": "[fog]"}, "no condition"),
        ({"by": "[mood]"}, "pathology and quality"),
        ({"together": "GM bone"}, "names of tissues"),
        ({"subjects": "sub-z*"}, "whose subject fits"),
        ({"data": "nowhere"}, "nowhere"),
        ({"weights": "nowhere"}, "nowhere"),
    ],
)
def test_what_is_wrong_is_one_line(
    data: Path, tmp_path: Path, segmented: Segmented, part: dict[str, str], said: str
) -> None:
    with pytest.raises(FetaError, match=said):
        run(data, tmp_path / "out", **part)
    assert segmented.calls == 0


def test_a_part_whose_folder_is_not_there_is_left_out_and_said_to_be(
    data: Path, tmp_path: Path, segmented: Segmented
) -> None:
    there = "{name: atlas, data: atlas}"
    gaps = "{name: cohort, data: nowhere}, {name: across, data: atlas, weights: none}"
    (data / "gaps.yaml").write_text(f"parts: [{gaps}, {there}]\n")
    lines = list(bench.run_bench(data / "gaps.yaml", data, default_weights(), tmp_path / "out"))
    assert lines[:2] == [
        f"cohort: left out, as there is no {data / 'nowhere'}",
        f"across: left out, as there is no {data / 'none'}",
    ]
    table = (tmp_path / "out" / "bench.md").read_text().splitlines()
    assert [row.split("|")[1:3] for row in table[2:4]] == [
        [" cohort ", " not measured "],
        [" across ", " not measured "],
    ]
    assert len({row.count("|") for row in table if "Σ" not in row}) == 1
    assert segmented.calls == 3


def test_without_parts_there_is_nothing_to_do(data: Path, tmp_path: Path) -> None:
    (data / "none.yaml").write_text("parts: []\n")
    with pytest.raises(FetaError, match="no parts"):
        list(bench.run_bench(data / "none.yaml", data, default_weights(), tmp_path / "out"))


def result(subject: str, dice: float) -> Result:
    values = np.zeros((len(TISSUES), len(SEGMENTATION_METRICS)))
    values[:, 0] = dice
    values[2, 0] = dice - 0.07
    return Result(subject, values, float("nan"))


def test_the_worst_case_and_its_worst_tissue_are_named() -> None:
    (row,) = table_rows("all", [result("sub-1", 0.9), result("sub-2", 0.6), result("sub-3", 0.8)], "", (), {})
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    means = np.array([0.9, 0.6, 0.8]) - 0.01
    assert cells[:5] == ["all", "3", f"{means.mean():.3f}", f"{np.percentile(means, 10):.3f}", f"{means.min():.3f}"]
    assert cells[-1] == "sub-2: WM 0.530"


def test_the_worst_tenth_is_of_those_whose_quality_is_rated() -> None:
    results = [result(f"sub-{n}", 0.5 + n / 100) for n in range(20)]
    people = {f"sub-{n}": Participant(f"sub-{n}", quality=float(n)) for n in range(19)}
    rows = list(table_rows("all", results, "", ("quality",), people))
    assert [row.split("|")[2].strip() for row in rows] == ["20", "2"]
    assert "0.495" in rows[1]  # of sub-0 and sub-1, 0.5 and 0.51 less the hundredth of one tissue


def test_a_perfect_prediction_is_perfect() -> None:
    labels = volume(brain())
    assert np.allclose(scores(labels, labels)[:, 0], 1.0)

"""``feta-infer measure``: label maps in, tables out, and one clear line for what is no brain in FeTA's labels."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feta.grid import Grid
from feta.labels import Tissue
from feta.volumes import Volume, write_label_map, write_volume
from inference.cli import main
from inference.derivatives.label_tables import label_tables
from tests.support.folders import SMALL
from tests.support.heads import LENGTHS, make_head

Call = Callable[..., int]
HEAD = make_head((1.5, 1.5, 1.5)).labels


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls feta-infer measure in this process, without weights, and gives its exit status."""
    monkeypatch.setenv("FETA_WEIGHTS", "/nowhere")
    monkeypatch.setattr("inference.cli.stop_on_sigterm", lambda: None)
    monkeypatch.setattr("inference.runs.at_once.allowed_threads", lambda: 1)  # all cases in this process

    def start(*arguments: str | Path) -> int:
        monkeypatch.setattr(sys, "argv", ["feta-infer", "measure", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        assert isinstance(end.value.code, int)
        return end.value.code

    return start


def saved(path: Path, array: np.ndarray | None = None, labels: Volume = HEAD) -> Path:
    """A label map, whatever its values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    volume = labels if array is None else Volume(np.ascontiguousarray(array), labels.grid)
    if volume.array.max() < 8:
        write_label_map(path, Volume(volume.array.astype(np.uint8), volume.grid))
    else:
        write_volume(path, volume)
    return path


def sizes(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", index_col="measure")


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def errors(capsys: pytest.CaptureFixture[str], start: str = "error: ") -> list[str]:
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return [line for line in said.splitlines() if line.startswith(start)]


def test_one_label_map_gets_its_tables_beside_it_without_any_network(
    tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path / "a_dseg.nii.gz")
    assert call(path, "--ga", "28") == 0
    assert names(tmp_path) == {"a_dseg.nii.gz", "a_volumes.tsv", "a_biom.csv", "a_biom.json", "a_measure.json"}
    found = sizes(tmp_path / "a_volumes.tsv")
    for tissue in set(Tissue) - {Tissue.BACKGROUND}:
        assert found.value[tissue.name] == pytest.approx((HEAD.array == tissue).sum() * 1.5**3 / 1000, abs=1e-3)
    for measurement, length in LENGTHS.items():
        assert found.value[measurement] == pytest.approx(length, rel=0.06)
    said = capsys.readouterr().out
    assert "centile at 28 weeks" in said
    assert "white matter, left" in said


def test_a_header_that_is_turned_changes_nothing(tmp_path: Path, call: Call) -> None:
    turn = np.array([[0.0, 0.6, 0.8], [1.0, 0.0, 0.0], [0.0, 0.8, -0.6]])
    for name, labels in (("a", HEAD), ("b", make_head((1.5, 1.5, 1.5), turn=turn).labels)):
        assert call(saved(tmp_path / f"{name}.nii.gz", labels=labels), "--ga", "28") == 0
    a, b = (sizes(tmp_path / f"{name}_volumes.tsv").value for name in "ab")
    assert a[list(LENGTHS)].to_numpy() == pytest.approx(b[list(LENGTHS)].to_numpy(), rel=0.06)
    assert a["WM_left"] == pytest.approx(b["WM_left"], rel=0.03)


def test_a_folder_needs_an_output_and_takes_ages_from_its_table(tmp_path: Path, call: Call) -> None:
    for n in (1, 2):
        saved(tmp_path / "in" / f"sub-{n}" / "anat" / f"sub-{n}_T2w_dseg.nii.gz")
    (tmp_path / "in" / "participants.tsv").write_text("participant_id\tga\nsub-1\t28\nsub-2\t30\n")
    assert call(tmp_path / "in") == 2
    assert call(tmp_path / "in", tmp_path / "out") == 0
    cases = {f"sub-{n}/anat/sub-{n}_T2w_{end}" for n in (1, 2) for end in ("volumes.tsv", "biom.csv", "biom.json")}
    of_the_run = {"run.json", "cohort.tsv", "cohort.json", *label_tables()}
    records = {f"sub-{n}/anat/sub-{n}_T2w_measure.json" for n in (1, 2)}
    assert names(tmp_path / "out") == cases | of_the_run | records
    cohort = pd.read_csv(tmp_path / "out" / "cohort.tsv", sep="\t")
    assert list(cohort.participant_id) == ["sub-1", "sub-2"]
    assert list(cohort.gestational_age) == [28, 30]
    assert json.loads((tmp_path / "out" / "run.json").read_text())["device"] == "none: label maps were given"


def test_a_case_that_fails_keeps_its_age_in_the_table_and_the_last_lines_name_that(
    tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path / "in" / "sub-1_dseg.nii.gz")
    (tmp_path / "in" / "sub-2_dseg.nii.gz").write_bytes(b"no map")
    (tmp_path / "in" / "participants.tsv").write_text("participant_id\tga\nsub-1\t28\nsub-2\t30\n")
    assert call(tmp_path / "in", tmp_path / "out") == 1
    cohort = pd.read_csv(tmp_path / "out" / "cohort.tsv", sep="\t")
    assert list(zip(cohort.status, cohort.gestational_age, strict=True)) == [("done", 28), ("failed", 30)]
    first, table = capsys.readouterr().out.splitlines()
    assert first.startswith("results of 1 of 2 cases, 1 failed")
    assert str(tmp_path / "out" / "cohort.tsv") in table


def test_a_flat_folder_gives_its_label_maps_and_says_what_it_leaves_out(
    tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a_dseg.nii.gz", "b_seg.nii", "b_mask.nii.gz", "b_meas.nii.gz"):
        saved(tmp_path / "in" / name)
    write_volume(tmp_path / "in" / "a.nii.gz", SMALL)
    assert call(tmp_path / "in", tmp_path / "out") == 0
    assert {n for n in names(tmp_path / "out") if n.endswith("_volumes.tsv")} == {"a_volumes.tsv", "b_seg_volumes.tsv"}
    assert any("a.nii.gz" in line for line in errors(capsys, "warning: "))


def test_an_image_gives_a_picture_and_must_be_on_the_same_grid(tmp_path: Path, call: Call) -> None:
    path = saved(tmp_path / "a_dseg.nii.gz")
    head = make_head((1.5, 1.5, 1.5)).image
    wave = np.where(head.array > 0, head.array + 20 * np.sin(np.arange(head.array.size)).reshape(head.array.shape), 0)
    write_volume(tmp_path / "a_T2w.nii.gz", Volume(wave.astype(np.float32), head.grid))
    write_volume(tmp_path / "other.nii.gz", SMALL)
    assert call(path, tmp_path / "out", "--image", tmp_path / "a_T2w.nii.gz") == 0
    assert (tmp_path / "out" / "a_qc.png").exists()
    assert call(path, tmp_path / "out2", "--image", tmp_path / "other.nii.gz") == 1


def test_an_image_or_age_is_for_one_label_map(tmp_path: Path, call: Call) -> None:
    saved(tmp_path / "in" / "a.nii.gz")
    assert call(tmp_path / "in", tmp_path / "out", "--ga", "28") == 2
    assert call(tmp_path / "in", tmp_path / "out", "--image", tmp_path / "in" / "a.nii.gz") == 2


THEIRS = np.array([0, 41, 12, 13, 7, 99, 3, 50], np.float32)


@pytest.mark.parametrize("kind", ["yaml", "tsv", "tsv with a header"])
def test_other_values_are_measured_by_a_mapping(kind: str, tmp_path: Path, call: Call) -> None:
    path = saved(tmp_path / "a_dseg.nii.gz", THEIRS[HEAD.array])
    pairs = dict(zip(map(int, THEIRS[1:]), ("ECSF", 2, "wm", 4, 5, 6, "BSM"), strict=True))
    separator = ": " if kind == "yaml" else "\t"
    lines = [f"{theirs}{separator}{ours}" for theirs, ours in pairs.items()]
    mapping = tmp_path / f"map.{kind[:4].strip()}"
    mapping.write_text("\n".join(["theirs\tours"] * ("header" in kind) + lines) + "\n")
    assert call(path, "--mapping", mapping) == 0
    assert sizes(tmp_path / "a_volumes.tsv").value["WM"] == pytest.approx(
        (HEAD.array == 3).sum() * 1.5**3 / 1000, abs=1e-3
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("41: 1\n12: 2\n", "doesn't name: 3, 7, 13"),
        ("41: 9\n", "maps no value to a label"),
        ("41: cortex\n", "maps no value to a label"),
        ("- 41\n", "is no mapping"),
        ("{", "is not YAML"),
        ("41: 0\n", "maps nothing to a tissue"),
    ],
)
def test_a_mapping_that_does_not_fit_is_one_clear_line(
    content: str, words: str, tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "map.yaml").write_text(content)
    assert call(saved(tmp_path / "a.nii.gz", THEIRS[HEAD.array]), "--mapping", tmp_path / "map.yaml") in (1, 2)
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert names(tmp_path) == {"a.nii.gz", "map.yaml"}


def shifted(by: int) -> np.ndarray:
    return np.where(HEAD.array > 0, (HEAD.array.astype(int) + by - 1) % 7 + 1, 0)


def swapped(one: Tissue, other: Tissue) -> np.ndarray:
    table = np.arange(8)
    table[[one, other]] = other, one
    return table[HEAD.array]


@pytest.mark.parametrize(
    "array",
    [
        THEIRS[HEAD.array],
        shifted(1),
        shifted(-1),
        swapped(Tissue.ECSF, Tissue.GM),
        swapped(Tissue.GM, Tissue.WM),
        swapped(Tissue.CBM, Tissue.BSM),
        swapped(Tissue.SGM, Tissue.CBM),
        np.array([0, 1, 2, 3, 5, 6, 7, 0])[HEAD.array],  # as dHCP numbers them
        np.zeros_like(HEAD.array),
    ],
    ids=["other values", "plus 1", "minus 1", "ECSF-GM", "GM-WM", "CBM-BSM", "SGM-CBM", "dHCP", "empty"],
)
def test_labels_of_another_protocol_are_refused_in_a_line_that_names_the_mapping(
    array: np.ndarray, tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(saved(tmp_path / "a.nii.gz", array)) == 1
    (line,) = errors(capsys)
    assert "--mapping" in line or "empty" in line
    assert names(tmp_path) == {"a.nii.gz"}


@pytest.mark.parametrize("tissue", [Tissue.CBM, Tissue.BSM, Tissue.SGM, Tissue.VM])
def test_of_a_map_without_a_tissue_the_rest_is_measured_and_it_is_said(
    tissue: Tissue, tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(saved(tmp_path / "a.nii.gz", np.where(HEAD.array == tissue, 0, HEAD.array)), "--ga", "28") == 0
    assert any("holds no" in line for line in errors(capsys, "warning: "))
    found = sizes(tmp_path / "a_volumes.tsv")
    assert pd.isna(found.value[tissue.name])
    assert found.flag[tissue.name] == "not in the label map"
    assert found.value["WM"] > 0
    assert found.value["WM_left"] > 0


@pytest.mark.parametrize("axis", [2])
@pytest.mark.parametrize("upper", [False, True])
def test_of_half_a_brain_no_length_and_no_side_is_measured(
    axis: int, upper: bool, tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    middle = HEAD.array.shape[axis] // 2
    half = np.arange(HEAD.array.shape[axis]) < middle
    kept = np.where(half != upper, HEAD.array, 0)
    status = call(saved(tmp_path / "a.nii.gz", kept))
    said = [*errors(capsys, "warning: ")]
    if status == 0:
        found = sizes(tmp_path / "a_volumes.tsv")
        assert any("half a brain" in line for line in said)
        assert found.value[[*LENGTHS, "WM_left", "WM_right"]].isna().all()
    else:
        assert not (tmp_path / "a_volumes.tsv").exists()


def test_a_map_without_hindbrain_tells_no_pose(tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    cerebrum = np.where(np.isin(HEAD.array, (Tissue.CBM, Tissue.BSM)), 0, HEAD.array)
    assert call(saved(tmp_path / "a.nii.gz", cerebrum)) == 0
    assert any("how the brain lies" in line for line in errors(capsys, "warning: "))
    assert sizes(tmp_path / "a_volumes.tsv").value[[*LENGTHS, "WM_left"]].isna().all()


def test_an_age_beyond_the_norms_gives_no_centile_and_it_is_said(tmp_path: Path, call: Call) -> None:
    assert call(saved(tmp_path / "a.nii.gz"), "--ga", "17") == 0
    found = sizes(tmp_path / "a_volumes.tsv")
    assert found.centile.isna().all()
    assert found.flag["WM"] == "age beyond the norms"


def test_what_another_call_has_written_is_not_replaced(
    tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path / "a_dseg.nii.gz")
    (tmp_path / "a_biom.csv").write_text("the networks' own")
    assert call(path) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "a_biom.csv").read_text() == "the networks' own"
    assert call(path, "--overwrite") == 0


def test_a_finished_label_map_is_not_measured_again_until_it_changes(
    tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path / "a_dseg.nii.gz")
    for array, done in ((HEAD.array, "done"), (HEAD.array, "already finished"), (np.roll(HEAD.array, 1, 0), "done")):
        saved(path, array)
        assert call(path) == 0
        assert done in capsys.readouterr().err


@pytest.mark.parametrize("what", ["nowhere.nii.gz", "empty", "text.nii.gz"])
def test_no_label_map_is_status_1_or_2_in_a_line(
    what: str, tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.nii.gz").write_text("no volume")
    assert call(tmp_path / what, tmp_path / "out") in (1, 2)
    assert "Traceback" not in capsys.readouterr().err


def scaled(factor: float) -> Volume:
    """The head with a header that makes it so many times larger."""
    grid = HEAD.grid
    sides = (factor * grid.spacing[0], factor * grid.spacing[1], factor * grid.spacing[2])
    return Volume(HEAD.array, Grid(grid.size, sides, grid.origin, grid.direction))


def test_a_brain_of_metres_is_one_line_and_no_end_of_memory(
    call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path / "a_dseg.nii.gz", labels=scaled(8.0))
    assert call(tmp_path / "a_dseg.nii.gz") != 0
    (line,) = errors(capsys)
    assert "no fetal brain's size" in line
    assert "unit" in line


@pytest.mark.parametrize("factor", [0.1, 2.5])
def test_a_brain_of_no_fetal_size_is_said(
    call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str], factor: float
) -> None:
    """Centimetres for millimetres; inches for centimetres."""
    saved(tmp_path / "a_dseg.nii.gz", labels=scaled(factor))
    call(tmp_path / "a_dseg.nii.gz")
    said = capsys.readouterr().err
    assert "no fetal brain's size" in said
    assert "Traceback" not in said

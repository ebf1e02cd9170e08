"""The benchmarks of a case, a start and a training step: what they would tell wrong in silence; calls that can't be."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks import other_labels
from benchmarks.case import PARTS, ROOT
from benchmarks.norms import main, table, z_of
from benchmarks.training_step import measure
from feta.grid import Grid
from feta.volumes import Volume, read_volume, write_label_map, write_volume
from tests.support.tiny_subjects import write_balls
from training.data.partial_labels import read_label_set
from training.data.provenance import read_source_subjects
from training.data.subject import pairs

SOURCES = [path for folder in ("feta", "inference") for path in (ROOT / folder).rglob("*.py")]


@pytest.mark.parametrize("part", [part for part in PARTS if part != "torch, imported"])
def test_a_part_s_function_is_there(part: str) -> None:
    """One that was renamed or moved would be told to take no time."""
    found = [
        path
        for end, name in PARTS[part]
        for path in SOURCES
        if path.as_posix().endswith(end) and (name == "<module>" or name in functions(path))
    ]
    assert found


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


NO_VOLUME = (["nowhere.nii.gz", "--base", ""], "nowhere.nii.gz: cannot be read as a volume")
NO_FOLDER = (["nowhere", "--base", ""], "nowhere: is not a folder of atlases")


@pytest.mark.parametrize(
    ("benchmark", "refused"), [("case", NO_VOLUME), ("startup", NO_VOLUME), ("training_step", NO_FOLDER)]
)
def test_a_call_that_cannot_be_is_refused(benchmark: str, refused: tuple[list[str], str]) -> None:
    never = (["nowhere.nii.gz", "--repeats", "0"], "argument --repeats: invalid times value: '0'")
    for arguments, said in (refused, never):
        call = [sys.executable, "-m", f"benchmarks.{benchmark}", *arguments]
        done = subprocess.run(call, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
        assert done.returncode in (1, 2)
        assert done.stderr.splitlines()[-1].endswith(said)
        assert "Traceback" not in done.stderr


def test_a_training_step_and_its_sample_are_timed_but_the_first(tmp_path: Path) -> None:
    """By functions of the loop and the task, which are named in a string: one that was renamed fails here."""
    atlases = write_balls(tmp_path / "atlases", ("sub-a",))
    seconds = measure(ROOT, atlases, tmp_path, cores=1, steps=2, size=32, ordinary=True)
    assert len(seconds) == 2
    assert all(step > 0 and sample > 0 for step, sample in seconds)


def test_a_training_that_fails_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"^training in .* failed: feta-train: .*$"):
        measure(ROOT, tmp_path, tmp_path, cores=1, steps=1, size=16, ordinary=False)


def write_rows(folder: Path, rows: Sequence[str]) -> None:
    """A cohort.tsv with these columns, the first row their names, of cases that are done."""
    first = ["participant_id\tcase\tstatus", *(f"sub-{n}\tsub-{n}_T2w\tdone" for n in range(1, len(rows)))]
    lines = (f"{case}\t{row}\n" for case, row in zip(first, rows, strict=True))
    (folder / "cohort.tsv").write_text("".join(lines))


def test_of_each_size_the_z_that_there_are_are_told(tmp_path: Path) -> None:
    (tmp_path / "cohort.json").write_text('{"GM": {"LongName": "grey matter"}, "TCD": {"LongName": "cerebellum"}}')
    rows = ("GM\tGM_z\tTCD\tTCD_z", "1\tn/a\t2\t-0.5", "1\tn/a\t2\t1.75", "1\tn/a\t2\t3")
    write_rows(tmp_path, rows)
    assert z_of(tmp_path) == {"cerebellum": [-0.5, 1.75, 3.0]}
    assert [*table({"one": z_of(tmp_path), "two": {}})][2:] == ["| cerebellum | +1.8 (-0.5 to +3.0; 3) | – |"]


def test_two_folders_of_one_name_have_a_column_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [tmp_path / atlas / "out" for atlas in ("one", "two")]
    for folder, z in zip(folders, ("1", "2"), strict=True):
        folder.mkdir(parents=True)
        (folder / "cohort.json").write_text('{"GM": {"LongName": "grey matter"}}')
        write_rows(folder, ("GM\tGM_z", f"1\t{z}"))
    monkeypatch.setattr("sys.argv", ["norms", *map(str, folders)])
    main()
    head, _, row = capsys.readouterr().out.splitlines()
    assert head == f"| z | {folders[0]} | {folders[1]} |"
    assert row == "| grey matter | +1.0 (+1.0 to +1.0; 1) | +2.0 (+2.0 to +2.0; 1) |"


def shared_data(root: Path) -> Path:
    """An atlas of weeks 21, 24 (held out) and 25, with other labels of each."""
    fine, coarse = (Grid((n,) * 3, (24 / n,) * 3, (0.0,) * 3, (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)) for n in (24, 12))
    values = np.repeat(np.array([0, 124, 112, 71, 92, 100, 94, 120], np.uint8), 3)[:, None, None]
    for week in (21, 24, 25):
        image = np.full(coarse.shape, float(week), np.float32)
        (root / "atlases" / f"sub-crl{week}").mkdir(parents=True)
        write_volume(root / "atlases" / f"sub-crl{week}" / "a_T2w.nii.gz", Volume(image, coarse))
        (root / "feta_protocol" / f"sub-sta{week}").mkdir(parents=True)
        labels = Volume(np.ones(fine.shape, np.uint8), fine)
        write_label_map(root / "feta_protocol" / f"sub-sta{week}" / f"sub-sta{week}_T2w_dseg.nii.gz", labels)
        (root / "crl_parcellation").mkdir(exist_ok=True)
        parcels = Volume(np.broadcast_to(values, fine.shape).astype(np.float32), fine)
        write_volume(root / "crl_parcellation" / f"STA{week}_WMZparc.nii.gz", parcels)
    return root


def test_other_labels_leave_the_held_out_weeks_out_and_name_their_sources(tmp_path: Path) -> None:
    data = shared_data(tmp_path / "data")
    assert other_labels.write_protocol(data, tmp_path / "p") == ["sub-sta21", "sub-sta25"]
    assert other_labels.write_parcellation(data, tmp_path / "q") == ["sub-parc21", "sub-parc25"]
    for folder, name in (("p", "sub-sta21"), ("q", "sub-parc21")):
        assert read_source_subjects([tmp_path / folder])[0][name] == {"sub-crl21"}
        assert f"{name}_T2w" in pairs(tmp_path / folder)


def test_the_atlas_s_volume_is_brought_onto_the_other_labels_grid(tmp_path: Path) -> None:
    other_labels.write_protocol(shared_data(tmp_path / "data"), tmp_path / "p")
    image, labels = (read_volume(path) for path in pairs(tmp_path / "p")["sub-sta25_T2w"])
    assert image.grid.difference(labels.grid) is None
    assert (image.array[2:-2, 2:-2, 2:-2] == 25).all()


def test_a_parcellation_keeps_what_it_shares_with_fetas_labels(tmp_path: Path) -> None:
    other_labels.write_parcellation(shared_data(tmp_path / "data"), tmp_path / "q")
    labels = read_volume(pairs(tmp_path / "q")["sub-parc21_T2w"][1])
    assert labels.array[::3, 0, 0].tolist() == [0, 1, 2, 3, 4, 5, 7, 3]
    known = read_label_set(tmp_path / "q")
    assert known is not None
    assert known.groups == ((0,), (1,), (2,), (3, 6), (4,), (5,), (7,))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("atlases/sub-crl21/a_T2w.nii.gz", "a_T2w.nii.gz: is not a NIfTI volume"),
        ("feta_protocol/sub-sta21/sub-sta21_T2w_dseg.nii.gz", "sub-sta21_T2w_dseg.nii.gz: is not a NIfTI volume"),
        ("crl_parcellation/STA21_WMZparc.nii.gz", "STA21_WMZparc.nii.gz: is not a NIfTI volume"),
        ("../out", "out/protocol/sub-sta21/anat"),
    ],
)
def test_what_cannot_be_read_or_written_is_one_line(
    tmp_path: Path, broken: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = shared_data(tmp_path / "data")
    (data / broken).write_text("no volume")
    monkeypatch.setattr(sys, "argv", ["other_labels", str(data), str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        other_labels.main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_without_the_data_a_line_says_so(tmp_path: Path) -> None:
    call = [sys.executable, "-m", "benchmarks.other_labels", str(tmp_path), str(tmp_path / "out")]
    done = subprocess.run(call, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "feta_protocol: holds no" in done.stderr.splitlines()[-1]

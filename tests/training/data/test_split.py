"""Who is trained on: never one that is held out, nor what was made of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from feta.errors import FetaError
from feta.volumes import Volume, read_label_map, write_label_map
from tests.support.tiny_subjects import write_balls
from training.assessment.validation import labelled
from training.cli import app
from training.commands.common import VALIDATION
from training.commands.fit import subjects as commands
from training.commands.fit.subjects import training_subjects
from training.data.split import Subjects, read_subjects
from training.data.subject import pairs

HEADER = "participant_id\tPathology\tBase\tPartner"


@pytest.fixture(scope="module")
def atlases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five subjects of a hospital's own."""
    return write_balls(tmp_path_factory.mktemp("own"), ("sub-a1", "sub-a2", "sub-a3", "sub-b1", "sub-b2"), 16, 6.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Variants of them, two individuals of which one is in no table, and a row of a variant that was deleted."""
    names = ("sub-var1", "sub-var2", "sub-var3", "sub-var4", "sub-ind1", "sub-ind2")
    root = write_balls(tmp_path_factory.mktemp("made"), names, 16, 6.0)
    rows = ("sub-var1\t\tsub-a1\tsub-a2", "sub-var2\t\tsub-a2\tsub-b1", "sub-var3\t\tsub-b1\tn/a", "sub-var4\t\tb2\t-")
    (root / "participants.tsv").write_text("\n".join((HEADER, *rows, "sub-ind1", "sub-var9\t\tsub-b1\tn/a", "")))
    return root


def _more(subjects: Subjects) -> list[str]:
    return [subject.name for subject in subjects.more]


@pytest.mark.parametrize(
    ("held_out", "left"),
    [
        ((), ["sub-ind1", "sub-ind2", "sub-var1", "sub-var2", "sub-var3", "sub-var4"]),
        (("sub-b1",), ["sub-ind1", "sub-ind2", "sub-var1", "sub-var4"]),
        (("sub-b2",), ["sub-ind1", "sub-ind2", "sub-var1", "sub-var2", "sub-var3"]),
        (("sub-a2", "sub-b1"), ["sub-ind1", "sub-ind2", "sub-var4"]),
    ],
)
def test_variants_of_held_out_subjects_are_not_learned(
    atlases: Path, made: Path, held_out: tuple[str, ...], left: list[str]
) -> None:
    subjects = read_subjects(atlases, held_out, more=[made])
    assert _more(subjects) == left
    assert len(subjects.left_out) == 6 - len(left)


def test_a_label_map_without_tissue_is_one_clear_line(tmp_path: Path) -> None:
    root = write_balls(tmp_path, ("sub-a1", "sub-a2"), 16, 6.0)
    path = pairs(root)["sub-a2_rec-x_T2w"][1]
    labels = read_label_map(path)
    write_label_map(path, Volume(np.zeros_like(labels.array), labels.grid))
    with pytest.raises(FetaError, match=r"sub-a2_rec-x_T2w_dseg\.nii\.gz: holds no tissue"):
        read_subjects(root, ("sub-a2",))


def test_those_left_out_of_two_folders_are_counted_though_they_share_names(atlases: Path, made: Path) -> None:
    assert len(read_subjects(atlases, ("sub-b1",), more=[made, made]).left_out) == 4


def test_variants_of_subjects_that_only_leaves_out_are_not_learned(atlases: Path, made: Path) -> None:
    subjects = read_subjects(atlases, (), lambda name: name.startswith("sub-a"), [made])
    assert _more(subjects) == ["sub-ind1", "sub-ind2", "sub-var1"]
    assert [subject.name for subject in subjects.training] == ["sub-a1", "sub-a2", "sub-a3"]


def test_a_subject_that_is_not_trained_on_does_not_come_in_by_another_folder(atlases: Path) -> None:
    subjects = read_subjects(atlases, ("sub-a3",), lambda name: name.startswith("sub-a"), [atlases])
    assert _more(subjects) == ["sub-a1", "sub-a2"]


@pytest.mark.parametrize("table", [None, "participant_id\tPathology\nsub-var1\tNeurotypical\n", "Base\nsub-b1\n"])
def test_a_folder_that_tells_of_no_base_is_learned(tmp_path: Path, atlases: Path, table: str | None) -> None:
    write_balls(tmp_path, ("sub-var1",), 16, 6.0)
    if table:
        (tmp_path / "participants.tsv").write_text(table)
    assert _more(read_subjects(atlases, ("sub-b1",), more=[tmp_path])) == ["sub-var1"]


def test_the_user_is_told_how_many_were_left_out(atlases: Path, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training_subjects(atlases, 1, everything=False, also=[made], only="sub-a*", fold=(4, 5))
    assert "trained on: 3, such as sub-var2 of sub-b1\n" in capsys.readouterr().err
    training_subjects(atlases, 1, everything=False, also=[made], fold=(4, 5))
    assert "trained on: 1, such as sub-var4 of sub-b2; --everything" in capsys.readouterr().err


def test_the_user_is_told_of_siblings_that_are_held_out(
    made: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects = read_subjects(made, ("sub-var2",))
    assert subjects.known() == ["sub-var2"]
    assert read_subjects(made, ("sub-ind1",)).known() == []
    monkeypatch.setattr(commands, "VALIDATION", ("sub-var2",))
    training_subjects(made, 1, everything=False)
    assert "1 of those held out, such as sub-var2, share source subjects" in capsys.readouterr().err


def test_the_user_is_told_that_nobody_is_held_out(atlases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training_subjects(atlases, 1, everything=False)
    (line,) = capsys.readouterr().err.splitlines()
    assert "no subject is held out" in line
    assert "--fold 0" in line


def test_only_the_first_of_several_processes_tells(
    atlases: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    training_subjects(atlases, 1, everything=False)
    assert capsys.readouterr().err == ""


def test_who_asks_for_it_is_not_told(atlases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training_subjects(atlases, 1, everything=True)
    assert capsys.readouterr().err == ""


def test_a_folds_subjects_are_named_as_assess_takes_them(atlases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = training_subjects(atlases, 1, everything=False, fold=(1, 3))
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"fold 1 of {atlases} holds out: sub-a2 sub-b2"
    assert list(labelled(atlases, line.partition(": ")[2])) == [subject.name for subject in found.validation]


@pytest.mark.parametrize("options", [["--only", "sub-z*"], ["--only", "sub-a1", "--fold", "0"]])
def test_nobody_to_train_on_is_one_clear_line(atlases: Path, tmp_path: Path, options: list[str]) -> None:
    result = CliRunner().invoke(app, ["fit", "segmentation", str(atlases), str(tmp_path / "run"), *options])
    assert isinstance(result.exception, FetaError)
    assert f"{atlases}: holds no subject to train on whose name fits --only '{options[1]}'" in str(result.exception)


def test_atlases_that_are_all_held_out_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match="all are held out"):
        training_subjects(write_balls(tmp_path, VALIDATION[:1], 16, 6.0), 1, everything=False)


def test_folds_without_a_fold_are_one_clear_line(atlases: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["fit", "segmentation", str(atlases), str(tmp_path / "run"), "--folds", "3"])
    assert isinstance(result.exception, FetaError)
    assert "not which to validate on" in str(result.exception)


def test_there_may_be_another_number_of_folds(atlases: Path, tmp_path: Path) -> None:
    network = {"widths": [2, 2], "blocks": [1, 1], "heads": 1}
    settings = {"network": network, "synthesis": {"size": 8, "spacing": 12.0}, "loop": {"steps": 1}}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(settings))
    call = ["fit", "segmentation", str(atlases), str(tmp_path / "run"), "--config", str(tmp_path / "s.yaml")]
    result = CliRunner().invoke(app, [*call, "--fold", "2", "--folds", "3", "--threads", "1"], catch_exceptions=False)
    assert result.exit_code == 0

"""Individuals to train on, and training on several folders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evaluation.metrics.measurements import measure
from feta.errors import FetaError
from feta.measurements import Measurement
from feta.participants import read_participants
from feta.volumes import read_label_map, read_volume
from training.assessment.atlas_landmarks import read_landmarks
from training.commands.data.individuals import individuals
from training.data.expert_landmarks import read_feta_biometry
from training.data.split import Subjects, read_subjects
from training.data.subject import pairs
from training.findings.settings import FindingsSettings
from training.imaging.random_source import RandomSource


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("individuals")
    individuals(out, count=2, seed=3, spacing=2.0)
    return out


def test_a_labelled_volume_has_the_topology_of_a_brain(written: Path) -> None:
    image_path, label_path = pairs(written)["sub-ind0001_T2w"]
    labels = read_label_map(label_path, read_volume(image_path).grid)
    assert set(np.unique(labels.array)) == set(range(8))
    betti = measure(labels, labels).betti_truth.tolist()
    assert betti == [[1, 0, 0], [2, 0, 0], *[[1, 0, 0]] * 5]


def test_the_same_seed_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    individuals(tmp_path, count=1, seed=3, spacing=2.0)
    for mine, theirs in zip(pairs(tmp_path)["sub-ind0001_T2w"], pairs(written)["sub-ind0001_T2w"], strict=True):
        assert mine.read_bytes() == theirs.read_bytes()


def test_landmarks_are_those_of_the_label_map(written: Path) -> None:
    """Oracle: the definitions on the label map, which give a width to a voxel."""
    for case in read_feta_biometry(written):
        assert case.labels is not None
        _, found = read_landmarks(case.labels)
        assert found is not None
        for measurement in (Measurement.BBIP, Measurement.SBIP, Measurement.TCD):
            line = found.lines[measurement]
            assert line is not None
            assert case.lines[measurement].length == pytest.approx(line.length, abs=3.0)


def test_what_is_there_is_kept(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    individuals(written, count=2, seed=3, spacing=2.0)
    assert "sub-ind" not in capsys.readouterr().err


def test_findings_stand_in_the_table_and_beside_the_volume(tmp_path: Path) -> None:
    file = tmp_path / "findings.yaml"
    others = set(vars(FindingsSettings())) - {"mega_cisterna_magna"}
    file.write_text("\n".join(f"{name}: {{weight: 0.0}}" for name in sorted(others)))
    individuals(tmp_path / "out", count=1, seed=3, spacing=2.0, pathological=1.0, findings=file)
    image_path, label_path = pairs(tmp_path / "out")["sub-ind0001_T2w"]
    told = json.loads(image_path.with_name("sub-ind0001_T2w.json").read_text())
    assert told["findings"][0] == "mega cisterna magna"
    wanted, reached = told["set"]["mega_cisterna_magna"]["cisterna"], told["reached"]["cisterna_mm"]
    assert reached == pytest.approx(wanted, abs=1.0)
    assert "sub-crl25" in told["origins"]
    row = read_participants(tmp_path / "out" / "participants.tsv")["sub-ind0001"]
    assert row.pathology == "Pathological"
    labels = read_label_map(label_path, read_volume(image_path).grid)
    assert measure(labels, labels).betti_truth.tolist() == [[1, 0, 0], [2, 0, 0], *[[1, 0, 0]] * 5]


def test_without_anatomy_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match="no learned anatomy"):
        individuals(tmp_path / "out", anatomy=tmp_path / "none.safetensors")


def test_other_folders_are_drawn_from_as_often_as_asked(written: Path) -> None:
    subjects = read_subjects(written, (), more=[written])
    others = {id(subject) for subject in subjects.more}
    drawn = [id(subjects.draw(RandomSource(seed), 0.25)) in others for seed in range(400)]
    assert 0.17 < np.mean(drawn) < 0.33


def test_validation_subjects_of_another_folder_are_left_out(written: Path) -> None:
    subjects = read_subjects(written, ("sub-ind0001",), more=[written])
    assert [s.name for s in subjects.more] == ["sub-ind0002"]


def test_without_other_folders_every_draw_is_of_the_first(written: Path) -> None:
    subjects: Subjects = read_subjects(written, ())
    assert subjects.draw(RandomSource(1), 1.0).name.startswith("sub-ind")

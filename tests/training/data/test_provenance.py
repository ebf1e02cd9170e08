"""Whoever holds a subject out learns from nothing that was made of it, whichever way it would come in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from feta.errors import FetaError
from inference.networks.weights import described
from tests.support.tiny_subjects import write_balls
from training.anatomy.model import Anatomy
from training.cli import app
from training.commands.common import HELD_OUT, VALIDATION
from training.commands.data.heads import heads
from training.commands.data.individuals import individuals
from training.commands.data.variants import variants
from training.data.leakage import subjects_seen
from training.data.provenance import read_source_subjects, write_source_subjects
from training.data.split import read_subjects
from training.engine.checkpoint import read_checkpoint

KNOWN = VALIDATION[0]
TINY = {
    "network": {"widths": [2, 2], "blocks": [1, 1], "heads": 1},
    "synthesis": {"size": 8, "spacing": 12.0},
    "loop": {"steps": 1},
}
EXTRACTION = TINY | {"network": {"outputs": 2, "widths": [2, 2], "blocks": [1, 1], "heads": 1}}


def _table(folder: Path, *rows: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "participants.tsv").write_text("\n".join(("participant_id\tBase\tPartner", *rows, "")))
    return folder


def _beside(folder: Path, name: str, text: str) -> Path:
    (folder / name / "anat").mkdir(parents=True, exist_ok=True)
    (folder / name / "anat" / f"{name}_T2w.json").write_text(text)
    return folder


def test_origins_of_origins_count_within_a_folder(tmp_path: Path) -> None:
    _table(tmp_path, "sub-1\tsub-a\tn/a", "sub-2\tsub-1\tsub-b", "sub-3\tsub-2\t")
    (found,) = read_source_subjects([tmp_path])
    assert found["sub-3"] == {"sub-2", "sub-1", "sub-a", "sub-b"}


def test_origins_of_origins_count_across_folders(tmp_path: Path) -> None:
    first = _table(tmp_path / "1", "sub-1\tsub-a\t")
    second = _table(tmp_path / "2", "sub-2\tsub-1\t")
    found = read_source_subjects([second, first])
    assert found == [{"sub-2": {"sub-1", "sub-a"}}, {"sub-1": {"sub-a"}}]


def test_a_name_that_two_folders_share_has_each_its_own_origins(tmp_path: Path) -> None:
    first, second = _table(tmp_path / "1", "sub-1\tsub-a\t"), _table(tmp_path / "2", "sub-1\tsub-b\t")
    assert read_source_subjects([first, second]) == [{"sub-1": {"sub-a"}}, {"sub-1": {"sub-b"}}]


@pytest.mark.parametrize("base", ["a", "sub-a", " sub-a ", "sub-a_rec-mial_T2w", "x/sub-a.nii.gz"])
def test_a_base_may_be_named_in_any_usual_way(tmp_path: Path, base: str) -> None:
    assert read_source_subjects([_table(tmp_path, f"1\t{base}\tn/a")]) == [{"sub-1": {"sub-a"}}]


def test_circles_end(tmp_path: Path) -> None:
    _table(tmp_path, "sub-1\tsub-2\t", "sub-2\tsub-1\t")
    assert read_source_subjects([tmp_path]) == [{"sub-1": {"sub-1", "sub-2"}, "sub-2": {"sub-1", "sub-2"}}]


def test_the_table_may_lie_with_the_input_of_a_cohort(tmp_path: Path) -> None:
    _table(tmp_path / "input", "sub-1\tsub-a\t")
    assert read_source_subjects([tmp_path]) == [{"sub-1": {"sub-a"}}]


def test_what_lies_beside_the_volume_is_enough(tmp_path: Path) -> None:
    _beside(tmp_path, "sub-1", json.dumps({"base": "sub-a", "partner": None, "origins": ["sub-b"], "way": 0.5}))
    assert read_source_subjects([tmp_path]) == [{"sub-1": {"sub-a", "sub-b"}}]


@pytest.mark.parametrize("text", ["{}", "[]", '{"RepetitionTime": 2.5}', '{"base": 7, "origins": null}'])
def test_files_of_another_kind_tell_nothing(tmp_path: Path, text: str) -> None:
    (found,) = read_source_subjects([_beside(tmp_path, "sub-1", text)])
    assert not any(found.values())


def test_names_are_not_followed_where_all_origins_are_told(tmp_path: Path) -> None:
    """A variant of sub-1 of another folder isn't made of whom this folder's sub-1 was made of."""
    _beside(tmp_path, "sub-1", json.dumps({"base": "sub-a", "origins": ["sub-a"]}))
    _beside(tmp_path, "sub-2", json.dumps({"base": "sub-1", "origins": ["sub-1", "sub-b"]}))
    assert read_source_subjects([tmp_path])[0]["sub-2"] == {"sub-1", "sub-b"}


@pytest.mark.parametrize("text", ["{base", "[" * 100_000, ""])
def test_what_is_no_json_is_one_clear_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(FetaError, match="is no JSON"):
        read_source_subjects([_beside(tmp_path, "sub-1", text)])


def test_hidden_files_of_other_systems_tell_nothing(tmp_path: Path) -> None:
    _beside(tmp_path, "sub-1", "{}").joinpath("sub-1", "anat", "._sub-1_T2w.json").write_bytes(b"\0\5")
    assert read_source_subjects([tmp_path]) == [{"sub-1": frozenset()}]


@pytest.mark.parametrize("column", ["participant_id", "Subject ID", "subject", "sub"])
def test_the_column_of_subjects_has_the_names_that_it_may_have_elsewhere(tmp_path: Path, column: str) -> None:
    (tmp_path / "participants.tsv").write_text(f"{column}\tOrigins\nsub-1\tsub-a, sub-b;c\n")
    assert read_source_subjects([tmp_path]) == [{"sub-1": {"sub-a", "sub-b", "sub-c"}}]


@pytest.mark.parametrize(
    "text", ['{"Base": "sub-a"}', '{"base": ["sub-a"]}', '{"origins": "a"}', '{"PARTNER": "a.nii.gz"}']
)
def test_beside_the_volume_they_may_be_written_in_several_ways(tmp_path: Path, text: str) -> None:
    assert read_source_subjects([_beside(tmp_path, "sub-1", text)]) == [{"sub-1": {"sub-a"}}]


def test_one_volume_that_tells_all_does_not_speak_for_another(tmp_path: Path) -> None:
    _table(tmp_path, "sub-1\tsub-a\t")
    folder = _beside(tmp_path, "sub-2", '{"origins": []}') / "sub-2" / "anat"
    (folder / "sub-2_rec-x_T2w.json").write_text('{"base": "sub-1"}')
    assert read_source_subjects([tmp_path])[0]["sub-2"] == {"sub-1", "sub-a"}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write_source_subjects(tmp_path / "sub-1" / "anat" / "sub-1_T2w.nii.gz", {"sub-b", "sub-a"}, way=0.5)
    assert read_source_subjects([tmp_path]) == [{"sub-1": {"sub-a", "sub-b"}}]


@pytest.fixture(scope="module")
def atlases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_balls(tmp_path_factory.mktemp("atlases"), ("sub-a", "sub-b", "sub-c", "sub-d", KNOWN), 16, 6.0)
    kinds = dict.fromkeys(("sub-a", "sub-c"), "Neurotypical") | dict.fromkeys(("sub-b", "sub-d", KNOWN), "Pathological")
    rows = ["participant_id\tPathology\tGestational age", *(f"{name}\t{kind}\t24" for name, kind in kinds.items())]
    (root / "participants.tsv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def second(atlases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Variants of variants: some come from a held-out atlas by way of a folder that is gone."""
    root = tmp_path_factory.mktemp("variants")
    quick = root / "quick.yaml"
    quick.write_text("registration: {blurs: [2.0], steps: 1}\nway: [0.9, 1.1]\ndilated: 0.0\n")
    variants(atlases, root / "first", count=5, seed=2, config=quick, everything=True)
    assert any(KNOWN in origins for origins in read_source_subjects([root / "first"])[0].values())
    variants(root / "first", root / "second", count=6, seed=2, config=quick, everything=True)
    return root / "second"


def test_a_variant_of_a_variant_tells_of_its_first_origins(second: Path) -> None:
    (origins,) = read_source_subjects([second])
    assert len(origins) == 6
    for made_of in origins.values():
        assert any(name.startswith("sub-var") for name in made_of)
        assert made_of & {"sub-a", "sub-b", "sub-c", "sub-d", KNOWN}


@pytest.mark.parametrize("with_table", [True, False])
def test_variants_as_the_main_folder_hold_out_what_came_of_the_held_out(second: Path, with_table: bool) -> None:
    (origins,) = read_source_subjects([second])
    expected = sorted(name for name, made_of in origins.items() if KNOWN not in made_of)
    assert 0 < len(expected) < 6
    table = second / "participants.tsv"
    kept = table.read_text()
    if not with_table:
        table.unlink()
    subjects = read_subjects(second, VALIDATION)
    table.write_text(kept)
    assert [subject.name for subject in subjects.training] == expected
    assert len(subjects.left_out) == 6 - len(expected)
    assert {origin for _, origin in subjects.left_out} == {KNOWN}
    assert subjects.names()["held_out"] == [KNOWN]


def test_variants_are_made_of_no_variant_of_a_held_out_subject(second: Path, tmp_path: Path) -> None:
    quick = tmp_path / "quick.yaml"
    quick.write_text("registration: {blurs: [2.0], steps: 1}\n")
    variants(second, tmp_path / "third", count=3, seed=3, config=quick)
    assert all(KNOWN not in made_of for made_of in read_source_subjects([tmp_path / "third"])[0].values())


def _call(*call: object) -> str:
    """What a command complains of."""
    result = CliRunner().invoke(app, [*map(str, call), "--threads", "1"])
    assert result.exception is None or isinstance(result.exception, (FetaError, SystemExit))
    return "" if result.exception is None else str(result.exception)


def _segmentation(atlases: Path, run: Path, *more: object) -> str:
    config = run.parent / "s.yaml"
    config.write_text(yaml.safe_dump(TINY))
    return _call("fit", "segmentation", atlases, run, "--config", config, "--device", "cpu", *more)


def test_weights_that_learned_from_variants_of_a_held_out_subject_are_no_start(
    atlases: Path, second: Path, tmp_path: Path
) -> None:
    assert _segmentation(atlases, tmp_path / "knows", "--everything", "--also", second) == ""
    assert _segmentation(second, tmp_path / "variants", "--everything") == ""
    assert (
        _segmentation(
            atlases, tmp_path / "chain", "--everything", "--only", "sub-a", "--pretrained", tmp_path / "variants"
        )
        == ""
    )
    for run in ("knows", "variants", "chain"):
        assert KNOWN in subjects_seen(read_checkpoint(tmp_path / run / "checkpoint.pt"))
        said = _segmentation(atlases, tmp_path / "new", "--pretrained", tmp_path / run)
        assert f"learned from {KNOWN}, which this run holds out" in said


def test_weights_that_know_whom_another_folder_alone_tells_of_are_no_start(
    atlases: Path, second: Path, tmp_path: Path
) -> None:
    """The atlas that is held out isn't in the main folder: the others' variants tell of it."""
    own = write_balls(tmp_path / "own", ("sub-p", "sub-q"), side=16, spacing=6.0)
    assert _segmentation(atlases, tmp_path / "knows", "--everything") == ""
    said = _segmentation(own, tmp_path / "new", "--also", second, "--pretrained", tmp_path / "knows")
    assert f"learned from {KNOWN}, which this run holds out" in said
    assert _segmentation(own, tmp_path / "new", "--pretrained", tmp_path / "knows") == ""


def _as_older_versions_left_it(run: Path) -> None:
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    del state["made_of"]["origins"], state["made_of"]["held_out"]
    torch.save(state, run / "checkpoint.pt")


def test_a_run_of_an_older_version_is_said_not_to_tell(atlases: Path, tmp_path: Path) -> None:
    assert _segmentation(atlases, tmp_path / "old") == ""
    _as_older_versions_left_it(tmp_path / "old")
    assert "version that did not write down source subjects" in _segmentation(atlases, tmp_path / "old", "--steps", "2")
    call = [
        "fit",
        "segmentation",
        atlases,
        tmp_path / "new",
        "--config",
        tmp_path / "s.yaml",
        "--pretrained",
        tmp_path / "old",
    ]
    result = CliRunner().invoke(app, [*map(str, call), "--threads", "1", "--device", "cpu"])
    assert result.exit_code == 0
    assert "doesn't name the source subjects of these" in result.stderr


def test_what_weights_knew_is_not_forgotten_by_a_run_that_goes_on(atlases: Path, tmp_path: Path) -> None:
    assert _segmentation(atlases, tmp_path / "knows", "--everything") == ""
    begun = ("--everything", "--only", "sub-a", "--pretrained", tmp_path / "knows")
    assert _segmentation(atlases, tmp_path / "begun", *begun) == ""
    assert _segmentation(atlases, tmp_path / "begun", *begun, "--steps", "2") == ""
    assert read_checkpoint(tmp_path / "begun" / "checkpoint.pt")["step"] == 2
    assert KNOWN in subjects_seen(read_checkpoint(tmp_path / "begun" / "checkpoint.pt"))


def test_painted_heads_of_held_out_subjects_are_left_out(atlases: Path, tmp_path: Path) -> None:
    heads_of = write_balls(tmp_path / "heads", ("sub-x", "sub-y", KNOWN), side=16, spacing=6.0)
    write_source_subjects(heads_of / "sub-y" / "anat" / "sub-y_T2w.nii.gz", [KNOWN])
    write_source_subjects(heads_of / "sub-x" / "anat" / "sub-x_T2w.nii.gz", ["sub-z"])
    config = tmp_path / "e.yaml"
    config.write_text(yaml.safe_dump(EXTRACTION))
    call = ("fit", "brain-extraction", atlases, tmp_path / "run", "--config", config, "--heads", heads_of)
    assert _call(*call) == ""
    made_of = read_checkpoint(tmp_path / "run" / "checkpoint.pt")["made_of"]
    assert made_of["heads"] == ["sub-x"]
    assert made_of["head_origins"] == ["sub-z"]


def test_brains_of_an_anatomy_tell_whom_it_learned_from(tmp_path: Path) -> None:
    known = Anatomy.load(HELD_OUT).known
    assert known == set(described(HELD_OUT.parent)[HELD_OUT.stem]["brains"])
    simulate = [
        "data",
        "simulate",
        str(tmp_path / "cohort"),
        "--anatomy",
        str(HELD_OUT),
        "--sites",
        "1",
        "--cases",
        "1",
    ]
    assert CliRunner().invoke(app, [*simulate, "--size", "small", "--jobs", "1"]).exit_code == 0
    individuals(tmp_path / "individuals", count=1, spacing=3.0)
    heads(tmp_path / "heads", count=1, spacing=4.0)
    found = read_source_subjects([tmp_path / "individuals", tmp_path / "heads", tmp_path / "cohort"])
    assert found == [{"sub-ind0001": known}, {"sub-head0001": known}, {"sub-001": known}]
    assert [p.name for p in (tmp_path / "cohort" / "input").rglob("*.json")] == ["dataset_description.json"]

"""``feta-train`` follows links, as data sets of datalad are made; what was not fetched is never passed over."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from feta.errors import FetaError
from feta.files import following_links
from tests.support.tiny_subjects import write_balls
from training.cli import main
from training.data.partial_labels import read_label_set
from training.data.provenance import read_source_subjects
from training.data.subject import pairs, read_subject

ANNEX = ".git/annex/objects/Xx/1y/KEY/KEY"


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A labelled folder whose files are all links."""
    objects = write_balls(tmp_path / "objects", ("sub-1", "sub-2"))
    for path in [path for path in objects.rglob("*") if path.is_file()]:
        link = tmp_path / "data" / path.relative_to(objects)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    return tmp_path / "data"


def unfetched(path: Path) -> Path:
    """The same name, its content left on a server."""
    path.unlink(missing_ok=True)
    path.symlink_to(ANNEX)
    return path


def test_linked_volumes_are_learned_from(linked: Path) -> None:
    with following_links():
        for name, (image, labels) in pairs(linked).items():
            assert read_subject(name, image, labels).tissues.any()


def test_the_program_follows_links(linked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["feta-train", "data", "degrade", str(linked), str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)
    assert len(list((tmp_path / "out").rglob("*_T2w.nii.gz"))) == 2


def test_a_label_map_that_was_not_fetched_is_said(linked: Path) -> None:
    """Passed over, its subject would be missing without a word."""
    labels = unfetched(linked / "sub-1/anat/sub-1_rec-x_T2w_dseg.nii.gz")
    with following_links(), pytest.raises(FetaError, match="datalad get") as caught:
        for name, (image, truth) in pairs(linked).items():
            read_subject(name, image, truth)
    assert str(labels) in str(caught.value)


@pytest.mark.parametrize("name", ["participants.tsv", "input/participants.tsv", "sub-1/anat/sub-1_rec-x_T2w.json"])
def test_sources_that_were_not_fetched_are_no_reason_to_assume_none(linked: Path, name: str) -> None:
    """The guard against leakage rests on them."""
    (linked / name).parent.mkdir(exist_ok=True)
    unfetched(linked / name)
    with following_links(), pytest.raises(FetaError, match="datalad get"):
        read_source_subjects([linked])


def test_the_meaning_of_labels_that_was_not_fetched_is_said(linked: Path) -> None:
    unfetched(linked / "labels.yaml")
    with following_links(), pytest.raises(FetaError, match="datalad get"):
        read_label_set(linked)

"""Links: refused by default, followed for a user's own data; content that was not fetched names what fetches it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from feta.errors import FetaError
from feta.files import follow_links, following_links, links_are_followed, open_regular, read_text
from feta.volumes import fingerprint, read_volume
from tests.support.nifti_files import nifti, put, sample

KEY = "SHA256E-s123456--0123456789abcdef.nii.gz"


@pytest.fixture
def followed() -> Iterator[None]:
    with following_links():
        yield


def annexed(folder: Path, name: str = "a.nii.gz") -> Path:
    """A file as datalad and git-annex leave it in a data set: a link to a read-only object."""
    target = put(folder / ".git/annex/objects/Xx/1y" / KEY / KEY, nifti(sample()))
    target.chmod(0o444)
    (folder / name).symlink_to(Path(".git/annex/objects/Xx/1y") / KEY / KEY)
    return folder / name


def test_links_are_refused_by_default(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match="is a link"):
        read_volume(annexed(tmp_path))


@pytest.mark.usefixtures("followed")
def test_an_annexed_volume_is_read(tmp_path: Path) -> None:
    image = annexed(tmp_path)
    assert read_volume(image).array.shape == sample().shape
    assert fingerprint(image) == fingerprint(image.resolve())


@pytest.mark.usefixtures("followed")
def test_a_link_to_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "b.nii.gz").symlink_to(annexed(tmp_path))
    assert read_volume(tmp_path / "b.nii.gz").array.any()


@pytest.mark.usefixtures("followed")
@pytest.mark.parametrize(
    "target",
    [f".git/annex/objects/Xx/1y/{KEY}/{KEY}", f"../../.git/annex/objects/{KEY}", f"/elsewhere/annex/objects/{KEY}"],
)
def test_content_that_was_not_fetched_names_datalad(tmp_path: Path, target: str) -> None:
    image = tmp_path / "a b.nii.gz"
    image.symlink_to(target)
    with pytest.raises(FetaError, match="was not fetched") as caught:
        read_volume(image)
    assert str(caught.value).endswith(f"datalad get '{image}'")


@pytest.mark.parametrize(
    ("content", "program"),
    [
        (f"/annex/objects/{KEY}\n", "datalad get"),
        (f"../../.git/annex/objects/Xx/1y/{KEY}/{KEY}", "datalad get"),
        (f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n", "git lfs pull"),
    ],
    ids=["unlocked file", "file system without links", "git-lfs"],
)
def test_a_file_that_stands_for_content_names_what_fetches_it(tmp_path: Path, content: str, program: str) -> None:
    """With or without links: the file itself is a regular one."""
    for name in ("a.nii.gz", "participants.tsv"):
        (tmp_path / name).write_text(content)
        with pytest.raises(FetaError, match=f"was not fetched; {program}"):
            open_regular(tmp_path / name)


def test_a_text_about_git_annex_is_a_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("see /annex/objects/ for more")
    assert read_text(tmp_path / "a.txt").startswith("see")


@pytest.mark.usefixtures("followed")
@pytest.mark.parametrize("kind", ["nowhere", "folder", "pipe", "circle"])
def test_a_link_to_no_regular_file_is_one_line(tmp_path: Path, kind: str) -> None:
    image = tmp_path / "a.nii.gz"
    image.symlink_to(image.name if kind == "circle" else kind)
    if kind == "folder":
        (tmp_path / kind).mkdir()
    if kind == "pipe":
        os.mkfifo(tmp_path / kind)
    with pytest.raises(FetaError) as caught:
        read_volume(image)
    assert str(caught.value).startswith(f"{image}: ")


def test_following_ends_with_its_block() -> None:
    with pytest.raises(ValueError, match="inside"), following_links():
        assert links_are_followed()
        raise ValueError("inside")
    assert not links_are_followed()
    follow_links(True)
    follow_links(False)
    assert not links_are_followed()

"""In a container: results go to a mount, and folders are open to who it runs as; without an engine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from feta.errors import FetaError
from inference.runs import mounts
from inference.runs.mounts import check_folders, is_mounted

#: As engines make them: the root, memory, and what Docker itself binds.
ENGINE = [
    "700 600 0:90 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/l",
    "701 700 0:91 / /proc rw,nosuid - proc proc rw",
    "702 700 0:92 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755",
    "703 702 0:93 / /dev/shm rw,nosuid - tmpfs shm rw,size=65536k",
    "704 700 8:1 /var/lib/docker/containers/ab/hosts /etc/hosts rw - ext4 /dev/sda1 rw",
    "705 700 0:94 / /tmp rw,nosuid - tmpfs tmpfs rw",
]
BOUND = "710 700 8:1 /home/me/out {} rw,relatime - ext4 /dev/sda1 rw"


@pytest.fixture
def contained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In an image, with a table of mounts of our own, which is given."""
    table = tmp_path / "mountinfo"
    monkeypatch.setenv("FETA_PROGRAM", "feta-infer")
    monkeypatch.setattr(mounts, "MOUNTS", table)
    table.write_text("\n".join(ENGINE))
    return table


@pytest.mark.parametrize(
    "output", ["/output", "/output/new/folder", "/data", "/fetachallenge/out", "/tmp/out", "/dev/shm/x"]
)
@pytest.mark.usefixtures("contained")
def test_what_would_go_with_the_container_is_refused(output: str) -> None:
    assert not is_mounted(Path(output))
    with pytest.raises(FetaError, match=r"lies on no mount.*-v .*--allow-unmounted"):
        check_folders(Path("/"), Path(output), allow_unmounted=False)


@pytest.mark.parametrize(
    ("mount", "output"),
    [
        (BOUND.format("/output"), "/output"),
        (BOUND.format("/output"), "/output/new/folder"),
        (BOUND.format("/some\\040where/out"), "/some where/out"),
        (BOUND.format("/tmp"), "/tmp/out"),
        (BOUND.format("/tmp/out"), "/tmp/out"),
        ("711 700 0:95 / /output rw - tmpfs tmpfs rw,size=1g", "/output"),
        ("712 700 0:96 / /output rw - overlay overlay rw", "/output"),
        ("713 700 0:97 / /data rw - nfs4 server:/data rw", "/data/derivatives"),
    ],
)
def test_a_mount_is_taken(contained: Path, mount: str, output: str) -> None:
    contained.write_text("\n".join([*ENGINE, mount]))
    assert is_mounted(Path(output))


def test_a_neighbour_s_mount_is_none(contained: Path) -> None:
    contained.write_text("\n".join([*ENGINE, BOUND.format("/out")]))
    assert not is_mounted(Path("/output"))


@pytest.mark.usefixtures("contained")
def test_it_is_allowed_on_request(tmp_path: Path) -> None:
    check_folders(tmp_path, tmp_path, allow_unmounted=True)


def test_outside_of_containers_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FETA_PROGRAM", raising=False)
    check_folders(Path("/nowhere"), Path("/output"), allow_unmounted=False)


def test_where_mounts_cannot_be_told_nothing_is_refused(contained: Path) -> None:
    contained.unlink()
    assert is_mounted(Path("/output"))


@pytest.mark.parametrize(
    ("side", "owner", "said"),
    [
        ("output", 1000, r"can't be written by user 0.*--user \"\$\(id -u\)"),
        ("input", 1000, r"can't be read by user 0.*--user \"\$\(id -u\)"),
        ("output", 0, "permissions"),
    ],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to somebody else")
@pytest.mark.usefixtures("contained")
def test_a_folder_that_is_closed_names_who_it_belongs_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: str, owner: int, said: str
) -> None:
    """Root without its rights, as --cap-drop ALL leaves it, which a test can't be."""
    folders = {name: tmp_path / name for name in ("input", "output")}
    for folder in folders.values():
        folder.mkdir()
    os.chown(folders[side], owner, owner)
    closed = folders[side]
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != closed)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(FetaError, match=said):
        check_folders(folders["input"], folders["output"], allow_unmounted=True)


@pytest.mark.usefixtures("contained")
def test_a_folder_that_docker_made_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1 + tmp_path.stat().st_uid)
    # As root one sees what Docker's own folder gives; as anybody else, what a stranger's does.
    said = "make the folder yourself" if tmp_path.stat().st_uid == 0 else "--user"
    with pytest.raises(FetaError, match=said):
        check_folders(tmp_path, tmp_path / "new", allow_unmounted=True)

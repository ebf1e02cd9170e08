"""What is taken out of an archive that may hold anything."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.harness.collect import Fetched, collect, remove_results, unpack
from evaluation.harness.roster import ResourceLimits
from feta.cases import Case
from tests.support.made_up_roster import cases

LIMITS = ResourceLimits(output_mb=1, output_files=20)


def archive(*entries: tuple[str, bytes, bytes]) -> bytes:
    """A tar of (name, type, content or link)."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, kind, content in entries:
            entry = tarfile.TarInfo(name)
            entry.type = kind
            if kind == tarfile.REGTYPE:
                entry.size = len(content)
            else:
                entry.linkname = content.decode()
            tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def plain(name: str, content: bytes = b"x") -> tuple[str, bytes, bytes]:
    return f"results/{name}", tarfile.REGTYPE, content


def written(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def unpacked(
    tmp_path: Path, *entries: tuple[str, bytes, bytes], limits: ResourceLimits = LIMITS
) -> tuple[dict, Fetched]:
    folder = tmp_path / "inner" / "results"
    folder.mkdir(parents=True)
    found = unpack([archive(*entries)], folder, limits)
    assert set(written(tmp_path)) == {f"inner/results/{name}" for name in written(folder)}
    assert not [p for p in folder.rglob("*") if p.is_symlink() or not (p.is_file() or p.is_dir())]
    return written(folder), found


def test_plain_files_are_taken(tmp_path: Path) -> None:
    files, found = unpacked(tmp_path, plain("a"), plain("b/c", b"yz"))
    assert files == {"a": b"x", "b/c": b"yz"}
    assert found == Fetched(size=2 * 4096)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE], ids=str)
def test_nothing_but_plain_files(tmp_path: Path, kind: bytes) -> None:
    files, found = unpacked(tmp_path, ("results/l", kind, b"/etc/passwd"), plain("a"))
    assert files == {"a": b"x"}
    assert "no plain file" in found.messages[0]


def test_a_second_name_of_a_result_is_a_result(tmp_path: Path) -> None:
    again = [(f"results/{name}", tarfile.LNKTYPE, b"results/a") for name in ("b", "c/d")]
    files, found = unpacked(tmp_path, plain("a", b"1"), *again)
    assert files == {"a": b"1", "b": b"1", "c/d": b"1"}
    assert found.messages == []


def test_many_names_of_one_file_take_its_room_once(tmp_path: Path) -> None:
    again = [(f"results/{number}", tarfile.LNKTYPE, b"results/a") for number in range(15)]
    files, found = unpacked(tmp_path, plain("a", b"1" * 400_000), *again)
    assert len(files) == 16
    assert found.size < 1 << 20
    assert len({path.stat().st_ino for path in (tmp_path / "inner" / "results").iterdir()}) == 1


@pytest.mark.parametrize(
    "first",
    [
        b"/etc/passwd", b"results/none", b"results/../../outside", b"../outside", b"results", b"", b"results/folder",
        b"results/link", b"other/a/b",
    ],
)  # fmt: skip
def test_a_second_name_of_anything_else_is_left_behind(tmp_path: Path, first: bytes) -> None:
    (tmp_path / "inner").mkdir()
    outside = tmp_path / "inner" / "outside"
    outside.write_text("secret")
    folder = tmp_path / "inner" / "results"
    folder.mkdir()
    link = ("results/link", tarfile.SYMTYPE, str(outside).encode())
    found = unpack([archive(link, plain("folder/x"), ("results/y", tarfile.LNKTYPE, first))], folder, LIMITS)
    assert written(folder) == {"folder/x": b"x"}
    assert "y is a link to what is no result; left behind" in found.messages


def test_a_second_name_that_is_taken_is_left_behind(tmp_path: Path) -> None:
    files, found = unpacked(tmp_path, plain("a", b"1"), plain("b", b"2"), ("results/b", tarfile.LNKTYPE, b"results/a"))
    assert files == {"a": b"1", "b": b"2"}
    assert "has the name of another" in found.messages[0]


@pytest.mark.parametrize("name", ["../x", "../../x", "a/../../../x", "a/b/c/d/e/f/g/h/i"])
def test_nothing_outside(tmp_path: Path, name: str) -> None:
    files, found = unpacked(tmp_path, plain(name))
    assert files == {}
    assert "where no result belongs" in found.messages[0]


def test_a_file_through_a_link(tmp_path: Path) -> None:
    """A link and then a file below it: the link is not there when the file comes."""
    (tmp_path / "elsewhere").mkdir()
    link = ("results/d", tarfile.SYMTYPE, str(tmp_path / "elsewhere").encode())
    folder = tmp_path / "results"
    folder.mkdir()
    unpack([archive(link, plain("d/x"))], folder, LIMITS)
    assert written(tmp_path) == {"results/d/x": b"x"}


def test_two_of_one_name(tmp_path: Path) -> None:
    files, found = unpacked(tmp_path, plain("a", b"1"), plain("a", b"2"), plain("a/b"))
    assert files == {"a": b"1"}
    assert len(found.messages) == 2


@pytest.mark.parametrize(
    ("entries", "full"),
    [
        ([plain("a", bytes((1 << 20) - 4096))], True),
        ([plain("a", bytes((1 << 20) // 2))], False),
        ([plain(str(i)) for i in range(19)], True),
        ([plain(str(i)) for i in range(18)], False),
    ],
)
def test_space_that_is_used_up(tmp_path: Path, entries: list, full: bool) -> None:
    assert unpacked(tmp_path, *entries)[1].full is full


def test_a_file_of_holes_is_not_written_out(tmp_path: Path) -> None:
    """A header that promises a terabyte, and a stream that would keep the promise."""

    def endless() -> Iterator[bytes]:
        entry = tarfile.TarInfo("results/huge")
        entry.size = 1 << 40
        yield entry.tobuf(tarfile.GNU_FORMAT)
        while True:
            yield bytes(1 << 16)

    found = unpack(endless(), tmp_path, LIMITS)
    assert found.full
    assert written(tmp_path) == {}


@given(st.binary(max_size=3000))
def test_any_bytes_come_to_an_end(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    whole = archive(plain("a", data))
    unpack([whole[:600], data, whole[600:]], folder, LIMITS)
    unpack([data], folder, LIMITS)
    assert len(written(folder)) <= 1


def results(tmp_path: Path, *names: str) -> Path:
    root = tmp_path / "private" / "team"
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    root.mkdir(parents=True, exist_ok=True)
    return root


@pytest.fixture
def two(tmp_path: Path) -> tuple[Case, ...]:
    return cases(tmp_path / "data")


@pytest.mark.parametrize(
    "name",
    [
        "sub-001/anat/sub-001_rec-mial_T2w_dseg.nii.gz",
        "sub-001_rec-mial_T2w_dseg.nii.gz",
        "sub-001_seg_result.nii.gz",
        "derivatives/predictions/any/sub-001/anat/sub-001_rec-mial_T2w_dseg.nii.gz",
    ],
)
def test_every_layout_comes_to_one(tmp_path: Path, two: tuple[Case, ...], name: str) -> None:
    mapped, _ = collect(results(tmp_path, name), two[:1], two, tmp_path / "team")
    assert mapped == {"sub-001/anat/sub-001_rec-mial_T2w"}
    assert written(tmp_path / "team") == {"sub-001/anat/sub-001_rec-mial_T2w_dseg.nii.gz": name.encode()}


def test_a_container_for_one_case_brings_no_other(tmp_path: Path, two: tuple[Case, ...]) -> None:
    names = [f"sub-{i:03}/anat/sub-{i:03}_rec-mial_T2w_dseg.nii.gz" for i in (1, 2)]
    mapped, _ = collect(results(tmp_path, *names), two[:1], two, tmp_path / "team")
    assert len(mapped) == len(written(tmp_path / "team")) == 1


def test_what_earlier_attempts_left_of_some_cases_can_be_removed(tmp_path: Path, two: tuple[Case, ...]) -> None:
    names = [f"sub-{i:03}/anat/sub-{i:03}_rec-mial_T2w_{kind}" for i in (1, 2) for kind in ("dseg.nii.gz", "biom.csv")]
    team = results(tmp_path, *names)
    remove_results(two[:1], team)
    assert set(written(team)) == set(names[2:])


def test_what_an_unfinished_attempt_left_is_removed(tmp_path: Path, two: tuple[Case, ...]) -> None:
    old = tmp_path / "team/sub-001/anat/sub-001_rec-mial_T2w_dseg.nii.gz"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    mapped, messages = collect(results(tmp_path), two, two, tmp_path / "team")
    assert mapped == set()
    assert written(tmp_path / "team") == {}
    assert "no label map" in " ".join(messages)

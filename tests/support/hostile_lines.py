"""Every hostile input and the line that it produces, for people to read: ``python -m tests.support.hostile_lines``.

Each is submitted by a team of its own, scored beside one that is fine; what is printed is what the team is told.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from unittest import mock

from evaluation.ranking.leaderboard import as_csv
from evaluation.scoring.score import score
from evaluation.submissions import intake
from tests.support.hostile import ACCEPTED, REJECTED, TABLES, Maker, make_device
from tests.support.small_brains import write_team, write_truth

NAME = "sub-001_rec-mial_T2w"
NAMES = ("../../etc", '<img src=x onerror="alert(1)">', '=HYPERLINK("http://x")', "n" * 300)
Told = tuple[str, str, str]
"""Input, reason code ("" where it is accepted), and the line."""


def told_of_map(folder: Path, name: str, make: Maker) -> Told:
    """Submit something in place of a label map."""
    truth, team = _cohort(folder)
    path = team / f"sub-001/anat/{NAME}_dseg.nii.gz"
    path.unlink()
    make(path, truth / "sub-001/anat/sub-001_rec-mial_dseg.nii.gz")
    return _told(folder, name)


def told_of_table(folder: Path, name: str, text: str) -> Told:
    """Submit something in place of a table of lengths."""
    _, team = _cohort(folder)
    (team / f"sub-001/anat/{NAME}_biom.csv").write_text(text, encoding="utf-8")
    return _told(folder, f"lengths: {name}")


def told_of_case(folder: Path, name: str, change: Callable[[Path], object]) -> Told:
    """Change something else in the team's folder."""
    _, team = _cohort(folder)
    change(team)
    return _told(folder, name)


def _cohort(folder: Path) -> tuple[Path, Path]:
    write_team(folder / "teams/fine", 1, shift=0.5)
    return write_truth(folder / "truth", 1), write_team(folder / "teams/hostile", 1)


def _told(folder: Path, name: str) -> Told:
    table, messages = score(folder / "truth", folder / "teams", jobs=1)
    t = table.teams.index("hostile")
    reasons = [*table.reasons[t, 0].ravel().tolist(), *table.length_reasons[t, 0].tolist()]
    code = next((reason for reason in reasons if reason), "")
    return name, code, " | ".join(messages.teams["hostile"]) or "(nothing to say)"


def _changed(path: Path, truth: Path) -> None:
    path.write_bytes(truth.read_bytes())


def told_of_a_change(folder: Path) -> Told:
    """A file that is written on between two looks at it."""
    copy, path = intake._copy, folder / f"teams/hostile/sub-001/anat/{NAME}_dseg.nii.gz"

    def slow(file: BinaryIO, private: Path, name: PurePosixPath, largest: int) -> str:
        digest = copy(file, private, name, largest)
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            path.write_bytes(b"another")
        return digest

    with mock.patch.object(intake, "_copy", slow):
        return told_of_map(folder, "a file that changes while it is read", _changed)


def _fifo_in_place_of_lengths(team: Path) -> None:
    path = team / f"sub-001/anat/{NAME}_biom.csv"
    path.unlink()
    os.mkfifo(path)


def _link_to_truths_folder(team: Path) -> None:
    (team / "sub-001").rename(team / "elsewhere")
    (team / "sub-001").symlink_to(team.parents[1] / "truth/sub-001")


#: Name → what is done to the team's folder.
CASES: dict[str, Callable[[Path], object]] = {
    "extra files": lambda team: (team / "notes.txt").write_text("hello"),
    "results of no case": lambda team: write_team(team, 2),
    "a missing case": lambda team: (team / "sub-001").rename(team.parents[1] / "moved"),
    "a misnamed case": lambda team: (team / "sub-001").rename(team / "sub-1"),
    "a case's folder that links to the truth's": _link_to_truths_folder,
    "a pipe in place of a table": _fifo_in_place_of_lengths,
}


def all_told(scratch: Path) -> Iterator[Told]:
    """Every input of the list, one after the other."""
    folders = (scratch / str(i) for i in range(10_000))
    for name, (text, survive, _) in TABLES.items():
        if survive == 5:
            yield told_of_table(next(folders), name, text)
    for name, (make, _) in ACCEPTED.items():
        yield told_of_map(next(folders), name, make)
    for name, change in CASES.items():
        yield told_of_case(next(folders), name, change)
    for name, (make, _) in REJECTED.items():
        yield told_of_map(next(folders), name, make)
    try:
        yield told_of_map(next(folders), "device", make_device)
    except PermissionError:
        yield "device", "?", "(no device can be made on this machine)"
    yield told_of_a_change(next(folders))
    for name, (text, survive, _) in TABLES.items():
        if survive < 5:
            yield told_of_table(next(folders), name, text)


def main() -> None:
    """Print them all, and what becomes of teams' names."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="feta-hostile-") as scratch:
        for name, code, line in all_told(Path(scratch)):
            print(f"{name:<42} {code or 'accepted':<16} {line}")
    print("\nnames of teams, in a table for spreadsheets and in the report")
    for name in NAMES:
        cell = as_csv(("team",), [{"team": name}]).splitlines()[1]
        print(f"{name[:60]}\n  {cell[:60]}\n  {html(name)[:60]}")


def html(name: str) -> str:
    """A name as the report's templates write it."""
    from jinja2 import Environment

    return Environment(autoescape=True).from_string("{{ name }}").render(name=name)


if __name__ == "__main__":
    main()

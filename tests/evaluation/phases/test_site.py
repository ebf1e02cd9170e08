"""The site of the boards: what it shows, and what it never does."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from evaluation import cli
from evaluation.harness.roster import Counts, Phase, Team
from evaluation.phases.admission import run_again
from evaluation.phases.history import Entry
from evaluation.phases.site import write_site
from feta.errors import FetaError
from tests.support.html_page import Page
from tests.support.made_up_history import DAY, NOON, entry, hand_in, new_history, table_of, write_scores

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def challenge(tmp_path: Path) -> Path:
    """Two teams of one image in the first phase, an appeal, one submission without scores; a hidden second phase."""
    out = tmp_path / "out"
    first, second = (
        Phase("validation", a_day=5, counts=Counts.BEST),
        Phase("test", closes=date(2026, 8, 2), hidden=True),
    )
    history = new_history(out, first)
    hand_in(history, first, NOON, a="one", b="one")
    hand_in(history, first, NOON + 60, a="two")
    run_again(history, first, Team("a", "two"), 2, f"Chair: the disk was full {MARKUP}", NOON + 120)
    history.put_phase(second, NOON + 200)
    hand_in(history, second, NOON + 200, HIDDENTEAM="three")
    entries = history.entries("validation")
    write_scores(out, "validation", table_of(entries, [0.8, 0.8, 0.6, 0.9]))
    write_scores(out, "test", table_of(history.entries("test"), [0.7123]))
    hand_in(history, first, NOON + 300, b="four")
    return out


def pages(out: Path, site: Path, **more: object) -> dict[str, str]:
    write_site(out, site, now=NOON + 2 * DAY, **more)  # type: ignore[arg-type]
    return {path.name: path.read_text() for path in site.iterdir()}


def test_a_page_a_phase_and_an_index(challenge: Path, tmp_path: Path) -> None:
    found = pages(challenge, tmp_path / "site", title="FeTA 2026")
    assert set(found) == {"index.html", "validation.html", "test.html"}
    text = Page(found["validation.html"]).text
    for words in (
        "run again of no. 2",
        "same image as b 1",
        "1 is not scored yet",
        "0.600 before, 0.900 after",
        "open",
    ):
        assert words in " ".join(text.split()), words
    assert "over since 2026-08-02 23:59:59 UTC" in found["index.html"]


def test_links_lead_to_pages_of_the_site_and_nothing_comes_from_elsewhere(challenge: Path, tmp_path: Path) -> None:
    for text in pages(challenge, tmp_path / "site").values():
        page = Page(text)
        targets = {tag["href"] for tag in page.all("a") if not tag["href"].startswith("#")}
        assert targets <= {"index.html", "validation.html", "test.html"}
        assert not [tag for tag in page.all("script") + page.all("img") if "src" in tag]
        assert "http:" not in text and "https:" not in text
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(set(ids)) == len(ids)
        assert {tag["href"][1:] for tag in page.all("a") if tag["href"].startswith("#")} <= set(ids)


def test_a_hidden_phase_shows_no_team_and_no_result_until_it_is_revealed(challenge: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert "HIDDENTEAM" in pages(challenge, site, reveal=("test",))["test.html"]
    after = pages(challenge, site)
    for name in ("test.html", "index.html"):
        assert "HIDDENTEAM" not in after[name]
        assert "0.71" not in after[name]
    assert "1 submission of 1 team" in after["test.html"]


def test_no_more_decimals_are_told_than_of_a_release_not_even_to_sort_by(challenge: Path, tmp_path: Path) -> None:
    entries = new_history(challenge).entries("validation")
    write_scores(challenge, "validation", table_of(entries, [2 / 3] * len(entries)))
    text = pages(challenge, tmp_path / "site")["validation.html"]
    numbers = re.findall(r'data-sort="(\d+\.\d+)"', text)
    assert "0.667" in numbers
    assert max(len(number.split(".")[1]) for number in numbers) == 3


def test_who_hands_in_few_cases_cannot_read_their_scores_off_the_means(challenge: Path, tmp_path: Path) -> None:
    entries = new_history(challenge).entries("validation")
    table = table_of(entries, [0.8] * len(entries))
    table.values[-1, 1:], table.reasons[-1, 1:] = (0, 0, 99, 1000, 1000, 1000, 1000), "missing-file"
    write_scores(challenge, "validation", table)
    lines = write_site(challenge, tmp_path / "site", now=NOON + DAY, fewest=5)
    assert lines[0] == (
        "validation: 4 submissions of 2 teams, all scored, numbers of 1 withheld: of fewer than 5 cases"
    )
    text = (tmp_path / "site" / "validation.html").read_text()
    assert "withheld, since the number would be of fewer than 5 cases" in text
    newest, before = text.split('id="all"')[1].split("<tr>")[2:4]
    assert re.findall(r">([^<]*)</td>", newest)[2:7] == ["–"] * 4 + ["4.00"]  # all of its lengths were there
    assert re.findall(r">([^<]*)</td>", before)[2:4] == ["0.800"] * 2


def test_no_case_and_no_image_is_named(challenge: Path, tmp_path: Path) -> None:
    for text in pages(challenge, tmp_path / "site", reveal=("test",)).values():
        assert not re.search(r"sub-\d|sha256:[^ ']|rec-mial|registry", text.split("<body>")[1])


def test_words_of_people_are_text_whatever_they_hold(challenge: Path, tmp_path: Path) -> None:
    history, phase = new_history(challenge), Phase("validation", a_day=5)
    history.put(replace(entry(MARKUP, 1), phase=phase.name))  # no roster lets such a name in
    text = pages(challenge, tmp_path / "site", title=MARKUP)["validation.html"]
    page = Page(text)
    assert not page.all("img")
    assert len(page.all("script")) == 1
    assert text.count("&lt;img src=x") >= 3


def test_a_phase_without_scores_says_so(tmp_path: Path) -> None:
    phase = Phase("validation")
    history = new_history(tmp_path / "out", phase)
    hand_in(history, phase, NOON, a="1")
    assert "Nothing was scored yet" in pages(tmp_path / "out", tmp_path / "site")["validation.html"]


def test_a_thousand_submissions_are_all_there(tmp_path: Path) -> None:
    phase = Phase("validation")
    history = new_history(tmp_path / "out", phase)
    entries: list[Entry] = [
        replace(entry(f"team {n % 50}", n // 50 + 1, "" if n % 3 else "same"), phase="validation") for n in range(1000)
    ]
    history.put(*entries)
    write_scores(tmp_path / "out", "validation", table_of(entries, [n / 1000 for n in range(1000)], cases=1))
    text = pages(tmp_path / "out", tmp_path / "site")["validation.html"]
    assert text.count("<tr>") == 50 * 2 + 1000 + 3
    assert "and 330 more" in text


def test_a_folder_without_history_and_a_phase_that_is_not_there_are_one_line(challenge: Path, tmp_path: Path) -> None:
    with pytest.raises(FetaError, match="holds no history"):
        write_site(tmp_path, tmp_path / "site", now=NOON)
    with pytest.raises(FetaError, match="no phase 'final'"):
        write_site(challenge, tmp_path / "site", now=NOON, reveal=("final",))
    assert not (tmp_path / "site").exists()


def test_the_command(
    challenge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for site, status in ((tmp_path / "site", 0), (challenge / "site", 2), (tmp_path, 2)):
        monkeypatch.setattr(sys, "argv", ["feta-evaluate", "board", str(challenge), str(site)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert int(end.value.code or 0) == status
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "validation: 4 submissions of 2 teams, 1 not scored yet", "test: 1 submissions of 1 teams, hidden",
    ]  # fmt: skip
    assert said.err.count("choose a folder of its own") == 2
    assert "out, which would be published" in said.err

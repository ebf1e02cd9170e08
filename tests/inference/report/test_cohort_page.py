"""The page of a cohort, and pages that are given away."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from feta.errors import FetaError
from inference.morphometry.growth_curve import GrowthCurve
from inference.report import case_page as module
from inference.report.case_page import write_case_page
from inference.report.cohort_page import write_cohort_page
from inference.report.cohort_table import read_cohort
from inference.report.share import key_of, write_shared
from tests.support.case_pages import ATTACK, CURVE, STAND_IN, block, case_page, scripts
from tests.support.html_page import Page

COLUMNS = ("participant_id", "session_id", "case", "gestational_age", "status", "warnings", "error", "verdict")
PARTS = ("", "_low", "_high", "_centile", "_z", "_flag", "_source")
Row = dict[str, str]


def curves_of(key: str) -> tuple[GrowthCurve, ...]:
    return (CURVE,) if key == "TCD" else ()


def row(subject: str, **more: str) -> Row:
    """A case with an ordinary length; any cell may be given."""
    fixed = {
        "participant_id": subject,
        "session_id": "n/a",
        "case": f"{subject}/anat/{subject}_T2w",
        "gestational_age": "29.5",
        "status": "done",
        "TCD": "34.2",
        "TCD_z": "0.10",
        "TCD_centile": "54.0",
    }
    return dict.fromkeys((*COLUMNS, *(f"TCD{part}" for part in PARTS)), "n/a") | fixed | more


def table(root: Path, *rows: Row) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    header = list(row("x"))
    lines = ["\t".join(header), *("\t".join(r[name] for name in header) for r in rows)]
    (root / "cohort.tsv").write_text("\n".join(lines) + "\n")
    (root / "cohort.json").write_text(json.dumps({"TCD": {"LongName": "cerebellar diameter", "Units": "mm"}}))
    return root


def with_page(root: Path, subject: str, **changed: object) -> None:
    page = case_page(subject=subject, name=f"{subject}_T2w", **changed)
    write_case_page(root / subject / "anat" / f"{subject}_T2w_report.html", page)


@pytest.fixture(autouse=True)
def viewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "viewer_bundle", lambda: STAND_IN)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes the page of these rows and gives its text."""

    def start(*rows: Row) -> str:
        return write_cohort_page(table(tmp_path / "out", *rows), curves_of).read_text("utf-8")

    return start


def test_failed_and_unknown_cases_come_first_then_the_farthest_from_the_norms(tmp_path: Path) -> None:
    root = table(
        tmp_path,
        row("sub-fine"),
        row("sub-far", TCD_z="-4.20", TCD_flag="below the 3rd centile"),
        row("sub-both", TCD_z="n/a", TCD_flag="norms differ; above the 97th centile of both"),
        row("sub-failed", status="failed", TCD="n/a", TCD_z="n/a"),
        row("sub-noage", gestational_age="n/a", TCD_z="n/a"),
    )
    order = [case.subject for case in read_cohort(root).cases]
    assert order == ["sub-failed", "sub-noage", "sub-far", "sub-both", "sub-fine"]


@pytest.mark.parametrize("flag", ["no norm", "age beyond the norms", "not measured", "from the age alone"])
def test_a_case_of_which_no_size_has_a_place_comes_before_those_that_have_one(flag: str, tmp_path: Path) -> None:
    root = table(
        tmp_path,
        row("sub-differ", TCD_z="n/a", TCD_centile="n/a", TCD_flag="norms differ"),
        row("sub-none", TCD_z="n/a", TCD_centile="n/a", TCD_flag=flag),
    )
    assert [(case.subject, case.placed) for case in read_cohort(root).cases] == [
        ("sub-none", False),
        ("sub-differ", True),
    ]


def test_rows_say_what_lies_outside_and_link_to_their_page(tmp_path: Path, write: Callable[..., str]) -> None:
    with_page(tmp_path / "out", "sub-1 #?")
    page = Page(write(row("sub-1 #?", TCD_z="-4.20", TCD_flag="below the 3rd centile"), row("sub-2", error="broken")))
    assert [a["href"] for a in page.all("a") if "target" in a] == ["sub-1%20%23%3F/anat/sub-1%20%23%3F_T2w_report.html"]
    assert "cerebellar diameter z −4.2" in page.text
    assert "2 cases" in page.text
    assert "Not a medical device" in page.text


def test_nothing_is_fetched_and_names_are_text(write: Callable[..., str]) -> None:
    text = write(row("sub-1", participant_id=ATTACK, case=ATTACK, warnings=ATTACK, TCD_flag=ATTACK))
    page = Page(text)
    assert len(scripts(text)) == 1
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert not page.all("img")
    data = json.loads(block(text, "data"))
    assert data["who"] == [[ATTACK, "", ATTACK]]


@pytest.mark.parametrize("count", [0, 1])
def test_a_cohort_of_none_or_one_has_a_page(count: int, write: Callable[..., str]) -> None:
    page = Page(write(*[row("sub-1")] * count))
    assert len(page.all("tr")) == 1 + count


def test_all_cases_are_dots_of_one_path(write: Callable[..., str]) -> None:
    text = write(*(row(f"sub-{n}", gestational_age=f"{20 + n / 10}") for n in range(100)))
    (dots,) = [p for p in Page(text).all("path") if p.get("class") == "dots"]
    assert dots["d"].count("h0") == 100


def test_places_outside_the_folder_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "secret_report.html").write_text("x")
    root = table(tmp_path / "out", row("a", case="../secret"), row("b", case=str(tmp_path / "secret")))
    assert [case.beside(root, "_report.html") for case in read_cohort(root).cases] == [None, None]


@pytest.mark.parametrize(
    ("content", "word"),
    [("", "empty"), ("a\tb\n1\t2\n", "no column"), ("participant_id\tcase\tstatus\nx\n", "cells")],
)
def test_a_table_of_another_kind_is_said_in_one_line(content: str, word: str, tmp_path: Path) -> None:
    (tmp_path / "cohort.tsv").write_text(content)
    with pytest.raises(FetaError, match=word):
        write_cohort_page(tmp_path, curves_of)


def test_numbers_that_are_none_are_left_out(write: Callable[..., str]) -> None:
    text = write(row("sub-1", TCD="1e999", TCD_z="nan", gestational_age="inf"))
    assert json.loads(block(text, "data"))["sizes"]["TCD"]["values"] == [None]


def shared_texts(tmp_path: Path, **options: bool) -> str:
    """All that is given away of a folder whose names stand in rows, pages and warnings."""
    root = tmp_path / "of Dr Miller"
    warned = "sub-0815 is listed twice; /data/Miller/0815.nii: odd"
    table(root, row("sub-0815", session_id="ses-birthday", warnings=warned, error="/data/0815"), row("sub-4711"))
    with_page(root, "sub-0815", warnings=[warned, "the image is unclear"])
    with_page(root, "sub-4711")
    assert write_shared(root, tmp_path / "share", curves_of, **options) == []
    return "".join(f"{path.name}\n{path.read_text('utf-8')}" for path in sorted((tmp_path / "share").rglob("*")))


def test_what_is_shared_says_of_nobody_who_it_is(tmp_path: Path) -> None:
    text = shared_texts(tmp_path)
    for name in ("0815", "4711", "birthday", "Miller"):
        assert name not in text
    assert "case 1" in text
    assert "the image is unclear" in text
    assert 'href="case-0001.html"' in text
    # Who is who stays outside of the folder that is given away.
    key = key_of(tmp_path / "share")
    assert key.parent == tmp_path
    assert "case 1\tsub-0815\tses-birthday\tsub-0815/anat/sub-0815_T2w" in key.read_text()


def test_an_option_keeps_the_names(tmp_path: Path) -> None:
    text = shared_texts(tmp_path, keep_ids=True)
    assert "sub-0815_T2w" in text
    assert not key_of(tmp_path / "share").exists()


def test_a_page_with_a_name_where_none_is_expected_is_not_shared(tmp_path: Path) -> None:
    root = table(tmp_path / "out", row("sub-0815"))
    with_page(root, "sub-0815")
    page = root / "sub-0815" / "anat" / "sub-0815_T2w_report.html"
    page.write_text(page.read_text().replace("About this page", "About sub-0815"))
    (warning,) = write_shared(root, tmp_path / "share", curves_of)
    assert "left out" in warning
    assert [path.name for path in (tmp_path / "share").iterdir()] == ["cohort.html"]


@pytest.mark.parametrize("label", ["001", "100", "255", "1000"])
def test_a_subject_whose_number_stands_in_every_page_is_shared_all_the_same(label: str, tmp_path: Path) -> None:
    """Opacity ends at 100, colours at 255."""
    root = table(tmp_path / "out", row(f"sub-{label}"))
    with_page(root, f"sub-{label}")
    assert write_shared(root, tmp_path / "share", curves_of) == []
    assert f"sub-{label}" not in (tmp_path / "share" / "case-0001.html").read_text()


def test_pages_are_shared_into_a_folder_of_their_own(tmp_path: Path) -> None:
    root = table(tmp_path / "out", row("sub-1"))
    with pytest.raises(FetaError, match="not empty"):
        write_shared(root, root, curves_of)


def test_what_is_rejected_or_to_be_checked_comes_first_with_its_reasons(tmp_path: Path) -> None:
    far = row("sub-a", TCD_z="2.9", TCD_flag="above the 97th centile", verdict="accept")
    rows = [far, row("sub-b", verdict="check"), row("sub-c", verdict="reject")]
    for each, why in zip(rows, ("n/a", "cerebellum: expected Dice 0.40", "two; reasons"), strict=True):
        each["verdict_reasons"] = why
    root = tmp_path / "out"
    root.mkdir()
    lines = ["\t".join(rows[0]), *("\t".join(each.values()) for each in rows)]
    (root / "cohort.tsv").write_text("\n".join(lines) + "\n")
    cohort = read_cohort(root)
    assert [(case.subject, case.reasons) for case in cohort.cases] == [
        ("sub-c", ("two", "reasons")), ("sub-b", ("cerebellum: expected Dice 0.40",)), ("sub-a", ()),
    ]  # fmt: skip
    text = write_cohort_page(root, curves_of).read_text()
    assert "cerebellum: expected Dice 0.40" in text

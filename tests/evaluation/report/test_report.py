"""The report as a browser gets it: whole, offline, and with every name as text."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from evaluation.ranking.baselines import Reference
from evaluation.ranking.results import Results, compute_results
from evaluation.report import figures
from evaluation.report.cells import DARKEST, p_value
from evaluation.report.page_content import render
from evaluation.report.worst_cases import draw
from evaluation.scoring.messages import ScoringMessages
from evaluation.scoring.policy import default_policy
from evaluation.scoring.score_table import ScoreTable
from tests.support.html_page import Page
from tests.support.made_up_scores import made_up_table, replaced

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ATTACK = '"><script>document.title="taken"</script><img src=x onerror=alert(1)>'
NAMES = (ATTACK, "../../../etc/passwd", '=HYPERLINK("http://x")', "n" * 300, "$\\frac{1}{0}$", "{{ 7*7 }}", "日本")


def hostile_results() -> Results:
    table = made_up_table(NAMES, 6)
    lengths, reasons = table.lengths.copy(), table.reasons.copy()
    lengths[0] = np.nan
    reasons[0, 0] = ATTACK[:40]
    messages = ScoringMessages(
        teams={ATTACK: [ATTACK]},
        warnings=[ATTACK],
        policy={ATTACK: {"x": ATTACK}},
        versions={"v": ATTACK},
        command=ATTACK,
    )
    rater = Reference("inter-rater", ATTACK, lengths=table.true_lengths * 1.02)
    return compute_results(replaced(table, lengths=lengths, reasons=reasons), messages, references=[rater])


@pytest.fixture(scope="module")
def report() -> str:
    return render(hostile_results())


@pytest.fixture(scope="module")
def page(report: str) -> Page:
    return Page(report)


def test_nothing_is_fetched_from_anywhere(page: Page, report: str) -> None:
    addresses = [a[name] for _, a in page.tags for name in ("src", "href", "srcset", "action", "data") if name in a]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "@import" not in report
    assert "url(" not in report
    assert {tag for tag, _ in page.tags}.isdisjoint({"iframe", "object", "embed", "form", "base", "svg"})


def test_plots_fetch_nothing_either(page: Page) -> None:
    plots = [a["src"].split(",", 1)[1] for a in page.all("img")]
    assert len(plots) >= 20
    for plot in plots:
        svg = base64.b64decode(plot).decode()
        assert not re.search(r'href="(?!#|data:)', svg)
        assert "<script" not in svg
        assert "/root/" not in svg


def test_names_are_text(page: Page) -> None:
    assert len(page.all("script")) == 1
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert ATTACK in page.text
    assert "{{ 7*7 }}" in page.text
    assert "n" * 300 in page.text


def test_the_policy_allows_our_script_alone(page: Page, report: str) -> None:
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    script = report.split("<script>")[-1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_every_picture_is_described_and_every_scroll_area_reachable(page: Page) -> None:
    assert all(a["alt"].strip() for a in page.all("img"))
    assert all(a.get("tabindex") == "0" and a["aria-label"] for a in page.all("div") if a.get("class") == "scroll")
    assert page.all("html")[0]["lang"] == "en"
    anchors = {a["href"][1:] for a in page.all("a")}
    assert anchors <= {a["id"] for _, a in page.tags if "id" in a}


def test_ids_are_unique(page: Page) -> None:
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_what_is_promised_is_there(page: Page) -> None:
    for words in (
        "95 % of ranks", "ED floor", "inter-rater", "not ranked", "significantly better", "in domain", "0.55T",
        "Pathological", "24 to below 28 weeks", "Image quality", "Bland–Altman, TCD", "Podium plots", "Policy",
        "Command",
    ):  # fmt: skip
        assert words in page.text


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0, "<.001"), (0.00099, "<.001"), (0.0206, ".021"), (0.09951, ".100"), (0.34, ".34"), (0.997, "1"), (1.0, "1")],
)
def test_p_values_are_short(p: float, text: str) -> None:
    assert p_value(p) == text


@pytest.mark.usefixtures("no_plots")
def test_every_p_can_be_read_without_a_pointer() -> None:
    results = compute_results(made_up_table(4, 30), ScoringMessages())
    page = Page(render(results))
    shown = re.findall(r"p (<\.001|\.\d+|1)(?!\d)", " ".join(page.text.split()))
    expected = [p_value(float(p)) for test in results.significance for p in test.p[~np.eye(4, dtype=bool)]]
    assert sorted(shown) == sorted(expected)
    marked = [a for a in page.all("td") if a.get("class") == "yes"]
    assert len(marked) == sum(int(test.better.sum()) for test in results.significance) > 0


@pytest.mark.usefixtures("no_plots")
def test_what_counts_less_than_it_is_is_told() -> None:
    table = made_up_table(2, 4)
    values = table.values.copy()
    values[1, 2, 3, 3] = 4321
    limited = replace(replaced(table, values=values), limits=default_policy().limits)
    text = " ".join(Page(render(compute_results(limited, ScoringMessages()))).text.split())
    assert "No ED counts more than 1000, which a missing label costs; 1 measured more." in text
    assert "No error counts more than 100 %, which a missing length costs." in text
    assert "counts more" not in Page(render(compute_results(table, ScoringMessages()))).text


@pytest.mark.usefixtures("no_plots")
def test_a_range_that_cannot_be_told_is_not_shown_as_certain() -> None:
    page = Page(render(compute_results(made_up_table(3, 3), ScoringMessages())))
    assert page.text.count("can't be told") == 6
    assert "no site has two cases" in page.text


@pytest.mark.usefixtures("no_plots")
def test_sites_with_a_single_case_are_named_where_others_have_more() -> None:
    text = " ".join(Page(render(compute_results(made_up_table(3, 4), ScoringMessages()))).text.split())
    assert "how sites with a single case might vary: CHUV, Vienna." in text
    assert "can't be told" not in text


def test_a_plot_of_samples_that_cannot_differ_says_so() -> None:
    captions = [plot.caption for plot in figures.blobs(compute_results(made_up_table(3, 3), ScoringMessages()))]
    assert len(captions) == 2
    assert all("can't be told" in caption and "τ" not in caption for caption in captions)


def test_beyond_a_number_of_teams_nothing_grows_with_their_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("ranking.stability", "report.page_content"):
        monkeypatch.setattr(f"evaluation.{module}.MOST_COMPARED", 3)
    results = compute_results(made_up_table(4, 6), ScoringMessages())
    page = Page(render(results))
    assert results.significance == ()
    assert not page.all("img")
    assert "Of more than 3 teams, pairs are not tested and plots are not drawn." in page.text
    assert page.text.count("team-2") > 10


def without_lengths(table: ScoreTable) -> ScoreTable:
    nothing = np.full(table.length_errors.shape, np.nan)
    return replaced(table, true_lengths=nothing[0], lengths=nothing, length_errors=nothing)


@pytest.mark.parametrize(
    "table", [made_up_table(1, 1), without_lengths(made_up_table(2, 2))], ids=["one", "no lengths"]
)
def test_small_cohorts_have_a_report_too(table: ScoreTable) -> None:
    page = Page(render(compute_results(table, ScoringMessages())))
    assert "Every score of every team was measured." in page.text
    assert ("Bland–Altman" in page.text) == bool(np.isfinite(table.true_lengths).any())


def test_a_site_without_a_true_map_is_shown_by_its_lengths() -> None:
    table = made_up_table(2, 6)
    values, floor = table.values.copy(), table.ed_floor.copy()
    values[:, [1, 4]], floor[[1, 4]] = np.nan, np.nan
    page = Page(render(compute_results(replaced(table, values=values, ed_floor=floor), ScoringMessages())))
    assert "nan" not in page.text.casefold().split()
    assert "Vienna" in page.text


def test_plots_are_made_twice_the_same() -> None:
    results = compute_results(made_up_table(2, 3), ScoringMessages())
    assert figures.blobs(results) == figures.blobs(results)
    assert figures.podiums(results) == figures.podiums(results)


def test_pictures_are_shown_only_when_asked_for_worst_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.report.figures.data_uri", lambda figure: "data:,")
    results = compute_results(made_up_table(2, 12), ScoringMessages())
    labels = np.zeros((6, 7, 8), dtype=np.uint8)
    labels[1:4, 2:5, 3:6] = 2
    png = draw(labels, np.roll(labels, 1, axis=0), (1.0, 0.8, 0.5))
    assert png.startswith(b"\x89PNG")
    asked: list[tuple[int, int]] = []

    def source(team: int, case: int) -> bytes | None:
        asked.append((team, case))
        return png if team == 0 else None

    shown = Page(render(results, pictures=source))
    dice = results.table.values[0, ..., 0].mean(axis=1)
    assert [case for team, case in asked if team == 0] == np.argsort(dice, kind="stable")[:10].tolist()
    assert sum(a.get("class") == "shot" for a in shown.all("img")) == 10
    assert "data:image/png" not in render(results)
    assert "Worst cases" in shown.text


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize(
    ("text", "ground"),
    [("--ink", "#ffffff"), ("--quiet", "#ffffff"), ("--quiet", "--ground"), ("--ink", "#fff5ee"), ("#ffffff", "--blue"),
     ("#005a8d", "#ffffff"), ("--ink", "heat")],
)  # fmt: skip
def test_every_text_stands_out_from_its_ground(text: str, ground: str) -> None:
    """WCAG 2.2, AA: a contrast of at least 4.5 to 1. ``heat``: the darkest ground of a table's field, on white."""
    style = (files("evaluation.report") / "templates" / "report.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"(--\w+): (#[0-9a-f]{6})", style))
    blue = [int(colours["--blue"][i : i + 2], 16) for i in (1, 3, 5)]
    colours["heat"] = "#" + "".join(f"{round(255 + (c - 255) * DARKEST):02x}" for c in blue)
    light, dark = sorted((luminance(colours.get(c, c)) for c in (text, ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def browse(path: Path, profile: Path, *more: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-dev-shm-usage",
    ]
    flags += ["--enable-logging=stderr", "--virtual-time-budget=4000", f"--user-data-dir={profile}"]
    return subprocess.run(
        [CHROMIUM, *flags, *more, path.as_uri()], capture_output=True, text=True, timeout=180, check=True
    )


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_chromium_shows_it_without_a_complaint(report: str, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(report, encoding="utf-8")
    shot = tmp_path / "shot.png"
    found = browse(file, tmp_path / "profile", "--window-size=1280,2000", f"--screenshot={shot}")
    assert "CONSOLE" not in found.stderr
    assert shot.stat().st_size > 20_000


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_headings_sort_and_nothing_of_a_name_runs(report: str, tmp_path: Path) -> None:
    """Dice once (rising) and twice (falling), by the page's own script; a second script only looks."""
    look = """<script>
      const board = document.querySelectorAll("table.board")[0];
      const buttons = board.querySelectorAll("thead button");
      const column = () => [...board.tBodies[0].rows].map((r) => r.cells[4].textContent);
      buttons[4].click(); const rising = column().join(); buttons[4].click();
      document.body.dataset.seen = rising + "|" + column().join() + "|" + document.title;
      document.body.dataset.wide = document.documentElement.scrollWidth - innerWidth;
    </script>"""
    opened = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", report)
    file = tmp_path / "report.html"
    file.write_text(opened.replace("</body>", look + "</body>"), encoding="utf-8")
    body = Page(browse(file, tmp_path / "profile", "--window-size=600,900", "--dump-dom").stdout).all("body")[0]
    rising, falling, title = body["data-seen"].split("|")
    numbers = [float(cell) for cell in rising.split(",")]
    assert numbers == sorted(numbers)
    assert [float(cell) for cell in falling.split(",")] == numbers[::-1]
    assert title == "FeTA evaluation"
    assert int(body["data-wide"]) <= 0

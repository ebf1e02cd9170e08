"""What is published under an automatic accessibility checker, axe-core (deque.com/axe): WCAG's rules, contrast too.

All pages stand in frames of one, as wide as a desktop and a phone, so that the browser starts once.
"""

from __future__ import annotations

import functools
import html
import importlib.util
import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from evaluation.harness.roster import Counts, Phase, Team
from evaluation.phases.admission import run_again
from evaluation.phases.site import write_site
from evaluation.ranking import leaderboard
from evaluation.ranking.results import compute_results
from evaluation.ranking.stability import bootstrap
from evaluation.release.policy import ReleasePolicy
from evaluation.release.published import Published
from evaluation.release.write import release_files
from evaluation.scoring.messages import ScoringMessages
from tests.support.html_page import Page
from tests.support.made_up_history import DAY, NOON, hand_in, new_history, table_of, write_scores
from tests.support.made_up_record import record_of
from tests.support.made_up_scores import made_up_table, replaced

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
#: A package that brings the script; the rest of it is for another browser driver, and is not imported.
AXE = importlib.util.find_spec("axe_playwright_python")
WIDTHS = (1280, 390)
FAULTY = '<!doctype html><html lang="en"><title>t</title><body><p style="color:#ccc">pale</p></body></html>'
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(AXE is None, reason="axe-playwright-python is not installed"),
]


def released() -> dict[str, str]:
    """The report and the page of a team with a failed case, and numbers withheld."""
    table = made_up_table(3, 15)
    reasons = table.reasons.copy()
    reasons[0, 3], reasons[1, 2:] = "missing-file", "wrong-grid"
    table = replaced(table, reasons=reasons)
    published = Published(compute_results(table, ScoringMessages()), ReleasePolicy(by_site=True))
    files = release_files(published, [f"case-{i}" for i in range(15)], record_of(table))
    return {file.path: file.content for file in files if file.path.endswith(("index.html", "team-0.html"))}


def boards(folder: Path) -> dict[str, str]:
    """A site with an appeal, look-alikes, and a hidden phase."""
    first = Phase("validation", a_day=5, counts=Counts.BEST)
    history = new_history(folder / "out", first)
    hand_in(history, first, NOON, a="one", b="one")
    run_again(history, first, Team("a", "one"), None, "Chair: the disk was full", NOON + 1)
    history.put_phase(replace(first, a_day=3), NOON + 2)
    history.put_phase(Phase("test", closes=date(2026, 8, 2), hidden=True), NOON + 3)
    write_scores(folder / "out", "validation", table_of(history.entries("validation"), [0.8, 0.8, 0.9]))
    write_site(folder / "out", folder / "site", now=NOON + DAY)
    return {f"site/{path.name}": path.read_text() for path in (folder / "site").iterdir()}


def framed(name: str, page: str, width: int) -> str:
    """A page in a frame, with the checker in it: for that its policy must go."""
    assert AXE is not None and AXE.origin is not None
    checker = Path(AXE.origin).with_name("axe.min.js").read_text(encoding="utf-8").replace("</script", r"<\/script")
    run = (
        "axe.run(document, {resultTypes: ['violations']}).then((found) => parent.postMessage({name: window.name, "
        "violations: found.violations.map((v) => `${v.id}: ${v.nodes[0].html}`)}, '*'))"
    )
    opened = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    whole = opened.replace("</body>", f"<script>{checker}</script><script>{run}</script></body>")
    return f'<iframe name="{name} {width}" width="{width}" height="900" srcdoc="{html.escape(whole)}"></iframe>'


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Page and width → what the checker finds."""
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leaderboard, "bootstrap", functools.partial(bootstrap, samples=50))
        pages = {**released(), **boards(folder)}
    frames = "".join(framed(name, page, width) for name, page in pages.items() for width in WIDTHS)
    collect = (
        "const all = {}; addEventListener('message', (event) => { all[event.data.name] = event.data.violations; "
        "document.body.dataset.found = JSON.stringify(all); })"
    )
    file = folder / "frames.html"
    file.write_text(f"<!doctype html><body><script>{collect}</script>{framed('faulty', FAULTY, 390)}{frames}</body>")
    assert CHROMIUM is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--dump-dom"]
    flags += ["--disable-dev-shm-usage", f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=60000"]
    done = subprocess.run([CHROMIUM, *flags, file.as_uri()], capture_output=True, text=True, timeout=600, check=True)
    return json.loads(Page(done.stdout).all("body")[0]["data-found"])


def test_nothing_that_is_published_breaks_a_rule(found: dict[str, list[str]]) -> None:
    assert len(found) == 1 + 5 * len(WIDTHS)
    assert {name: lines for name, lines in found.items() if lines and not name.startswith("faulty")} == {}


def test_the_checker_finds_what_is_wrong(found: dict[str, list[str]]) -> None:
    """Or else finding nothing would mean nothing."""
    assert any(line.startswith("color-contrast: <p") for line in found["faulty 390"])

"""Both pages in a real browser, without a network: the viewer starts, keys rate, nothing of a name runs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from inference.report.case_page import render_case
from inference.report.cohort_page import Naming, render_cohort
from inference.report.cohort_table import Cohort, CohortCase, Size, SizeName
from inference.report.viewer_bundle import viewer_bundle
from tests.support.case_pages import ATTACK, CURVE, case_page
from tests.support.html_page import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]
SOFTWARE = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


def browse(text: str, folder: Path, *more: str) -> tuple[Page, str]:
    """The page after its scripts have run, and what the browser complained of."""
    assert CHROMIUM is not None
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-background-networking", "--disable-dev-shm-usage"]
    flags += ["--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}", "--dump-dom", "--timeout=60000"]
    done = subprocess.run(
        [CHROMIUM, *flags, *more, file.as_uri()], capture_output=True, text=True, timeout=240, check=True
    )
    return Page(done.stdout), "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def watched(text: str, script: str) -> str:
    """A page to which a script was added that only looks: for it the policy must go."""
    opened = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    return opened.replace("</body>", f"<script>{script}</script></body>")


@pytest.mark.skipif(viewer_bundle() is None, reason="nilearn, which carries the viewer, is not installed")
def test_the_viewer_starts_under_the_pages_own_policy(tmp_path: Path) -> None:
    page, complaints = browse(
        render_case(case_page(warnings=[ATTACK])), tmp_path, *SOFTWARE, "--virtual-time-budget=10000"
    )
    assert complaints == ""
    (html,) = page.all("html")
    assert html.get("data-viewer") == "ready"
    assert "Crosshair:" in page.text


def test_without_webgl_there_are_still_pictures(tmp_path: Path) -> None:
    page, _ = browse(render_case(case_page()), tmp_path, "--disable-gpu", "--disable-3d-apis")
    assert "Still pictures only" in page.text
    assert any("open" in details for details in page.all("details"))
    assert "data-viewer" not in page.all("html")[0]


def cohort() -> str:
    sizes = [{"TCD": Size(30.0 + n, z=float(n))} for n in range(3)]
    cases = [CohortCase(f"sub-{n}", "", f"sub-{n}", 25.0 + n, "done", (ATTACK,), "", s) for n, s in enumerate(sizes)]
    naming = Naming("Cohort", ("sub-0", "sub-1", ATTACK), (None,) * 3, private=True)
    return render_cohort(
        Cohort(tuple(cases), (SizeName("TCD", "cerebellum", "mm"),)), [None] * 3, lambda key: (CURVE,), naming
    )


def test_the_cohorts_page_runs_without_a_complaint(tmp_path: Path) -> None:
    page, complaints = browse(cohort(), tmp_path, "--disable-gpu")
    assert complaints == ""
    assert page.all("html")[0].get("data-page") == "ready"


def test_keys_rate_and_headings_sort(tmp_path: Path) -> None:
    script = """
      const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
      ["n", "a", "r", "p", "u"].forEach(press);
      document.querySelector("[data-sort=z]").click();
      document.querySelector("[data-sort=z]").click();
      const rows = [...document.querySelectorAll("tbody tr")];
      document.body.dataset.seen = rows.map((row) => row.dataset.n + row.dataset.rating).join("|");
      document.body.dataset.rings = document.querySelectorAll("circle.mark").length;
      document.body.dataset.title = document.title;
      document.body.dataset.wide = document.documentElement.scrollWidth - innerWidth;
    """
    page, _ = browse(watched(cohort(), script), tmp_path, "--disable-gpu", "--window-size=600,900")
    (body,) = page.all("body")
    # The first was accepted; the second rejected, gone back to, and left unrated again.
    assert body["data-seen"] == "2undefined|1|0accept"
    assert body["data-rings"] == "1"
    assert body["data-title"] == "Cohort"
    assert int(body["data-wide"]) <= 0

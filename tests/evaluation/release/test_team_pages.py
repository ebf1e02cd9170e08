"""A team's page: safe to send, and of use."""

from __future__ import annotations

import re

import pytest

from evaluation.harness.case_state import CaseState
from evaluation.harness.record import CaseRun, RunRecord, TeamRun
from evaluation.harness.roster import ResourceLimits
from evaluation.ranking.results import compute_results, label_means
from evaluation.release.pages import page_addresses
from evaluation.release.policy import ReleasePolicy
from evaluation.release.published import Published
from evaluation.release.team_summary import Summaries
from evaluation.release.write import release_files
from evaluation.report.render import render_page
from evaluation.scoring.messages import ScoringMessages
from evaluation.scoring.score_table import ScoreTable
from feta.errors import FetaError
from feta.labels import TISSUE_NAMES, TISSUES
from tests.support.html_page import Page
from tests.support.made_up_scores import made_up_table, replaced

ATTACK = '"><script>document.title="taken"</script><img src=x onerror=alert(1)>'
HOSTILE = (
    ATTACK,
    "../../../etc/passwd",
    '=HYPERLINK("http://x")',
    "n" * 300,
    "{{ 7*7 }}",
    "日本",
    "a",
    "A",
    "CON",
    ".x",
)


pytestmark = pytest.mark.usefixtures("quick")


def published_of(table: ScoreTable, policy: ReleasePolicy | None = None) -> Published:
    return Published(compute_results(table, ScoringMessages()), policy or ReleasePolicy())


def pages_of(table: ScoreTable, record: RunRecord | None = None) -> dict[str, str]:
    names = [f"case-{i:02d}" for i in range(len(table.cases))]
    files = release_files(published_of(table), names, record or RunRecord())
    return {file.path: file.content for file in files}


def cells_after(page: str, heading: str) -> list[list[str]]:
    """Rows of the table with a caption."""
    table = page.split(f"{heading}</caption>")[1].split("</table>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in table.split("<tr>")[2:]]
    return [[re.sub("<[^>]*>", "", cell) for cell in row] for row in rows]


def test_own_means_stand_beside_the_median_of_all_teams() -> None:
    table = made_up_table(5, 12)
    means = label_means(table)
    rows = cells_after(pages_of(table)["teams/team-3.html"], "Dice")
    assert [row[0] for row in rows] == [TISSUE_NAMES[tissue] for tissue in TISSUES]
    for row, tissue in zip(rows, TISSUES, strict=True):
        all_teams = sorted((means[team][tissue.name]["dice"] for team in table.teams), reverse=True)
        own = means["team-3"][tissue.name]["dice"]
        assert row[1:] == [f"{own:.3f}", f"{all_teams[2]:.3f}", str(all_teams.index(own) + 1)]


def test_where_topology_broke_is_counted_over_what_was_measured() -> None:
    table = made_up_table(2, 8)
    values, reasons = table.values.copy(), table.reasons.copy()
    values[..., 4:] = 0
    values[0, [1, 4], 1, 5] = [3, 1]  # two loops more in grey matter
    values[0, 7], reasons[0, 7] = [0, 0, 99, 1000, 1000, 1000, 1000], "missing-file"
    page = pages_of(replaced(table, values=values, reasons=reasons))["teams/team-0.html"]
    rows = {row[0]: row[1:] for row in cells_after(page, "Topology")}
    assert rows["grey matter"] == ["2 of 7", "0.0 (0.0)", f"{4 / 7:.1f} ({2 / 7:.1f})", "0.0 (0.0)", "2, 0, 0"]
    assert rows["cerebellum"] == ["0 of 7", "0.0 (0.0)", "0.0 (0.0)", "0.0 (0.0)", "1, 0, 0"]


def test_failed_cases_are_told_in_one_line_each_by_their_made_up_names() -> None:
    table = made_up_table(2, 12)
    reasons, why = table.reasons.copy(), table.length_reasons.copy()
    reasons[0, 3], why[0, 3] = "missing-file", "missing-file"
    reasons[0, 5, 2:4], reasons[0, 6, 1], reasons[0, 7, 0] = "missing-label", "extra-label", "<b>odd</b>"
    why[0, 5, 1] = "invalid-length"
    run = TeamRun("i", "i", "folder", "GPU 0", (), "", {"done": 10, "timed-out": 1, "out-of-memory": 1}, 3725.0)
    cases = {case.name: CaseRun(CaseState.DONE, 60.4 + i, (500 + i) << 20) for i, case in enumerate(table.cases)}
    cases[table.cases[3].name] = CaseRun(CaseState.TIMED_OUT, 1800.0)
    cases[table.cases[9].name] = CaseRun(CaseState.OUT_OF_MEMORY, 30.0)
    record = RunRecord({"team-0": run}, {"team-0": cases}, ResourceLimits())
    page = pages_of(replaced(table, reasons=reasons, length_reasons=why), record)["teams/team-0.html"]
    lines = {row[0]: row[1] for row in cells_after(page, "Failed cases")}
    assert lines == {
        "case-03": "container: ran longer than a case may, and was ended; label map: no file; lengths: no file",
        "case-05": "label map: a label is missing; lengths: a length is no positive number",
        "case-07": "label map: not counted: ask the organizers",
        "case-09": "container: needed more memory than the limit",
    }
    assert "a label that the truth lacks" in page  # counted, with no case
    text = " ".join(Page(page).text.split())
    assert "median 1:06, longest 30:00" in text
    assert "16384 MB; cases that needed more: 1" in text
    assert "510 MB, looked at once a second" in text
    assert "Time of all cases1:01:40" in text  # of 3725 s


def test_where_no_runner_was_at_work_no_time_is_told() -> None:
    assert 'id="run"' not in pages_of(made_up_table(2, 6))["teams/team-0.html"]


def test_rank_range_is_the_leaderboard_s() -> None:
    published = published_of(made_up_table(4, 12))
    summaries = Summaries(published, [""] * 12, RunRecord())
    for t, team in enumerate(published.table.teams):
        row = next(row for row in published.results.segmentation[0].rows if row["team"] == team)
        low, high = row["rank_low"], row["rank_high"]
        assert summaries.of(t).standings[0].range == (f"{low}" if low == high else f"{low} to {high}")
    single = published_of(made_up_table(2, 3), ReleasePolicy(fewest_cases=1))
    assert Summaries(single, [""] * 3, RunRecord()).of(0).standings[0].range is None


def test_names_are_text_and_files_have_safe_names() -> None:
    files = pages_of(made_up_table(HOSTILE, 6))
    addresses = page_addresses(HOSTILE)
    assert len({address.casefold() for address in addresses.values()}) == len(HOSTILE)
    for team, address in addresses.items():
        assert re.fullmatch(r"teams/[A-Za-z0-9_][A-Za-z0-9_-]{0,80}\.html", address)
        page = Page(files[address])
        assert len(page.all("script")) == 1
        assert not page.all("img")
        assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
        assert team in page.text
    report = Page(files["index.html"])
    assert len(report.all("script")) == 1
    assert {a["href"] for a in report.all("a")} >= set(addresses.values())
    assert "'=HYPERLINK" in files["leaderboard_segmentation.csv"]


def test_a_page_for_a_team_that_is_not_there_is_one_clear_line() -> None:
    published = published_of(made_up_table(2, 6), ReleasePolicy(teams=("team-1", "nobody")))
    with pytest.raises(FetaError, match=r"there is no team 'nobody'; there are team-0, team-1$"):
        list(release_files(published, [""] * 6, RunRecord()))


def test_pages_are_made_for_the_teams_that_the_policy_names() -> None:
    published = published_of(made_up_table(3, 6), ReleasePolicy(teams=("team-1",)))
    files = [file.path for file in release_files(published, [""] * 6, RunRecord())]
    assert [path for path in files if path.startswith("teams/")] == ["teams/team-1.html"]


def test_a_thousand_teams_take_a_thousand_times_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """One page a team, of a size that doesn't depend on the others; the report grows by a row a team and table."""
    rendered: list[str] = []

    def counted(name: str, **content: object) -> str:
        rendered.append(name)
        return render_page(name, **content)

    monkeypatch.setattr("evaluation.release.pages.render_page", counted)
    sizes = {}
    for teams in (50, 100, 150):
        files = pages_of(made_up_table(tuple(f"team-{t:04d}" for t in range(teams)), 6, sites=("KISPI",)))
        own = [len(text) for path, text in files.items() if path.startswith("teams/")]
        sizes[teams] = sum(len(text) for text in files.values())
        assert len(own) == teams
        assert max(own) < 30_000
    assert rendered == [name for teams in sizes for name in ["release.html", *["team.html"] * teams]]
    assert sizes[150] - sizes[100] == pytest.approx(sizes[100] - sizes[50], rel=0.02)


def test_the_script_is_the_only_thing_that_may_run() -> None:
    page = pages_of(made_up_table(2, 6))["teams/team-0.html"]
    policy = next(a["content"] for a in Page(page).all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    addresses = [a[name] for _, a in Page(page).tags for name in ("src", "href") if name in a]
    assert all(address.startswith(("#", "data:,")) for address in addresses)


def test_every_scroll_area_can_be_reached_and_is_named_once() -> None:
    for text in pages_of(made_up_table(4, 15)).values():
        if not text.startswith("<!doctype"):
            continue
        areas = [a for a in Page(text).all("div") if a.get("class") == "scroll"]
        assert all(a["tabindex"] == "0" for a in areas)
        names = [a["aria-label"] for a in areas]
        assert len(set(names)) == len(names)
        ids = [a["id"] for _, a in Page(text).tags if "id" in a]
        assert len(set(ids)) == len(ids)
        assert {a["href"][1:] for a in Page(text).all("a") if a["href"].startswith("#")} <= set(ids)


def test_numbers_that_are_unknown_are_dashes() -> None:
    table = made_up_table(2, 8)
    reasons = table.reasons.copy()
    reasons[0, :, 6] = "missing-label"
    rows = cells_after(pages_of(replaced(table, reasons=reasons))["teams/team-0.html"], "Topology")
    assert rows[6][1] == "0 of 0"
    assert rows[6][2].startswith("– (")
    assert "nan" not in str(rows)

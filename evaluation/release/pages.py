"""The release's pages: the report without anything hidden, and a page a team."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from evaluation.harness.record import RunRecord, TeamRun
from evaluation.ranking.leaderboard import LeaderboardGroup
from evaluation.ranking.results import Results, label_means
from evaluation.ranking.stability import BOOTSTRAPS, LEVEL, MOST_COMPARED
from evaluation.release.published import Published
from evaluation.release.run_facts import two_digits
from evaluation.release.team_summary import TeamSummary
from evaluation.report import figures
from evaluation.report.cells import ReportTable, heat_table
from evaluation.report.page_content import BIOMETRY_WORDS, EULER_WORDS, FLOOR_WORDS, SEGMENTATION_WORDS
from evaluation.report.render import render_page
from evaluation.report.run_table import run_table, run_words
from evaluation.report.style import METRIC_TITLES
from evaluation.report.tables import (
    biometry_table,
    penalty_table,
    segmentation_table,
    significance_maps,
    team_labels,
)
from evaluation.scoring.policy import Policy
from evaluation.scoring.score_table import RANKED_METRICS
from evaluation.submissions.reasons import Reason
from feta.labels import TISSUES

_VERSIONS = ("feta", "measurements", "python", "numpy", "scipy", "SimpleITK", "numba")
#: How an exception of the roster begins → what of it is published: no path.
_EXCEPTIONS = {
    "root": "root",
    "writable copy": "writable copy of the input",
    "shared memory": "more shared memory",
    "may write to": "further folders",
}
_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_NAME = 60


def render_report(published: Published, record: RunRecord, pages: Mapping[str, str]) -> str:
    """index.html as text.

    Args:
        pages: team → address of its page, of those that have one.
    """
    shown = _shown(published)
    biometry = shown.biometry
    few = len(shown.table.teams) <= MOST_COMPARED
    words = run_words(record.teams)
    return render_page(
        "release.html",
        **_words(shown),
        edition=shown.messages.edition,
        teams=len(shown.table.teams),
        cases=len(shown.table.cases),
        fewest=published.policy.fewest_cases,
        segmentation=segmentation_table(shown.segmentation[0]),
        biometry=biometry_table(biometry[0]) if biometry else None,
        sites=_site_tables(shown),
        blobs=figures.blobs(shown) if few else [],
        significance=significance_maps(shown) if few else [],
        tissues=_tissue_tables(published, shown),
        penalties=penalty_table(shown),
        runs=run_table({team: _run(run) for team, run in record.teams.items() if team in shown.table.teams}),
        run_words=words,
        # Where containers ran is the organizers' own: of what kept them apart only that something lacked is told.
        lacking=any(place.lacks for place in record.places),
        walls=None,
        insecure=False,
        pages=list(pages.items()),
        bootstraps=BOOTSTRAPS,
        level=LEVEL,
        most_compared=MOST_COMPARED,
        scheme=shown.scheme,
        policy=_penalties(shown.messages.policy),
        versions={name: shown.messages.versions[name] for name in _VERSIONS if name in shown.messages.versions},
    )


def render_team(published: Published, team: TeamSummary) -> str:
    """A team's page as text."""
    return render_page(
        "team.html",
        **_words(published.results),
        team=team,
        teams=len(published.table.teams),
        edition=published.results.messages.edition,
        fewest=published.policy.fewest_cases,
    )


def page_addresses(teams: Sequence[str]) -> dict[str, str]:
    """Team → ``teams/NAME.html``: the name as far as it fits a file on every system, else with its hash."""
    plain = {team: _UNFIT.sub("_", team)[:_LONGEST_NAME] for team in teams}
    counts = Counter(name.casefold() for name in plain.values())
    return {
        team: f"teams/{name if name == team and counts[name.casefold()] == 1 else _hashed(name, team)}.html"
        for team, name in plain.items()
    }


def _hashed(name: str, team: str) -> str:
    digest = hashlib.sha256(team.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{name.strip('-')}-{digest[:10]}".lstrip("-")


def _shown(published: Published) -> Results:
    """Results with the parts that the report takes, as they may be published; scores by case are never touched."""
    known = {str(reason) for reason in Reason}
    penalties: dict[str, dict[str, int]] = {}
    for team, counts in published.results.penalties.items():
        found: Counter[str] = Counter()
        for reason, count in counts.items():
            found[reason if reason in known else "other"] += count
        penalties[team] = dict(found)
    biometry = published.biometry()
    significance = tuple(s for s in published.results.significance if s.metric != "mape" or biometry)
    return replace(
        published.results,
        segmentation=published.segmentation(),
        biometry=biometry,
        penalties=penalties,
        significance=significance,
    )


def _words(results: Results) -> dict[str, str]:
    return {
        "scheme_words": SEGMENTATION_WORDS[results.scheme],
        "biometry_words": BIOMETRY_WORDS[results.scheme] if results.biometry else "",
        "euler_words": EULER_WORDS[results.euler],
        "floor_words": FLOOR_WORDS[results.euler],
    }


def _tissue_tables(published: Published, shown: Results) -> list[ReportTable]:
    if not published.enough.each_label:
        return []
    means, told = label_means(published.table), published.enough.told
    headings = tuple(f"{int(tissue)} {tissue.name}" for tissue in TISSUES)
    labels = team_labels(shown.segmentation[0])

    def numbers(t: int, metric: str) -> list[float | None]:
        return [means[shown.table.teams[t]][tissue.name][metric] if told[t] else None for tissue in TISSUES]

    return [
        heat_table(METRIC_TITLES[metric], headings, [(label, numbers(t, metric)) for t, label in labels], metric)
        for metric in RANKED_METRICS
    ]


def _site_tables(shown: Results) -> list[ReportTable]:
    """Ranks and means by site, of the leaderboards that may be published; none where they are the cohort's alone."""
    return [
        *_tables_of("Rank, segmentation", ("rank", *RANKED_METRICS), shown.segmentation),
        *_tables_of("Rank, biometry", ("rank", "mape"), shown.biometry),
    ]


def _tables_of(title: str, metrics: Sequence[str], boards: Sequence[LeaderboardGroup]) -> Iterator[ReportTable]:
    if len(boards) < 2:
        return
    rows = [{str(row["team"]): row for row in board.rows if row["rank"] is not None} for board in boards[1:]]
    headings = [f"{board.group.name}\n({board.group.size})" for board in boards[1:]]
    for metric in metrics:
        numbers = [
            (label, [_number(row[boards[0].ranking.teams[t]].get(metric)) for row in rows])
            for t, label in team_labels(boards[0])
        ]
        name = title if metric == "rank" else f"{METRIC_TITLES[metric]}, by site"
        yield heat_table(name, headings, numbers, metric)


def _number(cell: object) -> float | None:
    return float(cell) if isinstance(cell, int | float) else None


def _run(run: TeamRun) -> TeamRun:
    """What of a run may be published: no image's name, no path, not the organizer's own words."""
    granted = [words for begin, words in _EXCEPTIONS.items() if any(e.startswith(begin) for e in run.exceptions)]
    seconds = two_digits(run.seconds)
    return replace(run, image="", image_id="", why="", exceptions=tuple(granted), seconds=seconds)


def _penalties(policy: Mapping[str, object]) -> dict[str, object]:
    """The numbers of a policy, by the names that it may have."""
    found: dict[str, object] = {}
    for name in (field.name for field in fields(Policy)):
        value: Any = policy.get(name)
        if isinstance(value, Mapping):
            found[name] = {k: v for k, v in value.items() if k in ("dice", "vs", "hd95") and _plain(v)}
        elif value is not None and _plain(value):
            found[name] = value
    return found


def _plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float)

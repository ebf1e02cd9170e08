"""Score every team on every case: measure in parallel, then apply the policy."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import feta
from evaluation.choices import Euler
from evaluation.cluster.connection import Address
from evaluation.metrics.length_error import length_errors
from evaluation.scoring.cache import VERSION, Cache
from evaluation.scoring.case_task import CaseResult, CaseTask
from evaluation.scoring.confidence import score_confidence
from evaluation.scoring.dask_pool import run_on
from evaluation.scoring.messages import ScoringMessages, team_lines
from evaluation.scoring.penalties import ed_floor, fill_lengths, fill_topology, missing_case, score_pair
from evaluation.scoring.policy import Policy, default_policy
from evaluation.scoring.process_pool import run_all
from evaluation.scoring.same_results import same_results
from evaluation.scoring.score_table import SEGMENTATION_METRICS, ScoreTable
from evaluation.scoring.truth import Truth, read_truth
from evaluation.submissions.case_files import TeamFiles, locate_files
from evaluation.submissions.find import Submission, find_submissions
from evaluation.submissions.reasons import Reason
from feta.errors import FetaError
from feta.labels import TISSUES
from feta.machine import usable_cores
from feta.measurements import MEASUREMENTS

Progress = Callable[[int, int], None]


def score(
    truth: Path,
    submissions: Path,
    *,
    euler: Euler = "table",
    jobs: int | None = None,
    scheduler: str | Address | None = None,
    policy: Policy | None = None,
    cache: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> tuple[ScoreTable, ScoringMessages]:
    """Score all teams against the ground truth.

    Args:
        truth: ground truth, a BIDS tree with label maps, participants.tsv and biometry.tsv.
        submissions: one folder for each team.
        euler: what ED and Betti differences refer to: the fixed table, or the label map of the ground truth.
        jobs: processes; by default one for each core that this process may use.
        scheduler: a dask scheduler whose workers do the measuring, in place of processes here; a text is an address
            that is not encrypted.
        policy: penalties; by default the declared ones.
        cache: folder in which measurements are kept; None keeps nothing.
        progress: called with the number of cases done and of all.

    Raises:
        FetaError: truth, submissions or the scheduler can't be used at all.
    """
    policy = policy or default_policy()
    known = read_truth(truth)
    teams, ignored = find_submissions(submissions)
    tasks = _tasks(known, teams, Cache(cache.absolute()) if cache else None)
    results = run_on(tasks, scheduler, progress) if scheduler else run_all(tasks, jobs or usable_cores(), progress)
    if all(result.problem for result in results):
        raise FetaError(truth, "no label map of the truth can be read", results[0].problem or "")
    table = score_table(known, [team.team for team in teams], results, policy, euler)
    promised = [score_confidence(team, t, table, only_case=known.only_case) for t, team in enumerate(teams)]
    messages = ScoringMessages(
        teams={team.team: [*team_lines(team, t, results, table), *promised[t].lines] for t, team in enumerate(teams)},
        warnings=[
            *known.warnings,
            *ignored,
            *[r.problem for r in results if r.problem],
            *[line for r in results for line in r.warnings],
            *same_results([team.team for team in teams], results),
        ],
        policy=policy.as_dict(),
        versions=_versions(),
        confidence={team.team: p.score for team, p in zip(teams, promised, strict=True) if p.score is not None},
    )
    return table, messages


def _tasks(truth: Truth, teams: Sequence[Submission], cache: Cache | None) -> list[CaseTask]:
    return [
        CaseTask(case.name, path, truth.files, tuple(_files(t, truth, i) for t in teams), cache)
        for i, (case, path) in enumerate(zip(truth.cases, truth.label_maps, strict=True))
    ]


def _files(team: Submission, truth: Truth, index: int) -> TeamFiles:
    case = truth.cases[index]
    return locate_files(team, case.name, case.subject, only_case=truth.only_case[index])


def score_table(
    truth: Truth, teams: Sequence[str], results: Sequence[CaseResult], policy: Policy, euler: Euler
) -> ScoreTable:
    """Values, reasons and lengths of all teams on all cases, penalties applied.

    Args:
        results: of each case of the truth, with an outcome for each team.
    """
    shape = (len(teams), len(results), len(TISSUES), len(SEGMENTATION_METRICS))
    values, reasons = np.empty(shape), np.full(shape, "", dtype="<U40")
    lengths = np.full((*shape[:2], len(MEASUREMENTS)), np.nan)
    length_reasons = np.full(lengths.shape, "", dtype="<U40")
    for c, result in enumerate(results):
        for t, outcome in enumerate(result.outcomes):
            if outcome.measured is not None:
                values[t, c], reasons[t, c] = score_pair(outcome.measured, policy, euler)
            else:
                values[t, c], reasons[t, c] = missing_case(result.diagonal, policy), outcome.reason
            lengths[t, c], length_reasons[t, c] = outcome.lengths, outcome.length_reasons
    fill_topology(values, policy)
    unmapped = [bool(result.problem) for result in results]
    values[:, unmapped] = np.nan
    errors = length_errors(lengths, truth.lengths)
    fill_lengths(errors, np.isfinite(truth.lengths), policy)
    length_reasons[:, ~np.isfinite(truth.lengths)] = Reason.NO_TRUTH
    floor = np.array([ed_floor(result.betti, euler) for result in results])
    floor[unmapped] = np.nan
    return ScoreTable(
        teams=tuple(teams),
        cases=truth.cases,
        values=values,
        reasons=reasons,
        ed_floor=floor,
        true_lengths=truth.lengths,
        lengths=lengths,
        length_errors=errors,
        length_reasons=length_reasons,
        limits=policy.limits,
    )


def _versions() -> dict[str, str]:
    return {"feta": feta.__version__, "measurements": VERSION, "python": platform.python_version(), **_libraries()}


def _libraries() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("numpy", "scipy", "SimpleITK", "numba"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found

"""Run tasks in several processes, and outlive a process that dies."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from evaluation.scoring.case_task import CaseResult, CaseTask, failed, run_case, without_map
from feta.machine import begin_in_pool


def run_all(tasks: Sequence[CaseTask], jobs: int, progress: Callable[[int, int], None]) -> list[CaseResult]:
    """Results of all tasks, in their order.

    Args:
        jobs: processes; with one, everything runs in this process.
        progress: called with the number of tasks done and of all.
    """
    jobs = min(jobs, len(tasks))
    done: dict[int, CaseResult] = {}
    progress(0, len(tasks))
    if jobs <= 1:
        for i, task in enumerate(tasks):
            done[i] = run_case(task)
            progress(len(done), len(tasks))
    else:
        _run_pool(tasks, jobs, done, progress)
        # A process died and took the pool with it: the tasks left run one by one, each in a process of its own.
        for i in [i for i in range(len(tasks)) if i not in done]:
            done[i] = alone(tasks[i], _try)
            progress(len(done), len(tasks))
    return [done[i] for i in range(len(tasks))]


def _pool(jobs: int) -> ProcessPoolExecutor:
    # Fresh processes: a fork would share whatever threads and locks the caller has.
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=begin_in_pool)


def _run_pool(
    tasks: Sequence[CaseTask], jobs: int, done: dict[int, CaseResult], progress: Callable[[int, int], None]
) -> None:
    """Fill ``done``; leaves out what a dead process prevented."""
    waiting = list(range(len(tasks)))[::-1]
    running: dict[Future[CaseResult], int] = {}
    with _pool(jobs) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < 2 * jobs:
                    i = waiting.pop()
                    running[pool.submit(run_case, tasks[i])] = i
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    done[running.pop(future)] = future.result()
                    progress(len(done), len(tasks))
        except BrokenProcessPool:
            return
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def alone(task: CaseTask, attempt: Callable[[CaseTask], CaseResult | None]) -> CaseResult:
    """A task that may end its process: in one of its own; if that dies, in one for each team.

    Args:
        attempt: does a task in a process of its own; None where that died.
    """
    result = attempt(task)
    if result is not None:
        return result
    nobody = attempt(replace(task, teams=()))
    if nobody is None:  # the truth's doing: then lengths are all that is left to score
        task = replace(task, problem="ended the process that measured it (out of memory?)")
        nobody = run_case(replace(task, teams=()))
    outcomes = []
    for team, files in enumerate(task.teams):
        own = attempt(replace(task, teams=(files,))) or attempt(without_map(task, team))
        outcomes.append(own.outcomes[0] if own else failed(task))
    return replace(nobody, outcomes=tuple(outcomes))


def _try(task: CaseTask) -> CaseResult | None:
    with _pool(1) as pool:
        try:
            return pool.submit(run_case, task).result()
        except BrokenProcessPool:
            return None

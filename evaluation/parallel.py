"""Run tasks in several processes, and outlive a process that dies."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from evaluation.tasks import CaseResult, CaseTask, failed, run_case


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
            done[i] = _run_alone(tasks[i])
            progress(len(done), len(tasks))
    return [done[i] for i in range(len(tasks))]


def _pool(jobs: int) -> ProcessPoolExecutor:
    # Fresh processes: a fork would share whatever threads and locks the caller has.
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))


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


def _run_alone(task: CaseTask) -> CaseResult:
    """One task in its own process; if that dies, one process for each team."""
    result = _try(task)
    if result is not None:
        return result
    nobody = _try(replace(task, teams=()))
    if nobody is None:
        return CaseResult(problem=f"{task.case}: left out for every team: its truth ended the process that measured it")
    single = [_try(replace(task, teams=(files,))) for files in task.teams]
    outcomes = [own.outcomes[0] if own else failed(task, team) for team, own in enumerate(single)]
    return replace(nobody, outcomes=tuple(outcomes))


def _try(task: CaseTask) -> CaseResult | None:
    with _pool(1) as pool:
        try:
            return pool.submit(run_case, task).result()
        except BrokenProcessPool:
            return None

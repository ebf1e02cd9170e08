"""What holds for all tests: memory as in the commands, and together no more threads than cores."""

from __future__ import annotations

import os
import sys

# Under pytest-xdist the cores are shared out among the processes. Before torch, numba or a BLAS is imported, since
# they read the environment once; programs that a test starts inherit it.
_PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_CORES = max(1, len(os.sched_getaffinity(0)) // _PROCESSES)
_LIMITS = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"),
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)
if _PROCESSES > 1:
    os.environ |= dict.fromkeys(_LIMITS, str(_CORES))
    # The defaults of --threads and --jobs.
    os.cpu_count = lambda: _CORES
    os.sched_getaffinity = lambda pid: set(range(_CORES))

import hypothesis  # noqa: E402
import pytest  # noqa: E402

from feta.machine import keep_freed_memory  # noqa: E402

# As in the commands: a third of the time of tests that compute would go into page faults.
keep_freed_memory()


# Whether a commit passes must not hang on the draw: `tools/check` gives every property the same examples each time.
# `make test` draws new ones, by which rare faults are found over time.
hypothesis.settings.register_profile("check", derandomize=True)
if profile := os.environ.get("HYPOTHESIS_PROFILE"):
    hypothesis.settings.load_profile(profile)


@pytest.fixture(autouse=True)
def _threads_of_torch() -> None:
    """A command called in this process sets them for all that comes after it."""
    if _PROCESSES > 1 and (torch := sys.modules.get("torch")):
        torch.set_num_threads(_CORES)

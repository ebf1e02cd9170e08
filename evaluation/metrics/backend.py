"""Which of the two equal backends does the heavy steps: numba's where numba is there, else NumPy's.

``FETA_BACKEND=numpy`` in the environment asks for NumPy's; ``FETA_PLAIN=1``, its old name, still does.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from types import ModuleType

_LOG = logging.getLogger(__name__)


def load() -> ModuleType:
    """The module with ``surfaces``, ``nearest_distances`` and ``components_and_cavities``."""
    translate_old_variable()
    if os.environ.get("FETA_BACKEND") != "numpy" and importlib.util.find_spec("numba") is not None:
        from evaluation.metrics import numba_backend

        return numba_backend
    from evaluation.metrics import numpy_backend

    return numpy_backend


def translate_old_variable() -> None:
    """Put ``FETA_BACKEND=numpy`` in place of ``FETA_PLAIN=1``, for this process and those that it starts.

    The command does it at once, so that its user is warned in one line, not in one of each process.
    """
    if os.environ.get("FETA_PLAIN") == "1":
        _LOG.warning("FETA_PLAIN=1 is called FETA_BACKEND=numpy now; the old name goes with the next release")
        del os.environ["FETA_PLAIN"]
        os.environ["FETA_BACKEND"] = "numpy"

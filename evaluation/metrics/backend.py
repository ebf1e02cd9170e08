"""Which of the two equal backends does the heavy steps: numba's where numba is there, else NumPy's.

``FETA_BACKEND=numpy`` in the environment asks for NumPy's; ``FETA_PLAIN=1``, its old name, still does.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from types import ModuleType


def load() -> ModuleType:
    """The module with ``surfaces``, ``nearest_distances`` and ``count_components``."""
    if not _asked_for_numpy() and importlib.util.find_spec("numba") is not None:
        from evaluation.metrics import numba_backend

        return numba_backend
    from evaluation.metrics import numpy_backend

    return numpy_backend


def _asked_for_numpy() -> bool:
    if os.environ.get("FETA_PLAIN") == "1":
        warnings.warn("FETA_PLAIN=1 is called FETA_BACKEND=numpy now", FutureWarning, stacklevel=3)
        return True
    return os.environ.get("FETA_BACKEND") == "numpy"

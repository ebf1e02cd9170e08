"""Which of the two equal paths does the heavy steps: compiled where numba is there, else plain.

``FETA_PLAIN=1`` in the environment asks for the plain one.
"""

from __future__ import annotations

import importlib.util
import os
from types import ModuleType


def load() -> ModuleType:
    """The module with ``surfaces``, ``nearest_distances`` and ``count_components``."""
    if os.environ.get("FETA_PLAIN") != "1" and importlib.util.find_spec("numba") is not None:
        from evaluation.metrics import numba_backend as kernels

        return kernels
    from evaluation.metrics import numpy_backend as plain

    return plain

"""Libraries of the ``analysis`` extra, which stay outside the evaluator's image."""

from __future__ import annotations

import importlib.util

from feta.errors import FetaError, installed_by

NEEDED = {"sklearn": "scikit-learn", "shap": "shap"}


def require_extras() -> None:
    """Say in one line what is not installed, before anything is computed.

    Raises:
        FetaError: scikit-learn or shap is missing.
    """
    missing = [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise FetaError("analyse", f"{' and '.join(missing)} not installed", installed_by("analysis"))

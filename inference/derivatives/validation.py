"""What the official BIDS validator says of a data set, where it is installed (``pip install bids-validator-deno``)."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

#: The package; its program is called by this interpreter, wherever the package lies.
PACKAGE = "bids_validator_deno"
_PLACES_TOLD = 3


def is_installed() -> bool:
    """Whether the validator can be asked."""
    return importlib.util.find_spec(PACKAGE) is not None


def errors_of(root: Path) -> list[str]:
    """The errors of a data set, one line a kind with some places; warnings are left out.

    Raises:
        ValidatorError: the validator didn't come to an end.
    """
    call = [sys.executable, "-c", f"from {PACKAGE} import cli; cli()", str(root), "--format", "json"]
    done = subprocess.run(call, capture_output=True, text=True, errors="replace", check=False)
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["issues"]["issues"]
    except (ValueError, KeyError, TypeError) as error:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise ValidatorError(said[-1]) from error
    places: dict[str, list[str]] = {}
    for issue in found:
        if issue.get("severity") == "error":
            kind = ", ".join(filter(None, [issue.get("code"), issue.get("subCode")]))
            places.setdefault(kind, []).append(str(issue.get("location") or "/"))
    return [f"{kind}: {_some(where)}" for kind, where in places.items()]


class ValidatorError(Exception):
    """The validator could not be run."""


def _some(places: list[str]) -> str:
    told = places[:_PLACES_TOLD]
    return ", ".join([*told, *([f"and {len(places) - len(told)} more"] if len(places) > len(told) else [])])

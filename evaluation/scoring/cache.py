"""Measurements kept from one run to the next.

A measurement is filed under the content of both files and the version of the
code that made it. No penalty is in it, so a policy can change without measuring again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import feta
from evaluation.metrics.measurements import MEASUREMENT_VERSION, PairMetrics
from evaluation.scoring.measured_file import MeasuredFile
from feta.errors import FetaError
from feta.files import read_text, write_atomically

_log = logging.getLogger(__name__)
VERSION = f"{feta.__version__}+{MEASUREMENT_VERSION}"


@dataclass(frozen=True)
class Cache:
    """A folder of small JSON files; several processes may use it at once."""

    folder: Path

    def get(self, truth: str, prediction: str) -> MeasuredFile | None:
        """What was measured of the second file; None where nothing usable is kept.

        Args:
            truth, prediction: SHA-256 of the files.
        """
        path = self._path(truth, prediction)
        if not path.is_file():
            return None
        try:
            kept = json.loads(read_text(path))
            if kept["key"] != [VERSION, truth, prediction]:
                return None
            measured, remarks = PairMetrics.from_json(kept["measured"]), tuple(map(str, kept["remarks"]))
            return MeasuredFile(measured, remarks, str(kept["labels"]))
        except (FetaError, ValueError, KeyError, TypeError, AttributeError):
            return None  # damaged: measured again, and written anew

    def put(self, truth: str, prediction: str, file: MeasuredFile) -> None:
        """Keep a measurement; where the folder can't be written, it is only logged."""
        kept: dict[str, Any] = {
            "key": [VERSION, truth, prediction],
            "measured": file.metrics.to_json(),
            "remarks": list(file.messages),
            "labels": file.labels,
        }
        try:
            write_atomically(self._path(truth, prediction), json.dumps(kept, allow_nan=False))
        except FetaError as error:
            _log.warning("%s", error)

    def _path(self, truth: str, prediction: str) -> Path:
        name = hashlib.sha256("\n".join((VERSION, truth, prediction)).encode()).hexdigest()
        return self.folder / name[:2] / f"{name[2:]}.json"

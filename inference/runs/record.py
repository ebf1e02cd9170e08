"""The record of a finished case, by which a later run knows that it need not be done again.

A record is written last and removed first, and every file is written whole or not at all.
So a case counts as finished only when all its files are the ones that its record names,
whenever a run before may have been killed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from feta.errors import FetaError
from feta.files import is_there, write_atomically
from feta.measurements import Measurement
from feta.volumes import fingerprint
from inference.runs.outputs import CaseJob

#: A record of another layout is not understood, and its case is done again.
RECORD_VERSION = 1


@dataclass(frozen=True)
class Record:
    """The result of a finished case.

    Attributes:
        key: everything the result depends on: input, weights, settings, age.
        files: sha256 of each file that was written, by name; "" for a picture, page or surface that couldn't be made.
        seconds: wall time.
        lengths: mm; a length that is unknown is not in it.
        sources: of each length, as in ``Length``.
        warnings: one line each.
        confidence: what run.json says of the verdict, as ``Confidence.entry`` gives it.
    """

    key: dict[str, Any]
    files: dict[str, str]
    seconds: float
    lengths: dict[Measurement, float] = field(default_factory=dict)
    sources: dict[Measurement, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    confidence: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Such as 'check: cerebellum: expected Dice 0.58'; "" where nothing is judged."""
        reasons = "; ".join(reason["text"] for reason in self.confidence.get("verdict_reasons", []))
        return ": ".join(part for part in (self.confidence.get("verdict", ""), reasons) if part)


def write_record(path: Path, record: Record, described: Mapping[str, Any] | None = None) -> None:
    """Write a record, whole or not at all.

    Args:
        path: the file.
        record: of the case.
        described: what the file tells of the label map beside, where it is its sidecar as well.
    """
    content = {**(described or {}), "version": RECORD_VERSION, **asdict(record)}
    write_atomically(path, json.dumps(content, indent=1) + "\n")


def read_record(path: Path) -> Record | None:
    """Read a record; None where there is none, or none that can be understood."""
    try:
        content = json.loads(path.read_text("utf-8"))
        if content.pop("version") != RECORD_VERSION:
            return None
        for name in ("lengths", "sources"):
            content[name] = {Measurement(k): v for k, v in content[name].items()}
        content["warnings"] = tuple(content["warnings"])
        return Record(**{one.name: content[one.name] for one in fields(Record)})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def finished(job: CaseJob, record: Record | None, key: dict[str, Any]) -> Record | None:
    """The record of a case, if that needs no more work; None where something is to be done.

    Args:
        job: the case and its files.
        record: that an earlier run left.
        key: everything the result would depend on now.
    """
    if record is None or record.key != key or set(record.files) != {p.name for p in job.outputs}:
        return None
    return record if checksums(job) == record.files else None


def checksums(job: CaseJob) -> dict[str, str] | None:
    """sha256 of every output by name, "" for one that couldn't be made and needn't be; None where one is missing."""
    try:
        wanted = [path for path in job.outputs if path not in job.optional or is_there(path)]
        return {path.name: fingerprint(path) if path in wanted else "" for path in job.outputs}
    except (OSError, FetaError):
        return None

"""Why something was not measured: the codes that stand in every table beside a penalty."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """One code. Its value is what tables, results.json and the report hold; where something was measured, it is ""."""

    # Of a file: none of its labels or lengths could be measured.
    MISSING_FILE = "missing-file"
    TWO_FILES = "two-files"
    UNSAFE_FILE = "unsafe-file"
    INVALID_FILE = "invalid-file"
    WRONG_GRID = "wrong-grid"
    NOT_MEASURED = "not-measured"
    # Of a single label.
    MISSING_LABEL = "missing-label"
    EXTRA_LABEL = "extra-label"
    TOO_RAGGED = "too-ragged"
    ABSENT_IN_BOTH = "absent-in-both"
    # Of a single length.
    MISSING_LENGTH = "missing-length"
    INVALID_LENGTH = "invalid-length"
    # Of either: the ground truth has none, or can't be read.
    NO_TRUTH = "no-truth"


FILE_REASONS: frozenset[str] = frozenset(
    {
        Reason.MISSING_FILE,
        Reason.TWO_FILES,
        Reason.UNSAFE_FILE,
        Reason.INVALID_FILE,
        Reason.WRONG_GRID,
        Reason.NOT_MEASURED,
    }
)
#: What explains a value without being anybody's fault: no penalty.
NOT_A_FAULT: frozenset[str] = frozenset({"", Reason.ABSENT_IN_BOTH, Reason.NO_TRUTH})

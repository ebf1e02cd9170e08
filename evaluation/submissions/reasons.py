"""Why something was not measured: the codes of all tables."""

from __future__ import annotations

#: Reason codes of files.
MISSING_FILE = "missing-file"


TWO_FILES = "two-files"


UNSAFE_FILE = "unsafe-file"


INVALID_FILE = "invalid-file"


WRONG_GRID = "wrong-grid"


NOT_MEASURED = "not-measured"


FILE_REASONS = frozenset({MISSING_FILE, TWO_FILES, UNSAFE_FILE, INVALID_FILE, WRONG_GRID, NOT_MEASURED})


#: Reason codes of single labels and lengths. Those of files are in ``evaluation.intake``.
MISSING_LABEL = "missing-label"


EXTRA_LABEL = "extra-label"


ABSENT_IN_BOTH = "absent-in-both"


MISSING_LENGTH = "missing-length"


INVALID_LENGTH = "invalid-length"


NO_TRUTH = "no-truth"


#: Reasons that explain a value without being anybody's fault.
NOT_A_FAULT = frozenset({"", ABSENT_IN_BOTH, NO_TRUTH})

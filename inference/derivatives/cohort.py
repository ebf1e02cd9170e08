"""``cohort.tsv``: one row for each case of an output folder with all that was measured of it, and its dictionary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feta.bids import session_of, subject_of
from feta.errors import FetaError
from feta.measurements import MEASUREMENT_NAMES, MEASUREMENTS
from inference.derivatives.label_tables import write_changed
from inference.derivatives.size_table import (
    ABSENT,
    CENTILE_DECIMALS,
    DECIMALS,
    Z_DECIMALS,
    number,
    read_sizes,
    text,
)
from inference.morphometry.growth_curve import TRANSCRIBED
from inference.morphometry.measured import Kind, Measured
from inference.morphometry.norms import WITHOUT_NORM, curves_of

TABLE, DICTIONARY = "cohort.tsv", "cohort.json"
DONE, FAILED = "done", "failed"
_CASE = (
    "participant_id", "session_id", "case", "gestational_age", "status", "warnings", "error", "verdict",
    "verdict_reasons", "age_estimated", "age_estimated_low", "age_estimated_high",
)  # fmt: skip
#: Parts of a size, by the ending of their columns.
_PARTS = ("", "_low", "_high", "_centile", "_z", "_flag", "_source")


def write_cohort(root: Path, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the table of all cases of an output folder, and the dictionary of its columns. Both or none.

    A case's sizes are read from its own table, which is there before the case is noted. A case without one, since it
    failed or another release did it, has a row all the same, with the lengths that were noted.

    Args:
        root: the output folder.
        entries: what run.json says of each case, by title: status, age, warnings, error, and its table's path below
            the folder.

    Raises:
        FetaError: it can't be written.
    """
    found = {title: _sizes(root, entry) for title, entry in sorted(entries.items())}
    shown: dict[str, Measured] = {}
    for sizes in found.values():
        shown |= {size.key: size for size in sizes if size.key not in shown}
    keys = list(shown)
    header = [*_CASE, *(key + part for key in keys for part in _PARTS)]
    rows = [header, *(_row(title, entries[title], sizes, keys) for title, sizes in found.items())]
    content = "".join("\t".join(row) + "\n" for row in rows)
    dictionary = _dictionary(list(shown.values()))
    write_changed({root / TABLE: content, root / DICTIONARY: json.dumps(dictionary, indent=1) + "\n"})


def _sizes(root: Path, entry: Mapping[str, Any]) -> tuple[Measured, ...]:
    if isinstance(entry.get("table"), str) and entry.get("status") != FAILED:
        try:
            return read_sizes(root / entry["table"]).sizes
        except FetaError:  # removed or changed since: its row says what run.json does
            pass
    noted = entry.get("lengths")
    lengths = noted if isinstance(noted, dict) else {}
    known = {m: lengths[m] for m in MEASUREMENTS if isinstance(lengths.get(m), int | float)}
    return tuple(Measured(m, MEASUREMENT_NAMES[m], Kind.LENGTH, value) for m, value in known.items())


def _row(title: str, entry: Mapping[str, Any], sizes: tuple[Measured, ...], keys: list[str]) -> list[str]:
    age, warnings, by_key = entry.get("age"), entry.get("warnings"), {size.key: size for size in sizes}
    cells = [
        subject_of(Path(title)),
        session_of(Path(title)) or ABSENT,
        text(title),
        f"{age:g}" if isinstance(age, int | float) else ABSENT,
        FAILED if entry.get("status") == FAILED else DONE,
        text("; ".join(map(str, warnings)) if isinstance(warnings, list | tuple) else ""),
        text(str(entry.get("error", ""))),
        text(str(entry.get("verdict", ""))),
        text("; ".join(_reasons(entry.get("verdict_reasons")))),
        *_estimated(entry.get("age_estimated")),
    ]
    for key in keys:
        cells += _cells(by_key[key]) if key in by_key else [ABSENT] * len(_PARTS)
    return [text(cell) for cell in cells]


def _reasons(told: Any) -> list[str]:
    """Sentences of what run.json says of a verdict."""
    found = told if isinstance(told, list | tuple) else []
    return [str(each["text"]) for each in found if isinstance(each, dict) and "text" in each]


def _estimated(told: Any) -> list[str]:
    """Age, low and high, as run.json has them."""
    known = isinstance(told, list | tuple) and len(told) == 3 and all(isinstance(v, int | float) for v in told)
    return [f"{v:g}" for v in told] if known else [ABSENT] * 3


def _cells(size: Measured) -> list[str]:
    digits = DECIMALS[size.kind]
    return [
        number(size.value, digits),
        number(size.low, digits),
        number(size.high, digits),
        number(size.centile, CENTILE_DECIMALS),
        number(size.z, Z_DECIMALS),
        text(size.flag),
        text(size.source),
    ]


def _dictionary(sizes: list[Measured]) -> dict[str, Any]:
    """What each column means, as BIDS describes columns."""
    described: dict[str, Any] = {
        "participant_id": {"Description": "subject, by the name of the volume"},
        "session_id": {"Description": "session, by the volume's folder or name"},
        "case": {"Description": "volume, below the output folder"},
        "gestational_age": {"Description": "from the table of participants", "Units": "weeks"},
        "status": {
            "Description": "what became of it",
            "Levels": {DONE: "measured, by the last run or before", FAILED: "see error"},
        },
        "warnings": {"Description": "what was said of the case, '; ' between"},
        "error": {"Description": "why it failed"},
        "verdict": {
            "Description": "whether the result can be trusted, by what the pipeline knows of it; not a diagnosis",
            "Levels": {
                "unjudged": "nobody measured the errors of these weights, and no rule speaks against it",
                "accept": "nothing speaks against it",
                "check": "look at it before use: see verdict_reasons",
                "reject": "don't use it: see verdict_reasons",
            },
        },
        "verdict_reasons": {"Description": "why it is not accepted, '; ' between"},
        "age_estimated": {
            "Description": "gestational age of a brain of this size and folding", "Units": "weeks",
        },
        "age_estimated_low": {"Description": "lower end of its 90 % interval", "Units": "weeks"},
        "age_estimated_high": {"Description": "upper end of its 90 % interval", "Units": "weeks"},
    }  # fmt: skip
    for size in sizes:
        described |= _columns(size)
    return described


def _columns(size: Measured) -> dict[str, Any]:
    key, title, unit = size.key, size.title, size.unit
    tissue = key.removesuffix("_left").removesuffix("_right")
    curves = [
        f"{c.source} ({c.measure}, weeks {c.weeks[0]:g} to {c.weeks[1]:g}); {TRANSCRIBED}" for c in curves_of(key)
    ]
    where = "none where two sources differ by more than one standard deviation, or the age is beyond their weeks"
    return {
        key: {"LongName": title, "Description": f"{size.kind} of the label map or image", "Units": unit},
        f"{key}_low": {
            "Description": f"{title}: lower end of the 90 % interval; sums and halves have none",
            "Units": unit,
        },
        f"{key}_high": {
            "Description": f"{title}: upper end of the 90 % interval; sums and halves have none",
            "Units": unit,
        },
        f"{key}_centile": {
            "Description": f"{title}: centile (0 to 100) among healthy fetuses of that age, by the first norm; {where}",
            "Norms": curves,
            **({"NoNorms": WITHOUT_NORM[tissue]} if tissue in WITHOUT_NORM else {}),
        },
        f"{key}_z": {"Description": f"{title}: (value - mean) / standard deviation, by the first norm; {where}"},
        f"{key}_flag": {"Description": f"{title}: what to look at"},
        f"{key}_source": {"Description": f"{title}: what it was measured by"},
    }

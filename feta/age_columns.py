"""Which column of a table holds the gestational age at the scan, in weeks.

People name it in many ways, and name other ages alike: at birth, since conception, in days, the mother's. An age of
another kind gives wrong lengths without a word, so those are refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

#: What may stand in brackets behind a name: a unit. Anything else in brackets is part of the name.
_UNIT = r"(?:in)?(?:decimal|completed|gestational)?(?:weeks|week|wks|wk|w|gw)"
_OCCASION = (
    r"(?:at|of|on)?(?:the|time|date)?(?:of)?(?:the)?(?:scan|scanning|mri|mr|imaging|exam|examination|acquisition)"
)
_GESTATIONAL = re.compile(
    rf"(?:fetal|foetal|fetus)?(?:gestationalage|gestationage|gestage|gestationalweeks?|ga|pma|postmenstrualage)"
    rf"(?:{_OCCASION})?(?:{_UNIT})?"
    rf"|(?:scan|mri)(?:gestationalage|ga|age)(?:{_UNIT})?"
    rf"|(?:fetal|foetal)?age{_OCCASION}(?:{_UNIT})?"
    rf"|(?:fetal|foetal)age(?:{_UNIT})?"
)
#: ``age`` alone is what BIDS calls any age: it counts where there is no better name.
_ANY_AGE = re.compile(rf"age(?:{_UNIT})?")
_OTHER_AGES = re.compile(r"birth|born|deliver|concept|postnatal|neonat|day|month|year|maternal|mother|father|paternal")
_AGE = re.compile(r"age|(?:^|[^a-z])ga(?:[^a-z]|$)|pma")

LOOKED_FOR = "'gestational_age', 'GA at scan' or 'ga'"


@dataclass(frozen=True)
class AgeColumns:
    """Where the age at the scan stands in a table.

    Attributes:
        places: indices of the columns that hold it; several should agree.
        missing: where there is none, what was looked for and what there is.
    """

    places: tuple[int, ...]
    missing: str = ""


def find_age_columns(header: Sequence[str]) -> AgeColumns:
    """The columns that hold the gestational age at the scan, by their names."""
    names = [_letters(name) for name in header]
    for pattern in (_GESTATIONAL, _ANY_AGE):
        places = tuple(at for at, name in enumerate(names) if pattern.fullmatch(name))
        if places:
            return AgeColumns(places)
    refused = [name for name in header if _OTHER_AGES.search(_letters(name)) and _AGE.search(name.lower())]
    said = f"no column {LOOKED_FOR}; there are " + ", ".join(f"'{name[:40]}'" for name in header[:12])
    if len(header) > 12:
        said += f" and {len(header) - 12} more"
    return AgeColumns((), said + "".join(f"; '{name[:40]}' is not the age at the scan" for name in refused))


def _letters(name: str) -> str:
    """A name's letters in lower case, without a unit in brackets."""
    lower = name.lower()
    without = re.sub(r"[(\[]([^)\]]*)[)\]]?", lambda m: "" if re.fullmatch(_UNIT, _only(m[1])) else m[1], lower)
    return _only(without)


def _only(text: str) -> str:
    return re.sub(r"[^a-z]", "", text)

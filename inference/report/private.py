"""What a page says of who a case is, marked so that it can be left out of a page that is shared."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Templates write these around what names a case; names are escaped, so that none can look like them.
OPENED, CLOSED = "<!--private-->", "<!--/private-->"
_PRIVATE = re.compile(re.escape(OPENED) + ".*?" + re.escape(CLOSED), re.DOTALL)
#: Shorter parts of names, as the 'a' of 'sub-a', stand in every text.
_TELLING = 3


def without_private(page: str) -> str:
    """A page without what names its case."""
    return _PRIVATE.sub("", page)


def names_case(text: str, names: Iterable[str]) -> bool:
    """Whether a text holds a name of a case, also in part: ``sub-0012`` or ``0012`` of ``sub-0012_ses-b_T2w``.

    Paths count as names: they may hold anything.
    """
    if "/" in text or "\\" in text:
        return True
    lower = text.lower()
    return any(part in lower for name in names for part in telling_parts(name))


def telling_parts(name: str) -> set[str]:
    """A name's parts that tell whose it is, in lower case: with and without ``sub-`` and ``ses-``."""
    entities = re.split(r"[_\s/]+", name.lower())
    labels = [entity.partition("-")[2] for entity in entities if entity.startswith(("sub-", "ses-"))]
    whole = [name.lower(), *(e for e in entities if e.startswith(("sub-", "ses-")))]
    return {part for part in (*whole, *labels) if len(part) >= _TELLING}

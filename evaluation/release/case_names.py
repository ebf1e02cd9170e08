"""Made-up names of cases: nobody without the key can tell which case is meant, or try whether it is a given one.

A key is drawn once and stays in the scores folder, so that a case keeps its made-up name from one release of these
scores to the next; beside it lies the organizer's table of which name is whose. Neither is ever part of a release.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from evaluation.ranking.leaderboard import as_csv
from evaluation.scoring.score_table import CaseInfo
from feta.errors import FetaError, error_kind
from feta.files import read_text, write_atomically

KEY_FILE = "release.key"
TABLE_FILE = "release_cases.csv"
_KEY = re.compile(r"[0-9a-f]{64}\n")
#: Characters of base 32, five bits each; more where two cases of a cohort would share a name.
_SHORTEST, _LONGEST = 8, 52


def key_of(scores: Path) -> bytes:
    """The key of a scores folder, 32 bytes; drawn at the first call.

    Raises:
        FetaError: it can't be read or written, or is none.
    """
    path = scores / KEY_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        text = read_text(path)
        if not _KEY.fullmatch(text):
            remedy = "put it back, or remove it: all cases then get other made-up names"
            raise FetaError(path, "is no key of made-up names", remedy) from None
        return bytes.fromhex(text)
    except OSError as error:
        raise error_kind(error)(
            path, f"cannot be written ({error.strerror})", "choose a folder you can write"
        ) from error
    key = secrets.token_bytes(32)
    with os.fdopen(descriptor, "w") as file:
        file.write(key.hex() + "\n")
    return key


def made_up_names(key: bytes, cases: Sequence[CaseInfo]) -> list[str]:
    """A name for each case by HMAC-SHA256 (RFC 2104) of its own, ``case-K7QX2MEA``; all different."""
    digests = [hmac.new(key, b"case\0" + os.fsencode(case.name), hashlib.sha256).digest() for case in cases]
    texts = [base64.b32encode(digest).decode("ascii") for digest in digests]
    length = next((n for n in range(_SHORTEST, _LONGEST) if len({text[:n] for text in texts}) == len(texts)), _LONGEST)
    return [f"case-{text[:length]}" for text in texts]


def write_table(scores: Path, cases: Sequence[CaseInfo], names: Sequence[str]) -> None:
    """The organizer's table of which made-up name is whose, readable by its owner alone.

    Raises:
        FetaError: it can't be written.
    """
    path = scores / TABLE_FILE
    rows = sorted(zip(names, cases, strict=True), key=lambda row: row[0])
    columns = ("made_up_name", "case", "subject", "site")
    text = as_csv(columns, (dict(zip(columns, (name, c.name, c.subject, c.site), strict=True)) for name, c in rows))
    write_atomically(path, text)
    path.chmod(0o600)

"""Made-up names of cases."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.release.case_names import KEY_FILE, key_of, made_up_names
from evaluation.scoring.score_table import CaseInfo
from feta.errors import FetaError
from tests.support.made_up_scores import made_up_cases


def test_a_key_is_drawn_once_and_kept_from_others(tmp_path: Path) -> None:
    key = key_of(tmp_path)
    assert len(key) == 32
    assert key_of(tmp_path) == key
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    (tmp_path / "other").mkdir()
    assert key_of(tmp_path / "other") != key


@pytest.mark.parametrize("text", ["", "00", "g" * 64 + "\n"])
def test_a_damaged_key_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / KEY_FILE).write_text(text)
    with pytest.raises(FetaError, match="is no key of made-up names"):
        key_of(tmp_path)


def test_a_name_is_the_beginning_of_the_case_s_hmac() -> None:
    """RFC 2104's own construction, by the standard library."""
    (name,) = made_up_names(b"k" * 32, made_up_cases(1))
    digest = hmac.digest(b"k" * 32, b"case\0sub-000_rec-mial_T2w", hashlib.sha256)
    assert name == "case-" + base64.b32encode(digest).decode()[:8]


@given(st.sets(st.text(min_size=1, max_size=12), min_size=1, max_size=20), st.binary(min_size=32, max_size=32))
def test_names_are_short_different_and_change_with_the_key(cases: set[str], key: bytes) -> None:
    infos = [CaseInfo(f"sub-{name}", name, "site") for name in sorted(cases)]
    names = made_up_names(key, infos)
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("case-[A-Z2-7]{8}", name) for name in names)
    assert set(names).isdisjoint(made_up_names(bytes(b ^ 1 for b in key), infos))
    assert made_up_names(key, infos[::-1]) == names[::-1]


def test_where_two_would_share_a_name_all_are_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.release.case_names._SHORTEST", 1)
    names = made_up_names(b"k" * 32, made_up_cases(60))
    assert len(set(names)) == 60
    assert len({len(name) for name in names}) == 1
    assert len(names[0]) > len("case-") + 1

"""Reason codes end as plain strings wherever they are stored."""

from __future__ import annotations

import csv
import io
import json
import pickle

import numpy as np
import pytest

from evaluation.submissions.reasons import FILE_REASONS, NOT_A_FAULT, Reason

CODES = {
    "missing-file", "two-files", "unsafe-file", "invalid-file", "wrong-grid", "not-measured", "missing-label",
    "extra-label", "too-ragged", "absent-in-both", "missing-length", "invalid-length", "no-truth",
}  # fmt: skip


def test_the_codes_are_those_of_published_tables() -> None:
    assert {reason.value for reason in Reason} == CODES


@pytest.mark.parametrize("reason", Reason)
def test_a_code_is_its_string_in_arrays_tables_and_json(reason: Reason) -> None:
    array = np.full(3, "", dtype="<U40")
    array[1:] = reason
    assert array.tolist() == ["", reason.value, reason.value]
    assert {type(cell) for cell in array.tolist()} == {str}
    assert np.unique(np.array([reason, ""])).tolist() == ["", reason.value]
    assert np.isin(array, [reason]).tolist() == [False, True, True]
    assert json.loads(json.dumps({reason: reason})) == {reason.value: reason.value}
    assert json.dumps(reason) == f'"{reason.value}"'
    text = io.StringIO()
    csv.writer(text).writerow([reason])
    assert text.getvalue() == f"{reason.value}\r\n"
    assert pickle.loads(pickle.dumps(reason)) is reason


def test_sets_of_codes_know_their_strings() -> None:
    assert {code for code in CODES if code in FILE_REASONS} == {
        "missing-file", "two-files", "unsafe-file", "invalid-file", "wrong-grid", "not-measured",
    }  # fmt: skip
    assert {code for code in {"", *CODES} if code in NOT_A_FAULT} == {"", "absent-in-both", "no-truth"}

"""Tables of lengths: written as the challenge wants them, read as teams write them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feta.biometry_table import read_biometry, read_true_lengths, write_biometry
from feta.cases import Case, biometry_path, label_map_path
from feta.errors import FetaError
from feta.measurements import MEASUREMENTS, Measurement

LENGTHS = dict(zip(MEASUREMENTS, (30.5, 14.25, 61.0, 70.125, 32.0), strict=True))


def read(tmp_path, text: str | bytes):
    (tmp_path / "a_biom.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_biometry(tmp_path / "a_biom.csv")


def test_paths_mirror_the_input():
    case = Case("sub-001", "sub-001_rec-mial_T2w", Path("i.nii.gz"), PurePosixPath("sub-001/anat"), None, None, ())
    root = Path("out put")
    assert label_map_path(root, case) == root / "sub-001/anat/sub-001_rec-mial_T2w_dseg.nii.gz"
    assert biometry_path(root, case) == root / "sub-001/anat/sub-001_rec-mial_T2w_biom.csv"


def test_exact_text(tmp_path):
    write_biometry(tmp_path / "a.csv", "sub-001", {**LENGTHS, Measurement.HV: float("nan")})
    text = (tmp_path / "a.csv").read_bytes()
    assert text == b"\tLCC\tHV\tbBIP\tsBIP\tTCD\nsub-001\t30.5000\t\t61.0000\t70.1250\t32.0000\n"


@given(values=st.lists(st.floats(0.001, 1000), min_size=5, max_size=5), subject=st.text())
def test_what_is_written_is_read_back(tmp_path_factory, values, subject):
    file = tmp_path_factory.mktemp("round") / "a.csv"
    write_biometry(file, subject, dict(zip(MEASUREMENTS, values, strict=True)))
    lengths = read_biometry(file)
    assert lengths.notes == ()
    assert [lengths.values[m] for m in MEASUREMENTS] == pytest.approx(values, abs=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 0.0])
def test_what_is_no_length_is_an_empty_cell(tmp_path, value):
    write_biometry(tmp_path / "a.csv", "sub-001", dict.fromkeys(MEASUREMENTS, value))
    lengths = read_biometry(tmp_path / "a.csv")
    assert list(lengths.values.values()) == [None] * 5
    assert len(lengths.notes) == 5


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_any_separator_encoding_and_order(tmp_path, separator, encoding, end):
    rows = [["", "TCD", "sBIP", "LCC", "bBIP", "HV"], ["sub-001", "32.0", "70.125", "3.05e1", " 61 ", "14.25"]]
    text = "\n".join(separator.join(row) for row in rows) + end
    assert read(tmp_path, text.encode(encoding)).values == LENGTHS


def test_header_as_r_writes_it(tmp_path):
    text = "LCC,HV,bBIP,sBIP,TCD\nsub-001,30.5,14.25,61,70.125,32\n"
    assert read(tmp_path, text).values == LENGTHS


def test_header_with_units_or_in_another_case(tmp_path):
    text = "participant_id,lcc,HV (mm),BBIP_mm,sbip,TCD [mm]\nsub-001,30.5,14.25,61,70.125,32\n"
    assert read(tmp_path, text).values == LENGTHS


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "n/a",
        "nan",
        "inf",
        "-30",
        "0",
        "1e300",
        "1e999",
        "1000.1",
        "30 mm",
        "30,5",
        "3_0",
        "０３",
        "0x1e",
        "--",
        "1 2",
    ],
)
def test_what_is_no_length_is_missing_with_a_note(tmp_path, cell):
    lengths = read(tmp_path, f"\tLCC\tHV\tbBIP\tsBIP\tTCD\nsub-001\t30.5\t14.25\t61\t{cell}\t32\n")
    assert lengths.values == {**LENGTHS, Measurement.SBIP: None}
    (note,) = lengths.notes
    assert "sBIP" in note
    assert "\n" not in note


def test_decimal_commas_between_commas_shift_nothing(tmp_path):
    lengths = read(tmp_path, ",LCC,HV,bBIP,sBIP,TCD\nsub-001,30,5,14.25,61,70.125,32\n")
    assert set(lengths.values.values()) == {None}
    assert len(lengths.notes) == 1
    headless = read(tmp_path, "LCC,HV,bBIP,sBIP,TCD\n30,5,14.25,61,70.125,32\n")
    assert set(headless.values.values()) == {None}


def test_a_column_twice_or_not_at_all(tmp_path):
    lengths = read(tmp_path, "\tLCC\tLCC\tbBIP\tsBIP\tTCD\nsub-001\t1\t1\t61\t70.125\t32\n")
    assert lengths.values == {**LENGTHS, Measurement.LCC: None, Measurement.HV: None}
    assert len(lengths.notes) == 2


@pytest.mark.parametrize("rows", ["", "sub-001\t1\t2\t3\t4\t5\nsub-001\t1\t2\t3\t4\t5\n"])
def test_one_row_is_expected(tmp_path, rows):
    lengths = read(tmp_path, "\tLCC\tHV\tbBIP\tsBIP\tTCD\n" + rows)
    assert list(lengths.values) == list(MEASUREMENTS)
    assert set(lengths.values.values()) == {None}
    assert len(lengths.notes) == 1


def test_short_row(tmp_path):
    lengths = read(tmp_path, "\tLCC\tHV\tbBIP\tsBIP\tTCD\nsub-001\t30.5\t14.25\n")
    assert [lengths.values[m] for m in MEASUREMENTS] == [30.5, 14.25, None, None, None]


@pytest.mark.parametrize(("row", "count"), [("41\t76\t86\t39", 5), ("41\t20\t76\t77\t86\t39", 7)])
def test_true_lengths_of_a_row_that_may_be_shifted_are_not_scored(tmp_path, row, count):
    (tmp_path / "biometry.tsv").write_text(f"\tLCC\tHV\tbBIP\tsBIP\tTCD\nsub-001\t{row}\nsub-002\t1\t2\t3\t4\t5\n")
    lengths, warnings = read_true_lengths(tmp_path)
    assert np.isnan(lengths["sub-001"]).all() and lengths["sub-002"] == [1, 2, 3, 4, 5]
    assert f"sub-001: line 2 has {count} cells, the header 6; its lengths are not scored" in warnings[0]


@given(data=st.binary(max_size=300))
def test_any_bytes_give_lengths_or_one_line(tmp_path_factory, data):
    try:
        lengths = read(tmp_path_factory.mktemp("any"), data)
    except FetaError as error:
        assert "\n" not in str(error)
    else:
        assert list(lengths.values) == list(MEASUREMENTS)


def test_missing_file_and_link(tmp_path):
    with pytest.raises(FetaError, match="cannot be read"):
        read_biometry(tmp_path / "missing.csv")
    write_biometry(tmp_path / "truth.csv", "sub-001", LENGTHS)
    (tmp_path / "stolen.csv").symlink_to(tmp_path / "truth.csv")
    with pytest.raises(FetaError, match="is a link"):
        read_biometry(tmp_path / "stolen.csv")

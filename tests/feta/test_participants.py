"""The table of ages, as people write it."""

from __future__ import annotations

import pytest

from feta.errors import FetaError
from feta.participants import read_participants


def table(tmp_path, text: str, name: str = "participants.tsv"):
    (tmp_path / name).write_text(text)
    return read_participants(tmp_path / name)


@pytest.mark.parametrize("column", ["Gestational age", "gestational_age", "GA", "ga", "GESTATIONAL AGE (weeks)"])
@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize("identifier", ["sub-001", "001", " sub-001 "])
def test_age_by_any_spelling(tmp_path, column, separator, identifier):
    rows = [["participant_id", "Pathology", column], [identifier, "Neurotypical", "28.3"]]
    found = table(tmp_path, "".join(separator.join(row) + "\r\n" for row in rows))
    assert found["sub-001"].age == 28.3
    assert found["sub-001"].pathology == "Neurotypical"
    assert found["sub-001"].warnings == ()


def test_all_columns_in_another_order(tmp_path):
    text = "In domain\tImage quality\tSite\tReconstruction\tField strength\tga\tparticipant_id\n"
    found = table(tmp_path, text + "no\t2.5\tKCL\tSVRTK\t0.55T\t30\t007\nn/a\tn/a\t\t\t\t31\t008\n")
    first, second = found["sub-007"], found["sub-008"]
    assert (first.site, first.reconstruction, first.field_strength) == ("KCL", "SVRTK", "0.55T")
    assert (first.quality, first.in_domain, first.age) == (2.5, False, 30.0)
    assert (second.quality, second.in_domain, second.site, second.age) == (None, None, None, 31.0)


@pytest.mark.parametrize("cell", ["", "n/a", "N/A", "NA"])
def test_absent_age(tmp_path, cell):
    person = table(tmp_path, f"participant_id\tga\nsub-001\t{cell}\n")["sub-001"]
    assert (person.age, person.age_is_impossible) == (None, False)
    assert len(person.warnings) == 1


@pytest.mark.parametrize(
    "cell", ["13.9", "45.1", "-28", "0", "196", "28,3", "28+3", "28w", "nan", "inf", "1e999", "2_8"]
)
def test_impossible_age(tmp_path, cell):
    person = table(tmp_path, f"participant_id\tga\nsub-001\t{cell}\n")["sub-001"]
    assert (person.age, person.age_is_impossible) == (None, True)
    assert len(person.warnings) == 1
    assert cell in person.warnings[0]


@pytest.mark.parametrize(
    ("cell", "advice"),
    [
        ("28+3", "28.4"),
        ("28w3d", "28.4"),
        ("28 weeks 3 days", "28.4"),
        ("28 3/7", "28.4"),
        ("30+0", "30.0"),
        ("soon", "28.3"),
    ],
)
def test_weeks_and_days_are_told_in_weeks(tmp_path, cell, advice):
    (warning,) = table(tmp_path, f"participant_id\tga\nsub-001\t{cell}\n")["sub-001"].warnings
    assert f"(write {advice})" in warning


@pytest.mark.parametrize("cell", ["14", "45", "45.0", "2.1e1"])
def test_possible_age(tmp_path, cell):
    assert table(tmp_path, f"participant_id\tga\nsub-001\t{cell}\n")["sub-001"].age == float(cell)


def test_subject_listed_twice(tmp_path):
    found = table(tmp_path, "participant_id\tga\n001\t28\nsub-002\t30\nsub-001\t28\nsub-001\t29\n")
    assert found["sub-001"].listed_twice
    assert found["sub-001"].age is None
    assert len(found["sub-001"].warnings) == 1
    assert found["sub-002"].age == 30


def test_short_and_blank_rows(tmp_path):
    found = table(tmp_path, "participant_id\tsite\tga\nsub-001\n\n\t\t\n\tA\t28\nsub-002\tA\t28\n")
    assert list(found) == ["sub-001", "sub-002"]
    assert found["sub-001"].age is None


def test_table_without_an_age_column(tmp_path):
    assert table(tmp_path, "participant_id\nsub-001\n")["sub-001"].warnings != ()


@pytest.mark.parametrize(("text", "said"), [("", "empty"), ("\n \n", "empty"), ("28.3\n29\n", "no column")])
def test_no_table(tmp_path, text, said):
    with pytest.raises(FetaError, match=said):
        table(tmp_path, text)


def test_a_link_or_a_missing_file_is_refused(tmp_path):
    (tmp_path / "real.tsv").write_text("participant_id\tga\nsub-001\t28\n")
    (tmp_path / "participants.tsv").symlink_to(tmp_path / "real.tsv")
    with pytest.raises(FetaError, match="is a link"):
        read_participants(tmp_path / "participants.tsv")
    with pytest.raises(FetaError, match="cannot be read"):
        read_participants(tmp_path / "missing.tsv")


SCAN_AGES = [
    "scan_age", "GA at scan", "gestational_age_at_scan", "Gestational Age at MRI", "pma", "age", "ga_weeks", "GA [wks]",
    "Gestational age (in weeks)", "GA at time of MRI (weeks)", "gestationalAge", "age_at_scan", "fetal_age",
    "GA (scan)",
]  # fmt: skip


@pytest.mark.parametrize("column", SCAN_AGES)
def test_the_age_at_the_scan_by_many_names(tmp_path, column):
    assert table(tmp_path, f"participant_id\t{column}\nsub-001\t28.3\n")["sub-001"].age == 28.3


OTHER_AGES = [
    "GA (at birth)", "GA at birth", "ga_birth", "gestational_age_at_delivery", "GA (days)", "ga_days", "age_in_days",
    "maternal_age", "Age of mother", "postnatal age", "weeks since conception", "GA (weeks+days)", "age (years)",
    "age_at_birth_weeks", "post-conceptional age",
]  # fmt: skip


@pytest.mark.parametrize("column", OTHER_AGES)
def test_another_age_is_refused_and_the_columns_are_named(tmp_path, column):
    person = table(tmp_path, f"participant_id\t{column}\nsub-001\t39.5\n")["sub-001"]
    assert person.age is None
    (line,) = person.warnings
    assert column[:40] in line
    assert "gestational_age" in line


@pytest.mark.parametrize("order", [("GA (at birth)", "GA at scan"), ("GA at scan", "GA (at birth)")])
def test_the_age_at_the_scan_is_taken_beside_that_at_birth(tmp_path, order):
    """The example of the report: 39.5 weeks at birth, 28 at the scan."""
    cells = {"GA (at birth)": "39.5", "GA at scan": "28"}
    text = "participant_id\t" + "\t".join(order) + "\nsub-001\t" + "\t".join(cells[name] for name in order) + "\n"
    assert table(tmp_path, text)["sub-001"].age == 28.0


def test_two_columns_that_differ_give_no_age(tmp_path):
    rows = "sub-001\t28\t30\nsub-002\t28\t28.0\nsub-003\t\t31\n"
    found = table(tmp_path, f"participant_id\tGA\tscan_age\n{rows}")
    first, second, third = found.values()
    assert (first.age, first.age_is_impossible) == (None, True)
    assert "'GA' (28) and 'scan_age' (30) differ" in first.warnings[0]
    assert (second.age, third.age) == (28.0, 31.0)


def test_age_alone_counts_only_without_a_better_name(tmp_path):
    assert table(tmp_path, "participant_id\tage\tGA\nsub-001\t33\t28\n")["sub-001"].age == 28.0


@pytest.mark.parametrize("comment", ['a "stray mark', '"open', 'inch"', '""', 'two "marks" of it', "it's"])
def test_a_quotation_mark_between_tabs_is_a_character(tmp_path, comment):
    """The example of the report: a stray mark gave one fetus another's age."""
    found = table(tmp_path, f"participant_id\tcomment\tga\nsub-001\t{comment}\t22\nsub-002\tfine\t33\n")
    assert [found[name].age for name in ("sub-001", "sub-002")] == [22.0, 33.0]


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("comment", ['"open', 'a "stray mark', 'inch"'])
def test_no_cell_spans_lines(tmp_path, separator, comment):
    rows = [["participant_id", "comment", "ga"], ["sub-001", comment, "22"], ["sub-002", "fine", "33"]]
    found = table(tmp_path, "\n".join(separator.join(row) for row in rows) + "\n")
    assert [found[name].age for name in ("sub-001", "sub-002")] == [22.0, 33.0]


def test_a_quoted_separator_is_no_separator(tmp_path):
    found = table(tmp_path, 'participant_id,comment,ga\nsub-001,"moved, twice",22\n')
    assert found["sub-001"].age == 22.0


@pytest.mark.parametrize("mark", ["\x0b", "\x0c", "\x1c", "\u2028", "\x85"])
def test_only_line_ends_end_lines(tmp_path, mark):
    (tmp_path / "participants.tsv").write_text(
        f"participant_id\tcomment\tga\nsub-001\ta{mark}b\t22\nsub-002\tc\t33\n", encoding="utf-8"
    )
    assert read_participants(tmp_path / "participants.tsv")["sub-001"].age == 22.0


def test_a_row_with_more_cells_than_the_header_gives_no_age(tmp_path):
    """A decimal comma between commas: 28,5 weeks are not 28."""
    found = table(tmp_path, "participant_id,ga,site\nsub-001,28,5,KCL\nsub-002,30,KCL\nsub-003,31,KCL,,\n")
    assert (found["sub-001"].age, found["sub-001"].age_is_impossible) == (None, True)
    assert "line 2 has 4 cells, the header 3" in found["sub-001"].warnings[0]
    assert (found["sub-002"].age, found["sub-003"].age) == (30.0, 31.0)


def test_a_row_with_fewer_cells_says_so_where_its_age_is_missing(tmp_path):
    found = table(tmp_path, "participant_id\tsite\tga\nsub-001\t28\nsub-002\tA\t30\n")
    assert found["sub-001"].age is None
    assert "line 2 has 2 cells, the header 3" in found["sub-001"].warnings[0]


@pytest.mark.parametrize("separator", ["\t", ","])
def test_a_row_with_fewer_cells_gives_no_age_since_it_may_be_shifted(tmp_path, separator):
    """A maternal age of 31 would stand in the place of the fetus's 28."""
    rows = ["participant_id|sex|GA|maternal_age|comment", "sub-01|28.0|31|foo", "sub-02|f|30|33|bar"]
    found = table(tmp_path, "\n".join(rows).replace("|", separator))
    assert (found["sub-01"].age, found["sub-02"].age) == (None, 30.0)
    assert "line 2 has 4 cells, the header 5: its gestational age is not used" in found["sub-01"].warnings[0]


def test_what_differs_between_sessions_holds_for_none_of_them(tmp_path):
    text = "participant_id\tsession_id\tga\tsite\tpathology\nsub-1\tses-1\t22\tA\tx\nsub-1\tses-2\t22\tB\tx\n"
    person = table(tmp_path, text)["sub-1"]
    assert (person.age, person.site, person.pathology) == (22.0, None, "x")

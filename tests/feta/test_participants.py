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

"""Every layout in which volumes arrive."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

import pytest

from feta.cases import find_cases
from feta.cases_2021 import find_cases_2021
from feta.errors import FetaError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def ages(root: Path, *rows: str, name: str = "participants.tsv") -> None:
    (root / name).write_text("participant_id\tPathology\tGestational age\n" + "".join(f"{row}\n" for row in rows))


def test_bids_tree(tmp_path):
    root = touch(
        tmp_path / "in put",
        "sub-001/anat/sub-001_rec-mial_T2w.nii.gz",
        "sub-001/anat/sub-001_rec-irtk_T2w.nii.gz",
        "sub-002/ses-01/anat/sub-002_ses-01_T2w.nii",
        "sub-002/ses-01/anat/sub-002_ses-01_T2w.json",
        # none of these is input
        "sub-001/anat/sub-001_rec-mial_T2w_dseg.nii.gz",
        "sub-001/anat/sub-001_rec-mial_dseg.nii.gz",
        "sub-001/anat/sub-001_meas.nii.gz",
        "sub-001/anat/sub-001_T1w.nii.gz",
        "sub-001/anat/.sub-001_hidden_T2w.nii.gz",
        "sub-001/func/sub-001_T2w.nii.gz",
        "derivatives/predictions/me/sub-001/anat/sub-001_T2w.nii.gz",
        ".git/sub-003/anat/sub-003_T2w.nii.gz",
    )
    ages(root, "sub-001\tNeurotypical\t28.3", "002\tPathological\t30")
    found = find_cases(root)
    assert [case.name for case in found.cases] == [
        "sub-001_rec-irtk_T2w",
        "sub-001_rec-mial_T2w",
        "sub-002_ses-01_T2w",
    ]
    assert [case.subject for case in found.cases] == ["sub-001", "sub-001", "sub-002"]
    assert [case.folder for case in found.cases] == [
        PurePosixPath("sub-001/anat"),
        PurePosixPath("sub-001/anat"),
        PurePosixPath("sub-002/ses-01/anat"),
    ]
    assert [case.age for case in found.cases] == [28.3, 28.3, 30.0]
    assert found.cases[2].pathology == "Pathological"
    assert all(case.image.exists() and not case.warnings for case in found.cases)
    assert (found.warnings, found.problems) == ((), ())


def test_flat_folder(tmp_path):
    root = touch(
        tmp_path, "sub-001_rec-mial_T2w.nii.gz", "scan A.nii", "scan B_T2w.nii.gz", "scan A_dseg.nii.gz",
        "scan A_meas.nii.gz", "scan A_mask.nii.gz", ".hidden.nii.gz", "notes.txt",
    )  # fmt: skip
    ages(root, "001\tNeurotypical\t28", "scan A\tNeurotypical\t25", "scan B\tNeurotypical\t26")
    cases = find_cases(root).cases
    assert [(c.subject, c.name, c.age) for c in cases] == [
        ("scan A", "scan A", 25.0),
        ("scan B_T2w", "scan B_T2w", 26.0),
        ("sub-001", "sub-001_rec-mial_T2w", 28.0),
    ]
    assert {c.folder for c in cases} == {PurePosixPath(".")}


def test_csv_table_and_a_table_elsewhere(tmp_path):
    root = touch(tmp_path / "in", "sub-001_T2w.nii.gz")
    (root / "participants.csv").write_text("participant_id,GA\nsub-001,28\n")
    assert find_cases(root).cases[0].age == 28
    ages(tmp_path, "sub-001\tx\t29", name="other.tsv")
    assert find_cases(root, tmp_path / "other.tsv").cases[0].age == 29


def test_single_file(tmp_path):
    root = touch(tmp_path, "sub-001/anat/sub-001_T2w.nii.gz", "sub-001/anat/sub-001_rec-b_T2w.nii.gz", "scan.nii")
    ages(root, "sub-001\tx\t28")
    (case,) = find_cases(root / "sub-001/anat/sub-001_T2w.nii.gz").cases
    assert (case.subject, case.name, case.age, case.folder) == ("sub-001", "sub-001_T2w", 28.0, PurePosixPath("."))
    assert find_cases(root / "scan.nii").cases[0].subject == "scan"


def test_single_file_by_a_relative_path(tmp_path, monkeypatch):
    root = touch(tmp_path, "sub-001/anat/sub-001_T2w.nii.gz")
    ages(root, "sub-001\tx\t28")
    monkeypatch.chdir(root / "sub-001" / "anat")
    (case,) = find_cases(Path("sub-001_T2w.nii.gz")).cases
    assert (case.folder, case.age) == (PurePosixPath("."), 28.0)


def test_no_table_is_one_warning(tmp_path):
    root = touch(tmp_path / "in", "sub-001_T2w.nii.gz", "sub-002_T2w.nii.gz")
    found = find_cases(root)
    assert len(found.warnings) == 1
    assert "participants.tsv" in found.warnings[0]
    assert found.problems == ()
    assert [(c.age, c.warnings, c.age_is_impossible) for c in found.cases] == [(None, (), False)] * 2


@pytest.mark.parametrize(
    "how", ["empty", "link", "dangling link", "folder", "UTF-16 without a mark", "spreadsheet", "no column"]
)
def test_a_table_that_cannot_be_used_is_a_problem(tmp_path, how):
    """One line, and status 1: all ages are lost."""
    root = touch(tmp_path / "in", "sub-001_T2w.nii.gz", "sub-002_T2w.nii.gz")
    table = root / "participants.tsv"
    if how == "empty":
        table.touch()
    if how == "link":
        ages(tmp_path, "sub-001\tx\t28")
        table.symlink_to(tmp_path / "participants.tsv")
    if how == "dangling link":
        table.symlink_to(tmp_path / "nothing.tsv")
    if how == "folder":
        table.mkdir()
    if how == "UTF-16 without a mark":
        table.write_bytes("participant_id\tga\nsub-001\t28\n".encode("utf-16-le"))
    if how == "spreadsheet":
        table.write_bytes(b"PK\x03\x04\x14\0\x08\0" + bytes(200))
    if how == "no column":
        table.write_text("name\tweeks\nsub-001\t28\n")
    found = find_cases(root)
    assert found.warnings == ()
    (problem,) = found.problems
    assert str(problem).startswith(f"{table}: ")
    assert "gestational ages are unknown" in str(problem)
    assert "\n" not in str(problem)
    assert [(c.age, c.warnings) for c in found.cases] == [(None, ())] * 2


def sessions(root: Path, table: str, subject: str = "sub-001") -> None:
    (root / subject / f"{subject}_sessions.tsv").write_text(table)


TWO_SESSIONS = [f"sub-001/ses-{n}/anat/sub-001_ses-{n}_T2w.nii.gz" for n in ("01", "02")]


def test_a_table_of_sessions_gives_each_its_age(tmp_path):
    root = touch(tmp_path, *TWO_SESSIONS)
    ages(root, "sub-001\tx\t22")
    sessions(root, "session_id\tgestational_age\nses-01\t22\nses-02\t33\n")
    found = find_cases(root)
    assert [(c.age, c.warnings) for c in found.cases] == [(22.0, ()), (33.0, ())]
    assert found.problems == ()


@pytest.mark.parametrize("where", ["in the participants table", "n/a in its own", "not in its own"])
def test_the_age_of_another_session_serves_none_that_is_not_listed(tmp_path, where):
    root = touch(tmp_path, *TWO_SESSIONS)
    if where == "in the participants table":
        (root / "participants.tsv").write_text("participant_id\tsession_id\tGA\nsub-001\tses-01\t22\n")
    else:
        ages(root, "sub-001\tx\t22")
        sessions(root, "session_id\tgestational_age\nses-01\t22\n" + ("ses-02\tn/a\n" if "n/a" in where else ""))
    first, second = find_cases(root).cases
    assert (first.age, first.warnings, second.age) == (22.0, (), None)
    assert "its session ses-02 has no age in the tables, where ses-01 has" in second.warnings[0]


@pytest.mark.parametrize("spelling", ["ses-{}", "{}"])
def test_a_column_of_sessions_gives_each_its_age(tmp_path, spelling):
    root = touch(tmp_path, *TWO_SESSIONS, "sub-002/anat/sub-002_T2w.nii.gz")
    rows = [("sub-001", "01", 22), ("sub-001", "02", 33)]
    text = "".join(f"{subject}\t{spelling.format(session)}\t{age}\n" for subject, session, age in rows)
    (root / "participants.tsv").write_text(f"participant_id\tsession_id\tGA\n{text}sub-002\tn/a\t30\n")
    assert [(c.age, c.warnings) for c in find_cases(root).cases] == [(22.0, ()), (33.0, ()), (30.0, ())]


def test_two_tables_that_differ_about_a_session_give_no_age(tmp_path):
    root = touch(tmp_path, *TWO_SESSIONS)
    (root / "participants.tsv").write_text("participant_id\tsession_id\tGA\nsub-001\t01\t22\nsub-001\t02\t33\n")
    sessions(root, "session_id\tage\nses-01\t22.0\nses-02\t30\n")
    first, second = find_cases(root).cases
    assert (first.age, first.warnings) == (22.0, ())
    assert second.age is None
    assert second.age_is_impossible
    assert "(33)" in second.warnings[0]
    assert "(30)" in second.warnings[0]


def test_a_flat_file_s_session_is_read_off_its_name(tmp_path):
    root = touch(tmp_path, "sub-001_ses-01_T2w.nii.gz", "sub-001_ses-02_T2w.nii.gz")
    (root / "participants.tsv").write_text("participant_id\tsession_id\tGA\nsub-001\tses-01\t22\nsub-001\tses-02\t33\n")
    assert [c.age for c in find_cases(root).cases] == [22.0, 33.0]


def test_a_session_that_is_listed_twice_has_no_age(tmp_path):
    root = touch(tmp_path, *TWO_SESSIONS)
    sessions(root, "session_id\tga\nses-01\t22\nses-02\t33\nses-02\t34\n")
    assert [(c.age, c.age_is_impossible) for c in find_cases(root).cases] == [(22.0, False), (None, True)]


def test_one_age_for_several_sessions_is_said(tmp_path):
    root = touch(tmp_path, *TWO_SESSIONS, "sub-002/ses-01/anat/sub-002_ses-01_T2w.nii.gz")
    ages(root, "sub-001\tx\t22", "sub-002\tx\t30")
    found = find_cases(root)
    assert [c.age for c in found.cases] == [22.0, 22.0, 30.0]
    assert ["2 sessions" in " ".join(c.warnings) for c in found.cases] == [True, True, False]


def test_without_a_session_in_its_name_different_ages_give_none(tmp_path):
    root = touch(tmp_path, "sub-001/anat/sub-001_T2w.nii.gz")
    (root / "participants.tsv").write_text("participant_id\tsession_id\tGA\nsub-001\t1\t22\nsub-001\t2\t33\n")
    (case,) = find_cases(root).cases
    assert case.age is None
    assert "different ages" in case.warnings[0]


def test_a_table_of_sessions_that_cannot_be_used_is_a_problem(tmp_path):
    root = touch(tmp_path, *TWO_SESSIONS)
    ages(root, "sub-001\tx\t22")
    sessions(root, "visit\tga\n1\t22\n")
    (problem,) = find_cases(root).problems
    assert "session_id" in str(problem)


@pytest.mark.parametrize("row", ["sub-1", "Sub-01", "01", "sub-01_ses-a", "SUB-001", "sub-sub-001", "1"])
def test_the_row_that_is_probably_meant_is_named(tmp_path, row):
    root = touch(tmp_path, "sub-001_T2w.nii.gz")
    ages(root, f"{row}\tx\t28", "sub-010\tx\t30")
    (case,) = find_cases(root).cases
    assert case.age is None
    assert "is probably meant" in case.warnings[0]
    assert "010" not in case.warnings[0]


@pytest.mark.parametrize("row", ["Sub-01", "SUB-001", "sub-1"])
def test_the_row_that_is_meant_is_named_as_the_table_has_it(tmp_path, row):
    root = touch(tmp_path, "sub-001_T2w.nii.gz")
    ages(root, f"{row}\tx\t28")
    (case,) = find_cases(root).cases
    assert f"'{row}' is probably meant" in case.warnings[0]


def test_a_table_that_was_named_and_is_not_there_is_a_problem(tmp_path):
    """A typing error: status 1, and the label maps are made all the same."""
    root = touch(tmp_path / "in", "sub-001_T2w.nii.gz")
    ages(root, "sub-001\tx\t28")
    found = find_cases(root, root / "participant.tsv")
    (problem,) = found.problems
    assert "no such table" in str(problem)
    assert [c.age for c in found.cases] == [None]
    with pytest.raises(FetaError, match="no such table"):
        found.all_usable()


@pytest.mark.parametrize("name", ["Participants.tsv", "participants.xlsx", "participant.tsv", "participants.TSV"])
def test_a_table_by_another_name_is_a_problem(tmp_path, name):
    root = touch(tmp_path, "sub-001_T2w.nii.gz", name)
    (problem,) = find_cases(root).problems
    assert problem.subject == str(root / name)
    assert "participants.tsv" in str(problem)


def test_what_describes_the_table_is_none(tmp_path):
    assert find_cases(touch(tmp_path, "sub-001_T2w.nii.gz", "participants.json")).problems == ()


@pytest.mark.parametrize("row", ["ses-1", "Ses-01", "SES-001", "ses_1"])
def test_the_session_that_is_probably_meant_is_named(tmp_path, row):
    root = touch(tmp_path, "sub-001/ses-01/anat/sub-001_ses-01_T2w.nii.gz")
    text = f"participant_id\tsession_id\tGA\nsub-001\t{row}\t22\nsub-001\tses-2\t33\n"
    (root / "participants.tsv").write_text(text)
    (case,) = find_cases(root).cases
    assert case.age is None
    assert "is probably meant" in case.warnings[0]
    assert "'ses-2' is" not in case.warnings[0]


def test_2021_ages_that_are_one_number_do_not_differ(tmp_path):
    touch(tmp_path, "anat/sub-001_T2w.nii.gz")
    (tmp_path / "meta.json").write_text('{"GA": 28, "Gestational age": 28.0}')
    (case,) = find_cases_2021(tmp_path, tmp_path / "meta.json").cases
    assert (case.age, case.warnings) == (28.0, ())


def test_no_row_is_guessed_that_is_another_subject_s(tmp_path):
    root = touch(tmp_path, "sub-001_T2w.nii.gz")
    ages(root, "sub-011\tx\t28", "sub-100\tx\t30", "sub-001a\tx\t30")
    assert "meant" not in find_cases(root).cases[0].warnings[0]


def test_no_row_impossible_age_and_listed_twice(tmp_path):
    root = touch(tmp_path, *(f"sub-00{n}_T2w.nii.gz" for n in range(1, 6)))
    ages(root, "sub-001\tx\t60", "sub-002\tx\t28", "sub-002\tx\t28", "sub-004\tx\t", "sub-005\tx\t28")
    found = find_cases(root)
    assert [c.age for c in found.cases] == [None, None, None, None, 28.0]
    assert [c.age_is_impossible for c in found.cases] == [True, True, False, False, False]
    assert [len(c.warnings) for c in found.cases] == [1, 1, 1, 1, 0]
    assert found.warnings == ()


@pytest.mark.parametrize("folder", [".", "sub-001/anat"])
def test_neighbours_of_the_same_name_are_both_left_out(tmp_path, folder):
    root = touch(tmp_path, f"{folder}/A_T2w.nii", f"{folder}/A_T2w.nii.gz", f"{folder}/B_T2w.nii.gz")
    found = find_cases(root)
    assert [c.name for c in found.cases] == ["B_T2w"]
    (problem,) = found.problems
    assert "A_T2w.nii and A_T2w.nii.gz lie side by side" in str(problem)
    alone = find_cases(root / folder / "A_T2w.nii.gz")
    assert (alone.cases, len(alone.problems)) == ((), 1)


def test_links(tmp_path):
    outside = touch(tmp_path / "outside", "anat/sub-002_T2w.nii.gz", "scan.nii.gz")
    root = touch(tmp_path / "in", "sub-001/anat/sub-001_T2w.nii.gz")
    (root / "sub-002").symlink_to(outside)
    (root / "sub-001/anat/sub-001_rec-b_T2w.nii.gz").symlink_to(outside / "scan.nii.gz")
    found = find_cases(root)
    # A linked file is listed, since the reader then says what is wrong; a linked folder is named.
    assert [c.name for c in found.cases] == ["sub-001_T2w", "sub-001_rec-b_T2w"]
    assert any("sub-002" in line and "link" in line for line in found.warnings)


def test_what_is_left_out_is_said(tmp_path):
    root = touch(tmp_path, "sub-001/anat/sub-001_T2w.nii.gz", "sub-002/anat/sub-002_T1w.nii.gz", "loose.nii.gz")
    ages(root, "sub-001\tx\t28")
    found = find_cases(root)
    assert [c.subject for c in found.cases] == ["sub-001"]
    assert any("sub-002" in line for line in found.warnings)
    assert any("beside" in line for line in found.warnings)


@pytest.mark.parametrize("name", ["empty", "missing", "missing.nii.gz", "notes.txt"])
def test_no_volume_is_an_error_of_the_call(tmp_path, name):
    (tmp_path / "empty").mkdir()
    touch(tmp_path, "notes.txt", "empty/derivatives/sub-001/anat/sub-001_T2w.nii.gz", "empty/a_dseg.nii.gz")
    with pytest.raises(FetaError) as caught:
        find_cases(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))


@pytest.mark.parametrize(("age", "expected"), [(28, 28.0), (28.5, 28.5), ("27.1", 27.1)])
def test_layout_of_2021(tmp_path, age, expected):
    touch(tmp_path, "input_img/anat/sub-007_T2w.nii.gz", "input_img/anat/sub-007_dseg.nii.gz")
    (tmp_path / "meta.json").write_text(json.dumps({"Pathology": "Pathological", "Gestational age": age}))
    for meta in (tmp_path / "meta.json", tmp_path):
        found = find_cases_2021(tmp_path / "input_img", meta)
        assert [(c.subject, c.age, c.pathology, c.warnings) for c in found.cases] == [
            ("sub-007", expected, "Pathological", ())
        ]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"a": 1' + "0" * 5000 + "}", "[" * 100000])
def test_2021_without_a_usable_meta(tmp_path, text):
    touch(tmp_path, "anat/sub-007_T2w.nii.gz")
    (tmp_path / "meta.json").write_text(text)
    found = find_cases_2021(tmp_path, tmp_path / "meta.json")
    assert [(c.age, c.age_is_impossible) for c in found.cases] == [(None, False)]
    (problem,) = found.problems
    assert "gestational ages are unknown" in str(problem)


def test_2021_without_a_meta_is_one_warning(tmp_path):
    touch(tmp_path, "anat/sub-007_T2w.nii.gz")
    found = find_cases_2021(tmp_path, tmp_path / "meta.json")
    assert (len(found.cases), len(found.warnings), found.problems) == (1, 1, ())


@pytest.mark.parametrize(
    ("meta", "impossible"),
    [
        ({"GA (at birth)": 39.5}, False),
        ({"Gestational age": 28, "ga": 30}, True),
        ({}, False),
        ({"Gestational age": None}, False),
        ({"ga": 3}, True),
        ({"ga": True}, True),
        ({"ga": [28]}, True),
    ],
)
def test_2021_without_a_usable_age(tmp_path, meta, impossible):
    touch(tmp_path, "anat/sub-007_T2w.nii.gz")
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    (case,) = find_cases_2021(tmp_path, tmp_path / "meta.json").cases
    assert (case.age, case.age_is_impossible, len(case.warnings)) == (None, impossible, 1)


def test_2021_without_a_volume(tmp_path):
    with pytest.raises(FetaError, match="holds no volume"):
        find_cases_2021(tmp_path, tmp_path / "meta.json")

"""Teams and their files are found in every layout, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.submissions.find import case_key, find_submission, find_submissions, locate
from evaluation.submissions.intake import RejectedError
from feta.errors import FetaError


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("sub-001_rec-mial_T2w_dseg.nii.gz", "sub-001_rec-mial"),
        ("sub-001_rec-mial_dseg.nii.gz", "sub-001_rec-mial"),
        ("sub-001_rec-mial_dseg.nii", "sub-001_rec-mial"),
        ("sub-001_seg_result.nii.gz", "sub-001"),
        ("sub-001_T2w_biom.csv", "sub-001"),
        ("sub-001_rec-mial_T2w", "sub-001_rec-mial"),
    ],
)
def test_case_key(name: str, key: str) -> None:
    assert case_key(name) == key


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


@pytest.mark.parametrize(
    "place",
    ["sub-001/anat/", "sub-001/ses-1/anat/", "", "derivatives/predictions/us/sub-001/anat/"],
)
def test_layouts(tmp_path: Path, place: str) -> None:
    team = touch(tmp_path / "us", f"{place}sub-001_T2w_dseg.nii.gz", f"{place}sub-001_T2w_biom.csv")
    found = find_submission(team)
    assert [str(p) for p in found.label_maps["sub-001"]] == [f"{place}sub-001_T2w_dseg.nii.gz"]
    assert [str(p) for p in found.lengths["sub-001"]] == [f"{place}sub-001_T2w_biom.csv"]
    assert found.messages == []


@pytest.mark.parametrize("place", ["sub-002/anat/", "sub-001/", "sub-001/func/", "results/", "sub-001/anat/old/"])
def test_results_elsewhere_are_not_taken(tmp_path: Path, place: str) -> None:
    found = find_submission(touch(tmp_path / "us", f"{place}sub-001_T2w_dseg.nii.gz"))
    assert not found.label_maps
    assert len(found.messages) == 1


def test_other_files_are_noted_and_links_not_followed(tmp_path: Path) -> None:
    team = touch(tmp_path / "us", "sub-001/anat/sub-001_T2w_meas.nii.gz", "notes.txt", ".hidden", "run.json")
    touch(tmp_path / "them", "sub-002/anat/sub-002_T2w_dseg.nii.gz")
    (team / "sub-002").symlink_to(tmp_path / "them" / "sub-002")
    found = find_submission(team)
    assert not found.label_maps
    assert sorted(found.messages) == ["notes.txt: is no result; ignored", "sub-002: is a link; not followed"]


def test_tables_of_volumes_are_left_alone_without_a_word(tmp_path: Path) -> None:
    """As `feta-infer` writes them beside its label maps."""
    team = touch(tmp_path / "us", "sub-001/anat/sub-001_T2w_dseg.nii.gz", "sub-001/anat/sub-001_T2w_biom.csv")
    before = find_submission(team)
    tables = ["cohort.tsv", "cohort.json", "dseg.tsv", "labels-itksnap.txt", "labels-slicer.ctbl"]
    touch(team, "sub-001/anat/sub-001_T2w_volumes.tsv", "labels-freesurfer.txt", *tables)
    found = find_submission(team)
    assert (found.label_maps, found.lengths, found.messages) == (before.label_maps, before.lengths, [])


def test_pages_to_look_at_are_no_results_and_not_worth_a_word(tmp_path: Path) -> None:
    found = find_submission(touch(tmp_path / "us", "sub-001/anat/sub-001_T2w_report.html", "cohort.html"))
    assert not found.label_maps
    assert not found.lengths
    assert found.messages == []


def test_derived_maps_are_ignored(tmp_path: Path) -> None:
    found = find_submission(touch(tmp_path / "us", "sub-001/anat/sub-001_desc-landmarks_dseg.nii.gz"))
    assert not found.label_maps


def test_teams(tmp_path: Path) -> None:
    touch(tmp_path, "b/x", "a/x", ".git/x", "README.md")
    (tmp_path / "c").symlink_to(tmp_path / "a")
    teams, ignored = find_submissions(tmp_path)
    assert [team.team for team in teams] == ["a", "b", "c"]
    assert "link" in teams[2].rejected
    assert ignored == [
        ".git: is a hidden folder, so no team; ignored: rename it if it is one",
        "README.md: is no folder of a team; ignored",
    ]


def test_teams_below_derivatives(tmp_path: Path) -> None:
    touch(tmp_path, "sub-001/anat/sub-001_T2w.nii.gz", "derivatives/predictions/a/x", "derivatives/predictions/b/x")
    assert [team.team for team in find_submissions(tmp_path)[0]] == ["a", "b"]


@pytest.mark.parametrize("names", [[], ["file"], ["sub-001/anat/sub-001_dseg.nii.gz", "sub-002/anat/x"]])
def test_no_teams(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(FetaError):
        find_submissions(touch(tmp_path / "submissions", *names))


@pytest.mark.parametrize("name", ["=1+1", "<img src=x onerror=alert(1)>", "x" * 255, "a..", "a b", "-rf", "%2e%2e"])
def test_names_of_teams_stay_what_they_are(tmp_path: Path, name: str) -> None:
    assert [team.team for team in find_submissions(touch(tmp_path, f"{name}/x"))[0]] == [name]


def test_names_that_look_the_same_are_told_apart(tmp_path: Path) -> None:
    touch(tmp_path, "a\x01/x", "a\x02/x")
    assert [team.team for team in find_submissions(tmp_path)[0]] == ["a�", "a� (2)"]


def test_a_subject_suffices_where_it_has_one_case(tmp_path: Path) -> None:
    found = find_submission(touch(tmp_path / "us", "sub-001_seg_result.nii.gz"))
    arguments = (found.label_maps, "sub-001_rec-mial", "sub-001")
    assert locate(*arguments, only_case=True, kind="label map").name == "sub-001_seg_result.nii.gz"
    with pytest.raises(RejectedError, match="no label map"):
        locate(*arguments, only_case=False, kind="label map")


def test_two_files_for_a_case(tmp_path: Path) -> None:
    team = touch(tmp_path / "us", "sub-001_T2w_dseg.nii.gz", "sub-001_T2w_dseg.nii")
    with pytest.raises(RejectedError, match="more than one"):
        locate(find_submission(team).label_maps, "sub-001", "sub-001", only_case=True, kind="label map")

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feta.errors import FetaError
from training.data.split import validation_fold
from training.data.subject import pairs


def _empty(root: Path, names: list[str], label: str = "dseg", recs: tuple[str, ...] = ("x",)) -> Path:
    """A data set of empty files: folds depend on names alone."""
    for name in names:
        anat = root / name / "anat"
        anat.mkdir(parents=True, exist_ok=True)
        for rec in recs:
            for ending in ("T2w", label):
                (anat / f"{name}_rec-{rec}_{ending}.nii.gz").touch()
    return root


@given(st.sets(st.integers(1, 200), min_size=5, max_size=40), st.integers(2, 5))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_subject_is_in_one_fold_and_folds_are_even(
    tmp_path_factory: pytest.TempPathFactory, numbers: set[int], folds: int
) -> None:
    names = [f"sub-{number:03d}" for number in numbers]
    root = _empty(tmp_path_factory.mktemp("folds"), names)
    found = [validation_fold(root, fold, folds) for fold in range(folds)]
    assert sorted(name for fold in found for name in fold) == sorted(names)
    assert max(map(len, found)) - min(map(len, found)) <= 1


def test_each_fold_has_its_share_of_each_site(tmp_path: Path) -> None:
    names = [f"sub-{number:03d}" for number in range(1, 21)]
    root = _empty(tmp_path, names)
    site = {name: "ab"[number % 2] for number, name in enumerate(names)}
    rows = "".join(f"{name}\t30\t{site[name]}\n" for name in names)
    (root / "participants.tsv").write_text(f"participant_id\tGestational age\tsite\n{rows}")
    for fold in range(5):
        assert sorted(site[name] for name in validation_fold(root, fold)) == ["a", "a", "b", "b"]


def test_reconstructions_of_a_subject_stay_together(tmp_path: Path) -> None:
    root = _empty(tmp_path, ["sub-1", "sub-2"], recs=("mial", "irtk"))
    assert len(pairs(root)) == 4
    assert [validation_fold(root, fold, 2) for fold in (0, 1)] == [("sub-1",), ("sub-2",)]


@pytest.mark.parametrize("label", ["dseg", "T2w_dseg"])
def test_label_maps_have_either_of_two_names(tmp_path: Path, label: str) -> None:
    root = _empty(tmp_path, ["sub-1"], label)
    assert pairs(root)["sub-1_rec-x_T2w"][1].name == f"sub-1_rec-x_{label}.nii.gz"


def test_a_simulated_cohort_has_its_labels_elsewhere(tmp_path: Path) -> None:
    for part, ending in (("input", "T2w"), ("truth", "T2w_dseg")):
        anat = tmp_path / part / "sub-1" / "anat"
        anat.mkdir(parents=True)
        (anat / f"sub-1_{ending}.nii.gz").touch()
    image, labels = pairs(tmp_path)["sub-1_T2w"]
    assert (image.relative_to(tmp_path).parts[0], labels.relative_to(tmp_path).parts[0]) == ("input", "truth")


def test_other_label_maps_are_not_taken_for_tissues(tmp_path: Path) -> None:
    root = _empty(tmp_path, ["sub-1"], "desc-landmarks_dseg")
    with pytest.raises(FetaError, match="holds no"):
        pairs(root)


def test_more_folds_than_subjects_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match="fewer than 5 folds"):
        validation_fold(_empty(tmp_path, ["sub-1"]), 0)
    with pytest.raises(FetaError, match="0 to 4"):
        validation_fold(_empty(tmp_path, ["sub-1"]), 5)

"""What a folder holds beside scans: left out by name, of another format, or raw stacks; always with a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from feta.bids import is_no_scan, unread_volumes
from feta.cases import find_cases
from feta.cases_2021 import find_cases_2021
from feta.errors import FetaError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize(
    "name",
    [
        "mask", "seg", "labels", "scan_seg", "scan_label", "scan_mask", "scan_dseg", "scan_bounti-19", "scan_meas",
        "scan-mask-bet-1", "scan-mask-brain_bounti-4", "sub-001_seg_result", "scan_labels_2", "scan.segmentation",
        "scan_brainmask", "scan_MASK", "scan aseg", "scan_synthseg", "scan_probseg", "scan_label-manual", "scan_seg_v2",
        "sub-001_space-T2w_desc-drawem88_dseg", "scan_parcellation", "scan_tissues",
    ],
)  # fmt: skip
def test_a_name_that_says_label_map_or_mask(name: str) -> None:
    assert is_no_scan(Path(f"{name}.nii.gz"))


@pytest.mark.parametrize(
    "name",
    [
        "scan", "sub-001_T2w", "sub-001_rec-mial_desc-masked_T2w", "masked", "unmasked", "Segovia", "sub-seg01_T2w",
        "label1scan", "scan_masked", "sub-01_label-brain_T2w", "measured", "brain", "scan_2", "mask_of_zorro_T2w",
    ],
)  # fmt: skip
def test_a_name_that_says_neither(name: str) -> None:
    assert not is_no_scan(Path(f"{name}.nii.gz"))


def test_label_maps_and_masks_of_a_flat_folder_are_left_out_in_one_line(tmp_path: Path) -> None:
    root = touch(tmp_path, "scan.nii.gz", "mask.nii.gz", "scan_seg.nii.gz", "scan_label.nii", "scan_bounti-19.nii.gz")
    found = find_cases(root)
    assert [case.name for case in found.cases] == ["scan"]
    (line,) = [line for line in found.warnings if "left out" in line]
    assert "4 volumes" in line
    assert "mask.nii.gz" in line


def test_a_file_that_is_named_itself_is_taken_whatever_its_name_says(tmp_path: Path) -> None:
    root = touch(tmp_path, "scan_mask.nii.gz")
    assert [case.name for case in find_cases(root / "scan_mask.nii.gz").cases] == ["scan_mask"]


def test_a_folder_of_nothing_but_masks_says_so(tmp_path: Path) -> None:
    touch(tmp_path, "a_mask.nii.gz", "b_mask.nii.gz")
    with pytest.raises(FetaError, match=r"holds no volume but label maps or masks by their names \(a_mask"):
        find_cases(tmp_path)


OTHERS = [
    "a.mgz",
    "a.mgh",
    "a.mha",
    "a.mhd",
    "a.nrrd",
    "a.nhdr",
    "a.img",
    "a.hdr",
    "a.mnc",
    "a.minc",
    "a.dcm",
    "a.mif",
    "a.mif.gz",
    "a.gipl",
    "a.vtk",
    "a.PAR",
    "a.nii.bz2",
]


@pytest.mark.parametrize("name", [*OTHERS, "a.MHA", "a.img.gz", "a.nii.xz", "a.IMA"])
def test_another_format_is_named_in_one_line(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name, "b.nii.gz")
    found = find_cases(tmp_path)
    assert [case.name for case in found.cases] == ["b"]
    (problem,) = found.problems
    assert name in str(problem)
    assert "convert" in str(problem)


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_but_another_format_is_an_error_of_the_call(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name)
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(FetaError, match=r"of a format that is not read .*convert"):
            find_cases(path)


def test_many_of_another_format_are_one_line(tmp_path: Path) -> None:
    touch(tmp_path, *(f"slice{n}.dcm" for n in range(200)), "b.nii.gz")
    (problem,) = find_cases(tmp_path).problems
    assert len(str(problem)) < 300
    assert "(200, DICOM" in str(problem)


def test_a_pair_of_files_is_one_volume(tmp_path: Path) -> None:
    touch(tmp_path, "a.img", "a.hdr", "b_mask.mha")
    assert [path.name for path in unread_volumes(tmp_path)] == ["a.hdr"]


def test_in_a_tree_another_format_is_named_where_a_t2w_volume_is_expected(tmp_path: Path) -> None:
    root = touch(
        tmp_path,
        "sub-001/anat/sub-001_T2w.nii.gz",
        "sub-002/anat/sub-002_T2w.mgz",
        "sub-003/ses-1/anat/sub-003_ses-1_T2w.nrrd",
        "sub-001/anat/sub-001_T1w.mgz",
        "sub-001/anat/sub-001_T2w_dseg.mha",
    )
    found = find_cases(root)
    (problem,) = found.problems
    assert "(2, FreeSurfer, NRRD: sub-002_T2w.mgz, sub-003" in str(problem)
    assert not [line for line in found.warnings if "sub-00" in line]


def test_the_layout_of_2021_names_it_too(tmp_path: Path) -> None:
    touch(tmp_path, "anat/sub-007_T2w.mha")
    with pytest.raises(FetaError, match=r"sub-007_T2w\.mha"):
        find_cases_2021(tmp_path, tmp_path / "meta.json")


STACKS = ["sub-001_run-1_T2w", "sub-001_acq-haste_run-2_T2w", "sub-001_chunk-1_T2w"]


@pytest.mark.parametrize("folder", ["sub-001/anat", "."])
@pytest.mark.parametrize("stacks", [False, True])
def test_raw_stacks_beside_a_reconstruction_are_left_out_unless_asked_for(
    tmp_path: Path, folder: str, stacks: bool
) -> None:
    kept = ["sub-001_rec-mial_T2w", "sub-001_rec-svr_run-1_T2w"]
    root = touch(tmp_path, *(f"{folder}/{name}.nii.gz" for name in [*kept, *STACKS]))
    found = find_cases(root, stacks=stacks)
    assert {case.name for case in found.cases} == {*kept, *(STACKS if stacks else [])}
    assert len([line for line in found.warnings if "3 raw stacks" in line and "--stacks" in line]) == (not stacks)


def test_runs_without_a_reconstruction_are_taken(tmp_path: Path) -> None:
    """Of another subject, or of another session."""
    root = touch(
        tmp_path,
        "sub-001/ses-1/anat/sub-001_ses-1_run-1_T2w.nii.gz",
        "sub-001/ses-2/anat/sub-001_ses-2_rec-a_T2w.nii.gz",
        "sub-002/anat/sub-002_run-1_T2w.nii.gz",
    )
    assert len(find_cases(root).cases) == 3

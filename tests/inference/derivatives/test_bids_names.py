"""Names of derivatives: entities are kept, and stand in BIDS's order."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from feta.cases import Case
from feta.errors import FetaError
from inference.derivatives.bids_names import names_of

ROOT = Path("out")


def case(name: str, folder: str = "sub-01/anat") -> Case:
    return Case("sub-01", name, Path(folder) / f"{name}.nii.gz", PurePosixPath(folder), None, None, ())


@pytest.mark.parametrize(
    ("volume", "label_map", "mask"),
    [
        ("sub-01_T2w", "sub-01_seg-feta_dseg.nii.gz", "sub-01_desc-brain_mask.nii.gz"),
        ("sub-01_rec-a_T2w", "sub-01_rec-a_seg-feta_dseg.nii.gz", "sub-01_rec-a_desc-brain_mask.nii.gz"),
        (
            "sub-01_space-x_res-1_desc-n4_T2w",
            "sub-01_space-x_seg-feta_res-1_desc-n4_dseg.nii.gz",
            "sub-01_space-x_res-1_label-brain_desc-n4_mask.nii.gz",
        ),
    ],
)  # fmt: skip
def test_entities_are_kept_in_their_order(volume: str, label_map: str, mask: str) -> None:
    """Expected by the BIDS appendix on the order of entities: space, seg, res, label, desc."""
    names = names_of(ROOT, case(volume))
    assert names.path("dseg", ".nii.gz", seg="feta") == ROOT / "sub-01/anat" / label_map
    assert names.mask(".nii.gz") == ROOT / "sub-01/anat" / mask


def test_uris() -> None:
    names = names_of(ROOT, case("sub-01_ses-2_T2w", "sub-01/ses-2/anat"))
    assert names.source() == "bids:raw:sub-01/ses-2/anat/sub-01_ses-2_T2w.nii.gz"
    assert names.of_this(names.mask(".nii.gz")) == "bids::sub-01/ses-2/anat/sub-01_ses-2_desc-brain_mask.nii.gz"


@pytest.mark.parametrize(("name", "folder"), [("a", "."), ("sub-01_T2w", "."), ("x_bold", "sub-01/func")])
def test_what_is_no_bids_volume_has_no_bids_name(name: str, folder: str) -> None:
    with pytest.raises(FetaError, match="BIDS tree"):
        names_of(ROOT, case(name, folder))

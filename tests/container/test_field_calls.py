"""How the field's pipelines and platforms call a container, on the image: BIDS app, fetpype, Grand Challenge."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from tests.support.images import TINY, Call

NAME = "sub-002/anat/sub-002_T2w"


@pytest.fixture
def call(inference_image: str, tiny_weights: Path) -> Call:
    return Call(inference_image, {"/weights:ro": tiny_weights}, dict(TINY))


def test_bids_app(call: Call, cohort: Path, output: Path) -> None:
    call.mounts |= {"/data:ro": cohort, "/out": output}
    ended = call.run("/data", "/out", "participant", "--participant_label", "002", "--skip_bids_validation")
    assert ended.status == 0, ended.output
    assert [path.name for path in output.glob("sub-*/anat/*dseg.nii.gz")] == ["sub-002_seg-feta_dseg.nii.gz"]
    described = json.loads((output / "dataset_description.json").read_text())
    assert described["GeneratedBy"][0]["Container"]["Type"] == "docker"


def test_fetpype(call: Call, cohort: Path, tmp_path: Path, output: Path) -> None:
    """It mounts both folders where they lie outside, and puts the volume into the first one."""
    given = tmp_path / "seg/input"
    given.mkdir(parents=True)
    shutil.copy(cohort / f"{NAME}.nii.gz", given / "input_srr.nii.gz")
    call.mounts |= {str(given): given, str(output): output}
    ended = call.run(str(given), str(output))
    assert ended.status == 0, ended.output
    assert (output / "input_srr_dseg.nii.gz").is_file()


def test_grand_challenge(call: Call, cohort: Path, tmp_path: Path, output: Path) -> None:
    """The platform gives no arguments."""
    given = tmp_path / "gc"
    (given / "images/fetal-brain-t2").mkdir(parents=True)
    image = sitk.ReadImage(str(cohort / f"{NAME}.nii.gz"))
    sitk.WriteImage(image, str(given / "images/fetal-brain-t2/0f8fad5b.mha"), useCompression=True)
    socket = {"slug": "fetal-brain-t2", "relative_path": "images/fetal-brain-t2"}
    (given / "inputs.json").write_text(json.dumps([{"socket": socket}]))
    (given / "gestational-age.json").write_text("28")
    call.mounts |= {"/input:ro": given, "/output": output}
    ended = call.run()
    assert ended.status == 0, ended.output
    labels = sitk.ReadImage(str(output / "images/fetal-brain-tissue-segmentation/output.mha"))
    assert labels.GetSize() == image.GetSize()
    np.testing.assert_allclose(labels.GetDirection(), image.GetDirection(), atol=1e-5)
    assert json.loads((output / "fetal-brain-biometry.json").read_text())["GestationalAgeWeeks"] == 28

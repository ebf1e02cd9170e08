"""The weights that are shipped, on the simulated cohort and on a real volume."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from tests.support.images import HARDENED, ROOT, Call

SHARED = Path(os.environ.get("FETA_SHARED", ROOT.parent / "shared"))
REAL = SHARED / "data" / "real_srr"


@pytest.mark.skipif(not REAL.is_dir(), reason="needs data/real_srr below the folder named by FETA_SHARED")
def test_a_real_fetus(inference_image: str, output: Path) -> None:
    """All seven tissues, of a fetal brain's size, in one piece, within 30 minutes and 16 GiB, on the plainest call."""
    output.chmod(0o777)
    options = (*HARDENED, "--user", "4321:4321", "--memory", "16g")
    ended = Call(inference_image, {"/input:ro": REAL, "/output": output}, options=options).run()
    assert ended.status == 0, ended.output
    (path,) = output.rglob("*_dseg.nii.gz")
    (source,) = REAL.rglob("*_T2w.nii.gz")
    labels, image = sitk.ReadImage(str(path)), sitk.ReadImage(str(source))
    assert labels.GetSize() == image.GetSize()
    litres = np.prod(image.GetSpacing()) / 1e6 * np.bincount(sitk.GetArrayViewFromImage(labels).ravel(), minlength=8)
    assert (litres[1:] > 0.0002).all(), litres
    assert 0.05 < litres[1:].sum() < 0.6, litres
    (run,) = output.rglob("run.json")
    assert json.loads(run.read_text())
    assert list(output.rglob("*_qc.png"))

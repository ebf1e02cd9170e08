"""Every way of calling that the challenge has had, 2021 to 2024, word for word, on the image."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from tests.support.images import CASES, TINY, Call, Ended

HEADER = "\tLCC\tHV\tbBIP\tsBIP\tTCD"
#: The options of the challenge's published command, without its GPUs.
PUBLISHED = ("--ipc=host", "--ulimit=memlock=-1", "--ulimit=stack=67108864", "--privileged")


@pytest.fixture
def call(inference_image: str, tiny_weights: Path) -> Call:
    return Call(inference_image, {"/weights:ro": tiny_weights}, dict(TINY))


@pytest.fixture(scope="session")
def published(inference_image: str) -> tuple[str, ...]:
    """The published options that this engine may grant: one that itself runs without all rights refuses some."""
    return tuple(option for option in PUBLISHED if Call(inference_image, options=(option,)).run("true").status == 0)


@pytest.fixture
def bids(cohort: Path, tmp_path: Path) -> Path:
    """The cohort in a folder of its own that may be written to, with a space in its name."""
    return shutil.copytree(cohort, tmp_path / "my data set")


def assert_label_map(path: Path, image: Path) -> None:
    written, original = sitk.ReadImage(str(path)), sitk.ReadImage(str(image))
    assert written.GetPixelID() == sitk.sitkUInt8
    assert written.GetSize() == original.GetSize()
    np.testing.assert_allclose(written.GetSpacing(), original.GetSpacing(), atol=1e-5)
    np.testing.assert_allclose(written.GetOrigin(), original.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(written.GetDirection(), original.GetDirection(), atol=1e-5)
    assert sitk.GetArrayViewFromImage(written).max() <= 7


def assert_lengths(path: Path, subject: str) -> None:
    header, row = path.read_text().splitlines()
    assert header == HEADER
    assert row.split("\t")[0] == subject
    # The age is known, so that every length is there, from the image or from the age.
    assert all(5 < float(value) < 150 for value in row.split("\t")[1:])


def assert_fine(ended: Ended) -> None:
    assert ended.status == 0, ended.output


def test_input_to_output(call: Call, cohort: Path, output: Path) -> None:
    call.mounts |= {"/input:ro": cohort, "/output": output}
    assert_fine(call.run())
    for name in CASES:
        assert_label_map(output / f"{name}_dseg.nii.gz", cohort / f"{name}.nii.gz")
        assert_lengths(output / f"{name}_biom.csv", name.split("/")[0])


def test_flat_folder(call: Call, cohort: Path, tmp_path: Path, output: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    shutil.copy(cohort / "participants.tsv", flat)
    image = Path(shutil.copy(cohort / "sub-002/anat/sub-002_T2w.nii.gz", flat))
    call.mounts |= {"/input:ro": flat, "/output": output}
    assert_fine(call.run())
    assert_label_map(output / "sub-002_T2w_dseg.nii.gz", image)
    assert_lengths(output / "sub-002_T2w_biom.csv", "sub-002")


def test_help_and_arguments(call: Call, cohort: Path, output: Path) -> None:
    shown = call.run("--help")
    assert shown.status == 0
    assert "INPUT" in shown.output
    call.mounts |= {"/some where/in:ro": cohort / "sub-002" / "anat", "/some where/out": output}
    assert_fine(call.run("/some where/in/sub-002_T2w.nii.gz", "/some where/out", "--no-qc"))
    assert_label_map(output / "sub-002_T2w_dseg.nii.gz", cohort / "sub-002/anat/sub-002_T2w.nii.gz")


def test_2024_one_case(call: Call, bids: Path, published: tuple[str, ...]) -> None:
    image = "/data set/sub-001/anat/sub-001_rec-mial_T2w.nii.gz"
    call.mounts["/data set"] = bids
    call.options = published
    call.variables |= {
        "t2w_image": image,
        "participants": "/data set/participants.tsv",
        "output_seg": "/data set/out/seg.nii.gz",
        "output_biom": "/data set/out/biom.csv",
    }
    assert_fine(call.run("bash", "src/inference.sh"))
    assert_label_map(bids / "out/seg.nii.gz", bids / "sub-001/anat/sub-001_rec-mial_T2w.nii.gz")
    assert_lengths(bids / "out/biom.csv", "sub-001")


def test_2024_all_cases(call: Call, bids: Path, published: tuple[str, ...]) -> None:
    call.mounts["/bids dir"] = bids
    call.options = published
    call.variables |= {"bids_input": "/bids dir", "participants": "/bids dir/participants.tsv", "teamname": "our team"}
    ended = call.run("/bin/bash", "scripts/run_test.sh")
    assert_fine(ended)
    root = bids / "derivatives/predictions/our team"
    for name in CASES:
        assert_label_map(root / f"{name}_dseg.nii.gz", bids / f"{name}.nii.gz")
        assert_lengths(root / f"{name}_biom.csv", name.split("/")[0])
    # A second call finds everything done, and takes none of its own results for input.
    assert_fine(call.run("/bin/bash", "scripts/run_test.sh"))
    assert len(list(bids.rglob("*_dseg.nii.gz"))) == 3


#: An organizer's own loop: strict options, an odd IFS, variables that come and go, and a list on standard input.
LOOP = r"""
set -euo pipefail
IFS=$'\n'
before="$(shopt -p) $(set +o) $(declare -F) $PWD"
table="/data set/participants.tsv"
printf '%s\n' sub-002_T2w sub-001_rec-mial_T2w sub-001_rec-irtk_T2w >/tmp/list
while read -r name; do
  t2w_image="/data set/${name%%_*}/anat/$name.nii.gz"
  case $name in
    sub-002*) output_seg="/data set/loop/$name.nii.gz" participants=$table; unset output_biom ;;
    *mial*) unset output_seg participants; output_biom="/data set/loop/$name.csv" ;;
    *irtk*) output_seg="/data set/loop/$name.nii.gz" output_biom="/data set/loop/$name.csv" participants=$table ;;
  esac
  source src/inference.sh
  echo "status of $name: $?"
done </tmp/list
[[ "$(shopt -p) $(set +o) $(declare -F) $PWD" == "$before" ]] && echo "nothing changed"
"""


def test_2024_sourced_in_a_loop(call: Call, bids: Path) -> None:
    call.mounts["/data set"] = bids
    ended = call.run("bash", "-c", LOOP)
    assert_fine(ended)
    assert "nothing changed" in ended.output
    results = bids / "loop"
    assert sorted(p.name for p in results.iterdir() if p.suffix in (".gz", ".csv")) == [
        "sub-001_rec-irtk_T2w.csv",
        "sub-001_rec-irtk_T2w.nii.gz",
        "sub-001_rec-mial_T2w.csv",
        "sub-002_T2w.nii.gz",
    ]
    assert_label_map(results / "sub-002_T2w.nii.gz", bids / "sub-002/anat/sub-002_T2w.nii.gz")
    assert_lengths(results / "sub-001_rec-irtk_T2w.csv", "sub-001")


def test_2024_says_what_is_not_set(call: Call) -> None:
    for command, missing in (("src/inference.sh", "t2w_image"), ("scripts/run_test.sh", "bids_input")):
        ended = call.run("bash", command)
        assert ended.status == 2
        assert f"{missing} is not set" in ended.output
    alone = call.run("bash", "-c", "source src/inference.sh; echo still here: $?")
    assert "still here: 2" in alone.output


def test_2021(call: Call, cohort: Path, tmp_path: Path, output: Path) -> None:
    meta = tmp_path / "meta"
    meta.mkdir()
    (meta / "meta.json").write_text('{"Pathology": "Neurotypical", "Gestational age": 28.3}')
    call.mounts |= {"/input_img/anat:ro": cohort / "sub-002/anat", "/input_meta:ro": meta, "/output": output}
    assert_fine(call.run())
    assert_label_map(output / "sub-002_seg_result.nii.gz", cohort / "sub-002/anat/sub-002_T2w.nii.gz")


def test_working_folder(call: Call) -> None:
    assert call.run("pwd").output.strip() == "/fetachallenge"

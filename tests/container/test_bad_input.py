"""Bad files in the container: one clear line each, the others finished, the status of design.md."""

from __future__ import annotations

import gzip
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import write_image
from images import Call


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def bomb(path: Path) -> None:
    """A header of 8 GiB of voxels over nothing."""
    header = bytearray(gzip.decompress(path.read_bytes())[:352])
    struct.pack_into("<8h", header, 40, 3, 2048, 1024, 1024, 1, 1, 1, 1)
    path.write_bytes(gzip.compress(bytes(header) + bytes(1000)))


def link(path: Path) -> None:
    path.rename(path.with_name("target"))
    path.symlink_to("target")


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [truncated, flipped, bomb, link, empty], ids=lambda f: f.__name__)
def test_one_bad_file_stops_no_other(
    inference_image: str, tiny_weights: Path, tmp_path: Path, output: Path, spoil: Callable[[Path], None]
) -> None:
    root = tmp_path / "input"
    spoil(write_image(root / "sub-001/anat/sub-001_T2w.nii.gz"))
    write_image(root / "sub-002/anat/sub-002_T2w.nii.gz")
    call = Call(inference_image, {"/weights:ro": tiny_weights, "/input:ro": root, "/output": output})
    call.variables["FETA_WEIGHTS"] = "/weights"
    call.options = ("--memory", "4g")
    ended = call.run()
    assert ended.status == 1, ended.output
    blamed = [line for line in ended.output.splitlines() if line.startswith("error:") and "sub-001_T2w.nii.gz" in line]
    assert len(blamed) == 1, ended.output
    assert "Traceback" not in ended.output
    assert (output / "sub-002/anat/sub-002_T2w_dseg.nii.gz").is_file()
    assert not (output / "sub-001/anat/sub-001_T2w_dseg.nii.gz").exists()


def test_nothing_to_do(inference_image: str, tmp_path: Path, output: Path) -> None:
    (tmp_path / "input").mkdir()
    for mounts in ({"/output": output}, {"/input:ro": tmp_path / "input", "/output": output}):
        ended = Call(inference_image, mounts).run()
        assert ended.status == 2, ended.output
        assert "Traceback" not in ended.output


def test_damaged_weights_are_refused(
    inference_image: str, tiny_weights: Path, cohort: Path, tmp_path: Path, output: Path
) -> None:
    damaged = shutil.copytree(tiny_weights, tmp_path / "weights")
    flipped(damaged / "s.safetensors")
    call = Call(inference_image, {"/weights:ro": damaged, "/input:ro": cohort, "/output": output})
    call.variables["FETA_WEIGHTS"] = "/weights"
    ended = call.run()
    assert ended.status in (1, 2)
    assert "s.safetensors: is damaged" in ended.output
    assert not list(output.rglob("*_dseg.nii.gz"))

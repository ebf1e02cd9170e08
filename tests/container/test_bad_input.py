"""Bad files in the container: one clear line each, the others finished, the status of design.md."""

from __future__ import annotations

import gzip
import shutil
import struct
from pathlib import Path

from tests.support.images import TINY, Call
from tests.support.textured_ball import write_image


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
    """As datalad leaves what was not fetched."""
    path.unlink()
    path.symlink_to("../../.git/annex/objects/Xx/1y/KEY/KEY")


def empty(path: Path) -> None:
    path.write_bytes(b"")


SPOILS = (truncated, flipped, bomb, link, empty)


def test_bad_files_stop_no_other(inference_image: str, tiny_weights: Path, tmp_path: Path, output: Path) -> None:
    root = tmp_path / "input"
    for spoil in SPOILS:
        spoil(write_image(root / f"sub-{spoil.__name__}/anat/sub-{spoil.__name__}_T2w.nii.gz"))
    write_image(root / "sub-good/anat/sub-good_T2w.nii.gz")
    call = Call(inference_image, {"/weights:ro": tiny_weights, "/input:ro": root, "/output": output})
    call.variables |= TINY
    call.options = ("--memory", "4g")
    ended = call.run()
    assert ended.status == 1, ended.output
    assert "Traceback" not in ended.output
    errors = [line for line in ended.output.splitlines() if line.startswith("error:")]
    for spoil in SPOILS:
        assert len([line for line in errors if f"sub-{spoil.__name__}_T2w.nii.gz" in line]) == 1, ended.output
    assert [path.name for path in output.rglob("*_dseg.nii.gz")] == ["sub-good_T2w_dseg.nii.gz"]


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
    call.variables |= TINY
    ended = call.run()
    assert ended.status in (1, 2)
    assert "s.safetensors: is damaged" in ended.output
    assert not list(output.rglob("*_dseg.nii.gz"))

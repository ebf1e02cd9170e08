"""``feta-infer grand-challenge``: /input and /output as the platform mounts them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from feta.measurements import MEASUREMENTS
from tests.support.folders import SMALL
from tests.support.infer_calls import Calls, names

UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(tmp_path, monkeypatch)


def write_mha(path: Path, direction: list[float] | None = None) -> sitk.Image:
    image = sitk.GetImageFromArray(SMALL.array)
    image.SetSpacing(SMALL.grid.spacing)
    image.SetOrigin(SMALL.grid.origin)
    image.SetDirection(direction or SMALL.grid.direction)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=True)
    return image


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_mha(tmp_path / f"input/images/fetal-brain-t2/{UUID}.mha")
    return tmp_path / "input"


def sockets(source: Path, **more: object) -> None:
    """inputs.json as the platform writes it."""
    socket = {"slug": "fetal-brain-t2", "relative_path": "images/fetal-brain-t2", "super_kind": "Image"}
    age = {"slug": "gestational-age", "relative_path": "gestational-age.json", "super_kind": "Value"}
    entries = [{"socket": socket, "value": None, "image": {"name": "x"}}, {"socket": age, "value": None}]
    (source / "inputs.json").write_text(json.dumps(entries))
    for name, value in more.items():
        (source / f"{name.replace('_', '-')}.json").write_text(json.dumps(value))


def run(call: Calls, source: Path, *more: str) -> int:
    return call("grand-challenge", "--input", source, "--output", source.parent / "output", *more)


@pytest.mark.parametrize("age", [{"gestational_age": 29.0}, {"clinical": {"GA": 29, "sex": "f"}}])
def test_one_image_gives_a_label_map_and_lengths(tmp_path: Path, call: Calls, source: Path, age: dict) -> None:
    sockets(source, **age)
    assert run(call, source) == 0
    made = {"images/fetal-brain-tissue-segmentation/output.mha", "fetal-brain-biometry.json"}
    assert names(tmp_path / "output") == made
    given = sitk.ReadImage(str(source / f"images/fetal-brain-t2/{UUID}.mha"))
    labels = sitk.ReadImage(str(tmp_path / "output/images/fetal-brain-tissue-segmentation/output.mha"))
    assert labels.GetSize() == given.GetSize()
    for geometry in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert np.array_equal(getattr(labels, geometry)(), getattr(given, geometry)())
    assert 1 < len(np.unique(sitk.GetArrayFromImage(labels))) <= 8
    lengths = json.loads((tmp_path / "output/fetal-brain-biometry.json").read_text())
    assert lengths["GestationalAgeWeeks"] == 29
    assert set(lengths["Lengths"]) == {str(m) for m in MEASUREMENTS}
    assert lengths["Verdict"] == "check"
    assert any("hardly brighter" in line for line in lengths["VerdictReasons"])


def test_sockets_are_named_and_inputs_json_may_be_missing(
    tmp_path: Path, call: Calls, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(call, source, "--map-socket", "seg", "--lengths-socket", "lengths") == 0
    assert names(tmp_path / "output") == {"images/seg/output.mha", "lengths.json"}
    assert "no gestational age among the inputs" in capsys.readouterr().err


@pytest.mark.parametrize("age", [{"gestational_age": 250}, {"gestational_age": 30, "scan_age": 20}])
def test_an_age_that_can_t_be_right_is_a_warning_and_the_job_has_its_results(
    tmp_path: Path, call: Calls, source: Path, age: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    sockets(source, **age)
    assert run(call, source) == 0
    assert "warning" in capsys.readouterr().err
    assert json.loads((tmp_path / "output/fetal-brain-biometry.json").read_text())["GestationalAgeWeeks"] is None


def test_an_image_that_can_t_be_read_fails_the_job_in_a_line(
    tmp_path: Path, call: Calls, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = source / f"images/fetal-brain-t2/{UUID}.mha"
    sheared = b"TransformMatrix = 1 0.3 0 0 1 0 0 0 1\n"
    path.write_bytes(re.sub(rb"TransformMatrix = .*\n", sheared, path.read_bytes()))
    assert run(call, source) == 1
    said = capsys.readouterr().err
    assert "right angles" in said
    assert "Traceback" not in said
    assert names(tmp_path / "output") == set()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("none", "holds no image"),
        ("two", "holds 2 images"),
        ("tif", "but a.tif"),
        ("json", "is not JSON"),
    ],
)
def test_an_input_of_another_kind_is_status_2(
    call: Calls, source: Path, change: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = source / f"images/fetal-brain-t2/{UUID}.mha"
    if change == "two":
        write_mha(source / "images/other/b.mha")
    elif change == "json":
        (source / "inputs.json").write_text("[")
    else:
        path.rename(path.with_name("a.tif")) if change == "tif" else path.unlink()
    assert run(call, source) == 2
    assert said in capsys.readouterr().err


def test_a_socket_names_no_other_folder(call: Calls, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(call, source, "--map-socket", "../../x") == 2
    assert "can't name a socket" in capsys.readouterr().err

"""Settings under the names that they had before, in files and in checkpoints."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import yaml

from feta.errors import FetaError
from feta.settings import read_settings, settings_from
from training.cli import main
from training.commands.common import CONFIGS
from training.data.leakage import check_same, lineage_of
from training.findings.settings import read_findings
from training.synthesis.settings import (
    ArtefactSettings,
    IntensitySettings,
    MaskSettings,
    ScanSettings,
    SpatialSettings,
    SynthesisSettings,
)
from training.tasks.autoencoder import AutoencoderSettings
from training.tasks.brain_extraction import BrainExtractionSettings
from training.tasks.landmark_network import LandmarkSettings
from training.tasks.landmark_samples import SampleSettings
from training.tasks.locator import LocatorSettings
from training.tasks.segmentation import SegmentationSettings

#: Every name of the synthesis as it was, each with a value of its own.
FLAT = """
synthesis:
  size: 24
  spacing: 2.0
  any_turn: 0.01
  turn: 2.0
  shift: 3.0
  zoom: [0.4, 0.5]
  stretch: 0.06
  bend: 7.0
  wrinkle: 8.0
  masked: 0.09
  tight: 0.1
  tight_mm: 11.0
  exact: 0.12
  soft: 0.13
  soft_mm: 14.0
  crowded: 0.15
  crowded_mm: [1.6, 1.7]
  blur: 18.0
  coarse: 19.0
  noise: 20.0
  bias: 21.0
  real: 0.22
  contrasts: [0.23, 0.24]
  regions: 0.25
  region: 0.26
  gin: 0.27
  inverted: 0.28
  artefacts: {motion: 0.29, shift: 30.0, turn: 31.0, slice_turn: 32.0}
"""
SYNTHESIS = SynthesisSettings(
    24,
    2.0,
    SpatialSettings(0.01, 2.0, 3.0, (0.4, 0.5), 0.06, 7.0, 8.0, 0.15, (1.6, 1.7)),
    MaskSettings(0.09, 0.1, 11.0, 0.12, 0.13, 14.0),
    IntensitySettings(0.22, (0.23, 0.24), 0.25, 0.26, 0.27, 0.28),
    ScanSettings(18.0, 19.0, 20.0, 21.0),
    ArtefactSettings(motion=0.29, shift=30.0, rotation=31.0, slice_rotation=32.0),
)
SAMPLES = "samples: {turn: 1.0, own: 0.2, lost: 0.3, taken: 0.4}"


def _write(folder: Path, text: str, name: str = "s.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("kind", [SegmentationSettings, LocatorSettings, BrainExtractionSettings])
def test_a_flat_file_is_read_with_one_warning(tmp_path: Path, kind: type) -> None:
    said = r"s\.yaml: synthesis.any_turn is called synthesis.spatial.any_rotation now, and 26 more have other names$"
    with pytest.warns(FutureWarning, match=said) as caught:
        assert read_settings(kind, _write(tmp_path, FLAT)).synthesis == SYNTHESIS
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)


def test_old_names_lie_over_new_ones(tmp_path: Path) -> None:
    below = _write(tmp_path, "synthesis: {spatial: {rotation: 40.0, shift: 5.0}, mask: {tight: 0.5}}")
    above = _write(tmp_path, "synthesis: {turn: 7.0, tight: 0.6}", "over.yaml")
    with pytest.warns(FutureWarning, match=r"over\.yaml: synthesis.turn .* now, and 1 more"):
        found = read_settings(SegmentationSettings, below, over=[above]).synthesis
    assert found == SynthesisSettings(spatial=SpatialSettings(rotation=7.0, shift=5.0), mask=MaskSettings(tight=0.6))


def test_a_setting_under_both_names_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, "synthesis: {turn: 7.0, spatial: {rotation: 8.0}}")
    with pytest.raises(FetaError, match=r"s\.yaml: synthesis.turn is called synthesis.spatial.rotation now, and both"):
        read_settings(SegmentationSettings, path)


def test_an_old_name_with_a_wrong_value_is_one_clear_line(tmp_path: Path) -> None:
    path = _write(tmp_path, "synthesis: {turn: far}")
    with pytest.warns(FutureWarning), pytest.raises(FetaError, match=r"synthesis.spatial.rotation is 'far'"):
        read_settings(SegmentationSettings, path)


def test_the_landmark_networks_samples_are_read_likewise(tmp_path: Path) -> None:
    wanted = SampleSettings(rotation=1.0, own_contrast=0.2, label_dropout=0.3, label_swap=0.4)
    with pytest.warns(FutureWarning, match="samples.turn is called samples.rotation now, and 3 more"):
        assert read_settings(LandmarkSettings, _write(tmp_path, SAMPLES)).samples == wanted


def test_shipped_files_have_the_names_of_now() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_settings(LandmarkSettings, CONFIGS / "landmarks.yaml")
        read_settings(LocatorSettings, CONFIGS / "locator.yaml")
        read_settings(BrainExtractionSettings, CONFIGS / "extraction.yaml")
        read_settings(AutoencoderSettings, CONFIGS / "autoencoder.yaml")
        over = [*CONFIGS.glob("ablations/*.yaml"), *CONFIGS.glob("across/*.yaml"), CONFIGS / "coarse.yaml"]
        read_findings(CONFIGS / "across" / "findings.yaml")
        for path in (path for path in over if "variants" not in path.stem and path.stem != "findings"):
            read_settings(SegmentationSettings, CONFIGS / "segmentation.yaml", over=[path])


def test_a_checkpoint_with_old_names_is_read_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = settings_from(SegmentationSettings, yaml.safe_load(FLAT), Path("checkpoint.pt"))
    assert found.synthesis == SYNTHESIS


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        (FLAT, SegmentationSettings(synthesis=SYNTHESIS)),
        (SAMPLES, LandmarkSettings(samples=SampleSettings(1.0, own_contrast=0.2, label_dropout=0.3, label_swap=0.4))),
    ],
)
def test_a_run_begun_under_old_names_goes_on(text: str, settings: SegmentationSettings | LandmarkSettings) -> None:
    now = lineage_of(settings)
    (section,) = old = yaml.safe_load(text)
    settled = {name: value for name, value in now["settings"].items() if name != section}
    unchanged = {name: value for name, value in now["settings"][section].items() if not isinstance(value, dict)}
    renamed = {"rotation", "own_contrast", "label_dropout", "label_swap"}
    whole = {name: value for name, value in unchanged.items() if name not in renamed} | old[section]
    if section == "synthesis":
        kept = {name: value for name, value in now["settings"][section]["artefacts"].items() if "rotation" not in name}
        whole["artefacts"] = kept | old[section]["artefacts"]
    begun = {"settings": settled | {section: whole}}
    check_same(Path("x"), {"made_of": begun}, now)
    whole["turn"] = 77.0
    with pytest.raises(FetaError, match=r"was begun with (synthesis.spatial|samples).rotation 77.0 instead of"):
        check_same(Path("x"), {"made_of": begun}, now)


def test_a_run_of_before_there_was_a_norm_to_choose_goes_on_with_that_of_instances() -> None:
    now = lineage_of(SegmentationSettings())
    begun = {"settings": {**now["settings"], "network": {**now["settings"]["network"]}}}
    del begun["settings"]["network"]["norm"]
    check_same(Path("x"), {"made_of": begun}, now)
    now["settings"]["network"]["norm"] = "frozen"
    with pytest.raises(FetaError, match=r"was begun with network\.norm instance instead of frozen"):
        check_same(Path("x"), {"made_of": begun}, now)


def test_old_names_are_one_line_on_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old.yaml").write_text("synthesis: {turn: 10.0, wrinkle: 0.5}\n")
    words = [
        "fit",
        "segmentation",
        str(tmp_path / "missing"),
        str(tmp_path / "run"),
        "--over",
        str(tmp_path / "old.yaml"),
    ]
    monkeypatch.setattr("sys.argv", ["feta-train", *words])
    with pytest.raises(SystemExit):
        main()
    warned, refused = capsys.readouterr().err.splitlines()
    assert warned.startswith("feta-train: ")
    assert "synthesis.spatial.rotation" in warned
    assert "is not a folder" in refused


def test_an_old_name_beside_a_section_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text("synthesis: {turn: 10.0, spatial: 7}\n")
    with pytest.raises(FetaError, match=r"synthesis\.spatial must hold names and values"):
        read_settings(SegmentationSettings, tmp_path / "old.yaml")

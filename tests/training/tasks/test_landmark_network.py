"""Training of the landmark network: samples, loss, and the whole command on a tiny data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import center_of_mass
from typer.testing import CliRunner

from feta.grid import Grid, transformed
from feta.labels import Tissue
from feta.measurements import LANDMARK_LABELS, MEASUREMENTS, Measurement
from feta.volumes import Volume, read_label_map, write_label_map
from inference.biometry.landmark_network import peak
from inference.biometry.line import Line
from inference.networks.weights import load_network, read_model
from tests.support.tiny_subjects import write_balls
from training.cli import app
from training.commands.fit.landmarks import read_landmark_heads
from training.data.expert_landmarks import read_feta_biometry
from training.data.provenance import write_source_subjects
from training.engine.checkpoint import read_checkpoint
from training.tasks.landmark_network import LandmarkSettings, gaussians, landmark_loss
from training.tasks.landmark_samples import LandmarkSample, SampleSettings, draw_sample
from training.tasks.landmark_subjects import LandmarkHead, make_head, measured_heads

LEFT, RIGHT = np.array([-20.0, 4.0, 6.0]), np.array([18.0, -3.0, 9.0])
CLEAN = SampleSettings(clean=1.0, loose_mm=0.5)
TINY = """
network: {inputs: 8, outputs: 10, widths: [4, 4], blocks: [1, 1], heads: 1}
loop: {steps: 2, validate_every: 2, warmup: 1}
"""


def marked_head() -> LandmarkHead:
    """A ball of grey matter, with a small ball of another tissue about each end of bBIP; upright by its header."""
    side, spacing = 80, 1.0
    centre = spacing * (side - 1) / 2
    grid = Grid((side,) * 3, (spacing,) * 3, (centre, centre, -centre), (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
    z, y, x = np.meshgrid(*[np.arange(side) * spacing - centre] * 3, indexing="ij")
    points = np.stack([x, y, z], axis=-1)
    labels = np.where(np.linalg.norm(points, axis=-1) < 36, Tissue.GM, 0).astype(np.uint8)
    labels[np.linalg.norm(points - LEFT, axis=-1) < 6] = Tissue.VM
    labels[np.linalg.norm(points - RIGHT, axis=-1) < 6] = Tissue.CBM
    image = np.array([0, 0, 300, 0, 900, 200, 0, 0], np.float32)[labels]
    to_upright = np.diag([-1.0, -1.0, 1.0, 1.0])
    start, end = (transformed(to_upright, p[None])[0] for p in (RIGHT, LEFT))
    line = Line(tuple(start), tuple(end))  # the wrong way round
    return make_head("ball", Volume(image, grid), Volume(labels, grid), {Measurement.BBIP: line}, to_upright)


HEAD = marked_head()


def write_measured(root: Path, names: tuple[str, ...]) -> Path:
    """Balls with landmark images in the challenge's layout."""
    write_balls(root, names)
    for name in names:
        labels = read_label_map(root / name / "anat" / f"{name}_rec-x_T2w_dseg.nii.gz")
        marks = np.zeros_like(labels.array)
        for k, measurement in enumerate(MEASUREMENTS):
            marks[20, 20 + k, 12 - k] = marks[20, 20 + k, 27 + k] = LANDMARK_LABELS[measurement]
        folder = root / "derivatives" / "biometry" / name / "anat"
        folder.mkdir(parents=True)
        write_label_map(folder / f"{name}_rec-x_meas.nii.gz", Volume(marks, labels.grid))
    return root


@pytest.mark.parametrize("seed", range(6))
def test_landmarks_are_carried_along_with_the_head(seed: int) -> None:
    sample = draw_sample(HEAD, CLEAN, seed)
    k = 2 * MEASUREMENTS.index(Measurement.BBIP)
    marks = [center_of_mass(sample.channels[t].numpy())[::-1] for t in (Tissue.VM, Tissue.CBM)]
    # Mirrored or not, the first is the one with the smaller x.
    expected = sorted(marks, key=lambda place: place[0])
    assert sample.ends[k : k + 2].numpy() == pytest.approx(np.array(expected), abs=0.25)


def test_unknown_landmarks_stay_unknown() -> None:
    k = 2 * MEASUREMENTS.index(Measurement.BBIP)
    known = torch.isfinite(draw_sample(HEAD, CLEAN, 1).ends).all(1)
    assert known.nonzero().flatten().tolist() == [k, k + 1]


def test_a_sample_is_a_function_of_its_seed() -> None:
    first, again, other = (draw_sample(HEAD, SampleSettings(), seed) for seed in (5, 5, 6))
    assert torch.equal(first.channels, again.channels)
    assert not torch.equal(first.channels, other.channels)


def test_labels_are_corrupted_and_landmarks_are_not() -> None:
    corrupted = draw_sample(HEAD, SampleSettings(clean=0.0, warp=1.5, doubt=3.0), 3)
    true = draw_sample(HEAD, SampleSettings(clean=1.0, warp=1.5, doubt=3.0), 3)
    # The mirror is drawn after the corruption, and may differ.
    apart, as_true = ((e.ends[1::2] - e.ends[::2]).norm(dim=1).nansum() for e in (corrupted, true))
    assert apart == pytest.approx(float(as_true), rel=1e-5)
    assert (corrupted.channels[1:] - true.channels[1:]).abs().max() > 0.3


def a_sample() -> LandmarkSample:
    ends = torch.tensor([[20.0 + k, 30.5 - k, 25.25] for k in range(10)])
    return LandmarkSample(torch.zeros(8, 1, 1, 1), ends, 1.5)


def test_the_loss_is_least_where_the_peaks_are_right() -> None:
    sample, settings = a_sample(), LandmarkSettings()
    right, wrong = (torch.log(gaussians(sample.ends + shift) + 1e-9) for shift in (0.0, 1.0))
    for settled in (False, True):
        assert landmark_loss(right, sample, settings, settled) < landmark_loss(wrong, sample, settings, settled)


def test_unknown_landmarks_cost_nothing() -> None:
    sample, settings = a_sample(), LandmarkSettings()
    ends = sample.ends.clone()
    ends[2:4] = torch.nan
    logits = torch.log(gaussians(sample.ends) + 1e-9)
    changed = logits.clone()
    changed[2:4] = torch.randn_like(changed[2:4])
    partly = LandmarkSample(sample.channels, ends, 1.5)
    assert landmark_loss(logits, partly, settings, True) == landmark_loss(changed, partly, settings, True)


def test_gaussians_peak_at_their_landmarks() -> None:
    ends = a_sample().ends
    found = torch.stack([peak(torch.log(heat + 1e-12)) for heat in gaussians(ends)])
    assert found.numpy() == pytest.approx(ends.numpy(), abs=0.05)


def test_a_measured_head_has_the_landmarks_of_its_image(tmp_path: Path) -> None:
    root = write_measured(tmp_path, ("sub-1",))
    (head,) = measured_heads(root, None)
    (case,) = read_feta_biometry(root)
    lengths = np.linalg.norm(head.ends[1::2] - head.ends[::2], axis=1)
    assert lengths == pytest.approx([case.lines[m].length for m in MEASUREMENTS], rel=1e-5)


def test_the_command_trains_and_exports_a_network_that_loads(tmp_path: Path) -> None:
    atlases = write_balls(tmp_path / "atlases", ("sub-crl21", "sub-crl24"))
    measured = write_measured(tmp_path / "measured", ("sub-1",))
    config, weights = tmp_path / "tiny.yaml", tmp_path / "weights"
    config.write_text(TINY)
    weights.mkdir()
    run = [
        "fit",
        "landmarks",
        str(atlases),
        str(tmp_path / "run"),
        "--measured",
        str(measured),
        "--config",
        str(config),
    ]
    write_source_subjects(measured / "sub-1" / "anat" / "sub-1_T2w.nii.gz", ["sub-z"])
    assert CliRunner().invoke(app, [*run, "--threads", "1"], catch_exceptions=False).exit_code == 0
    made_of = read_checkpoint(tmp_path / "run" / "checkpoint.pt")["made_of"]
    assert (made_of["measured"], made_of["origins"]) == (["sub-1"], ["sub-z"])
    export = ["export", "landmarks", str(weights), str(tmp_path / "run")]
    assert CliRunner().invoke(app, export, catch_exceptions=False).exit_code == 0
    text = (weights / "model.yaml").read_text()
    shipped = (Path(__file__).parents[3] / "weights" / "model.yaml").read_text()
    (weights / "model.yaml").write_text(shipped.split("landmarks:")[0] + text)
    entry = read_model(weights).landmarks
    assert entry is not None
    assert load_network(entry)(torch.zeros(1, 8, 16, 16, 16)).shape == (1, 10, 16, 16, 16)


def _names(heads: list[LandmarkHead]) -> list[str]:
    return sorted(head.subject for head in heads)


def test_measured_images_of_held_out_subjects_are_validated_on_whatever_folder_they_are_in(tmp_path: Path) -> None:
    atlases = write_balls(tmp_path / "atlases", ("sub-crl21", "sub-crl24"))
    first = write_measured(tmp_path / "first", ("sub-crl24", "sub-x1"))
    second = write_measured(tmp_path / "second", tuple(f"sub-y{i:02d}" for i in range(13)))
    write_source_subjects(second / "sub-y03" / "anat" / "sub-y03_T2w.nii.gz", ["sub-crl24"])
    write_source_subjects(second / "sub-y04" / "anat" / "sub-y04_T2w.nii.gz", ["sub-crl21"])
    heads = read_landmark_heads(atlases, [first, second], None, ("sub-crl24",))
    # Every twelfth subject by name is kept, beside the one that is held out.
    assert set(_names(heads.validation)) == {"sub-crl24", "sub-y09"}
    learned = {*_names(heads.defined), *_names(heads.measured)}
    assert learned.isdisjoint(_names(heads.validation))
    assert "sub-y03" not in learned
    assert {"sub-y04", "sub-x1", "sub-y02"} <= learned
    assert {name for head in heads.measured for name in head.source_subjects} == {"sub-crl21"}


def test_all_images_of_a_subject_are_on_one_side(tmp_path: Path) -> None:
    names = tuple(f"sub-y{i:02d}" for i in range(12))
    folders = [write_measured(tmp_path / folder, names) for folder in ("one", "two")]
    heads = read_landmark_heads(write_balls(tmp_path / "atlases", ("sub-crl21",)), folders, None, ("sub-crl24",))
    assert _names(heads.validation) == ["sub-y11", "sub-y11"]
    assert len(heads.measured) == 22


def test_whoever_holds_nobody_out_learns_from_all(tmp_path: Path) -> None:
    measured = write_measured(tmp_path / "one", tuple(f"sub-y{i:02d}" for i in range(12)))
    heads = read_landmark_heads(write_balls(tmp_path / "atlases", ("sub-crl24",)), [measured], None, ())
    assert (len(heads.defined), len(heads.measured), len(heads.validation)) == (1, 12, 0)

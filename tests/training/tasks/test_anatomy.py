"""The learned anatomy: its frame, its file, and that it learns."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from feta.age_model import PUBLISHED_CURVES
from feta.errors import FetaError
from feta.grid import Grid
from feta.labels import Tissue
from feta.measurements import Measurement
from feta.volumes import Volume, write_label_map, write_volume
from inference.networks.weights import ship
from training.anatomy.decoder import AnatomyNetwork, AnatomySettings
from training.anatomy.model import Anatomy
from training.anatomy.normalised_frame import GRID, SizeModel, cerebral_box, fit_sizes, norm_scale, to_canonical
from training.anatomy.template import CALLOSUM, CHANNELS, tissue_of
from training.commands.fit.anatomy import anatomy
from training.data.provenance import write_source_subjects
from training.engine.checkpoint import read_checkpoint
from training.engine.optimisers import LoopSettings
from training.tasks.anatomy import AnatomyModel, AnatomyRunSettings, AnatomyTask, nearby_maximum, train_anatomy
from training.tasks.anatomy_reproduction import write_reproduction
from training.tasks.atlases import read_atlases

TINY = AnatomySettings(latent=2, code=8, widths=(8, 4, 4, 4, 4), bases=(2,), basis_widths=(8,))
SIZES = SizeModel([[[0.0, 0.05, 3.5], [0.0, 0.05, 3.8], [0.0, 0.05, 3.3]]] * 2)


def _anatomy() -> Anatomy:
    torch.manual_seed(0)
    latents = {"sub-a": np.float32([0.5, -0.25]), "sub-b": np.float32([-0.5, 0.75])}
    return Anatomy(AnatomyNetwork(TINY).eval(), SIZES, latents, frozenset({"sub-a", "sub-b", "sub-c"}))


def _ball(size: int = 48, radius: float = 14.0) -> np.ndarray:
    z, y, x = np.ogrid[:size, :size, :size]
    distance = np.sqrt((z - 23.5) ** 2 + (y - 23.5) ** 2 + (x - 23.5) ** 2)
    labels = np.zeros((size,) * 3, np.uint8)
    for reach, tissue in ((radius + 3, Tissue.ECSF), (radius, Tissue.GM), (radius - 3, Tissue.WM)):
        labels[distance <= reach] = tissue
    labels[distance <= 4] = Tissue.VM
    return labels


def _grid() -> Grid:
    # RAS axes, the middle of the box at the origin.
    return Grid((48,) * 3, (2.0,) * 3, (47.0, 47.0, -47.0), (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))


@pytest.fixture
def atlases(tmp_path: Path) -> Path:
    root = tmp_path / "atlases"
    for name, radius in (("sub-a", 12.0), ("sub-b", 14.0), ("sub-c", 16.0)):
        folder = root / name / "anat"
        folder.mkdir(parents=True)
        labels = _ball(radius=radius)
        image = np.where(labels > 0, labels * 100.0, 0).astype(np.float32)
        write_volume(folder / f"{name}_T2w.nii.gz", Volume(image, _grid()))
        write_label_map(folder / f"{name}_T2w_dseg.nii.gz", Volume(labels, _grid()))
    table = "participant_id\tPathology\tGestational age\nsub-a\tNeurotypical\t24\nsub-b\tNeurotypical\t28\n"
    (root / "participants.tsv").write_text(table + "sub-c\tPathological\t32\n")
    return root


def test_the_box_of_a_ball_is_its_radius_and_centre() -> None:
    to_ras = np.diag([2.0, 2.0, 2.0, 1.0])
    centre, half = cerebral_box(_ball(), to_ras)
    np.testing.assert_allclose(centre, [47.0] * 3, atol=1e-6)
    np.testing.assert_allclose(half, [28.0] * 3, rtol=0.08)


def test_fluid_and_cerebellum_do_not_move_the_box() -> None:
    labels = _ball()
    _, before = cerebral_box(labels, np.eye(4))
    labels[:6] = Tissue.CBM
    labels[:, :3] = Tissue.ECSF
    np.testing.assert_allclose(cerebral_box(labels, np.eye(4))[1], before)


@given(st.floats(20.5, 37.5))
def test_sizes_that_follow_a_quadratic_are_found_again(age: float) -> None:
    ages = np.linspace(21, 38, 12)
    halves = np.exp(3.5 + 0.05 * (ages - 30) - 0.002 * (ages - 30) ** 2)[:, None] * np.array([1.0, 1.3, 0.9])
    model = fit_sizes(ages, np.arange(12) % 2 == 1, halves)
    expected = math.exp(3.5 + 0.05 * (age - 30) - 0.002 * (age - 30) ** 2) * np.array([1.0, 1.3, 0.9])
    np.testing.assert_allclose(model.half(age, 0.0), expected, rtol=1e-3)
    np.testing.assert_allclose(model.half(age, 1.0), expected, rtol=1e-3)


@given(st.floats(21, 38))
def test_width_at_the_published_size_is_the_curves(age: float) -> None:
    width = 2 * (SIZES.half(age, 0.0) * norm_scale(SIZES, age))[0]
    assert width == pytest.approx(PUBLISHED_CURVES[Measurement.BBIP].mean(age))


def test_the_grid_spans_the_cerebrum() -> None:
    half = np.array([30.0, 40.0, 25.0])
    ends = to_canonical(half) @ np.array([[0, GRID[2] - 1], [0, GRID[1] - 1], [0, GRID[0] - 1], [1, 1]])
    assert (ends[:3, 0] < -1.2 * half).all()
    assert (ends[:3, 1] > 1.2 * half).all()


def test_a_saved_anatomy_is_the_same_anatomy(tmp_path: Path) -> None:
    anatomy = _anatomy()
    (tmp_path / "a.safetensors").write_bytes(anatomy.packed("a.safetensors", TINY)[0])
    loaded = Anatomy.load(tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_bytes(loaded.packed("b.safetensors", TINY)[0])
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    first, second = anatomy(27.3, 0.4), loaded(27.3, 0.4)
    np.testing.assert_allclose(first.scores, second.scores, atol=0.05)
    np.testing.assert_array_equal(loaded.latents["sub-a"], [0.5, -0.25])
    assert loaded.known == {"sub-a", "sub-b", "sub-c"}


def test_another_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    with pytest.raises(FetaError, match="not a learned anatomy"):
        Anatomy.load(tmp_path / "x")
    with pytest.raises(FetaError, match="cannot be read"):
        Anatomy.load(tmp_path / "missing")


@pytest.mark.parametrize(("age", "pathology"), [(20.0, 0.0), (38.0, 1.0)])
def test_a_brain_is_drawn_at_every_age(age: float, pathology: float) -> None:
    template = _anatomy()(age, pathology)
    assert template.scores.shape == (CHANNELS, *GRID)
    assert torch.isfinite(template.scores).all()
    # The middle of the cerebrum is the origin.
    np.testing.assert_allclose((template.to_index @ [0, 0, 0, 1])[0], (GRID[2] - 1) / 2)


def test_age_pathology_and_code_each_change_the_brain() -> None:
    anatomy = _anatomy()
    plain = anatomy(27.0, 0.0).scores
    for other in (anatomy(29.0, 0.0), anatomy(27.0, 1.0), anatomy(27.0, 0.0, np.array([1.0, 0.0]))):
        assert not torch.equal(plain, other.scores)


def test_the_callosum_is_white_matter_in_a_label_map() -> None:
    np.testing.assert_array_equal(tissue_of(np.array([0, 3, CALLOSUM, 7], np.uint8)), [0, 3, 3, 7])


def test_atlases_fill_the_frame_alike(atlases: Path) -> None:
    first, second, third = read_atlases(atlases)
    assert [first.age, second.age, third.age] == [24, 28, 32]
    assert [a.pathological for a in (first, second, third)] == [False, False, True]
    np.testing.assert_allclose(third.half / first.half, 16 / 12, rtol=0.06)
    for atlas in (first, second, third):
        torch.testing.assert_close(atlas.fractions.float().sum(0), torch.ones(GRID), atol=2e-3, rtol=0)


def test_a_subject_without_an_age_is_named(atlases: Path) -> None:
    (atlases / "participants.tsv").write_text("participant_id\tGestational age\nsub-a\t24\n")
    with pytest.raises(FetaError, match="no age for sub-b"):
        read_atlases(atlases)


def test_a_run_leaves_a_log_a_model_and_a_reproduction(atlases: Path, tmp_path: Path) -> None:
    run = AnatomyRunSettings(network=TINY, loop=LoopSettings(steps=2, warmup=1, learning_rate=0.02))
    losses: list[str] = []
    model = train_anatomy(atlases, ("sub-b",), run, tmp_path / "run", losses.append)
    assert set(model.latents) == {"sub-a", "sub-c"}
    log = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert log[0].startswith("step,minutes,loss,dice,ecsf")
    lines = write_reproduction(model, atlases, ("sub-b",), tmp_path / "r.csv")
    assert len(lines) == 1
    assert lines[0].startswith("sub-b: mean Dice")
    assert (tmp_path / "r.csv").read_text().startswith("subject,label,dice\nsub-b,ecsf,")


def test_what_was_made_of_an_atlas_that_is_left_out_is_not_learned(atlases: Path, tmp_path: Path) -> None:
    write_source_subjects(atlases / "sub-c" / "anat" / "sub-c_T2w.nii.gz", ["sub-b", "sub-x"])
    write_source_subjects(atlases / "sub-a" / "anat" / "sub-a_T2w.nii.gz", ["sub-y"])
    run = AnatomyRunSettings(network=TINY, loop=LoopSettings(steps=1))
    model = train_anatomy(atlases, ("sub-b",), run, tmp_path / "run", lambda line: None)
    assert set(model.latents) == {"sub-a"}
    assert model.known == {"sub-a", "sub-y"}
    assert read_checkpoint(tmp_path / "run" / "checkpoint.pt")["made_of"]["held_out"] == ["sub-b"]


def test_of_one_group_alone_nothing_of_the_other_is_learned_or_reproduced(atlases: Path, tmp_path: Path) -> None:
    write_source_subjects(atlases / "sub-a" / "anat" / "sub-a_T2w.nii.gz", ["sub-c"])
    run = AnatomyRunSettings(network=TINY, loop=LoopSettings(steps=1))
    model = train_anatomy(atlases, (), run, tmp_path / "run", lambda line: None, only="sub-[ab]")
    assert set(model.latents) == {"sub-b"}  # sub-a was made of sub-c
    assert model.known == {"sub-b"}
    assert read_checkpoint(tmp_path / "run" / "checkpoint.pt")["made_of"]["held_out"] == ["sub-c"]


def test_a_run_is_resumed_as_it_was_begun_and_not_with_others(atlases: Path, tmp_path: Path) -> None:
    run = AnatomyRunSettings(network=TINY, loop=LoopSettings(steps=1))
    train_anatomy(atlases, (), run, tmp_path / "run", lambda line: None, only="sub-a")
    for other in ("sub-[ab]", "*"):
        with pytest.raises(FetaError, match=r"was begun with other (held_out|training) subjects \(such as sub-b\)"):
            train_anatomy(atlases, (), run, tmp_path / "run", lambda line: None, only=other)
    lines: list[str] = []
    longer = replace(run, loop=LoopSettings(steps=2))
    assert set(train_anatomy(atlases, (), longer, tmp_path / "run", lines.append, only="sub-a").latents) == {"sub-a"}
    assert lines[0].startswith("resumed at step 1")


def test_a_pattern_that_fits_no_atlas_is_one_line(atlases: Path, tmp_path: Path) -> None:
    with pytest.raises(FetaError, match="no atlas to train on whose name fits --only 'sub-z'"):
        train_anatomy(atlases, (), AnatomyRunSettings(network=TINY), tmp_path / "run", print, only="sub-z")


def test_where_all_are_held_out_no_pattern_is_blamed(atlases: Path, tmp_path: Path) -> None:
    held_out = ("sub-a", "sub-b", "sub-c")
    with pytest.raises(FetaError, match="holds no atlas to train on: all are held out"):
        train_anatomy(atlases, held_out, AnatomyRunSettings(network=TINY), tmp_path / "run", print)


@pytest.mark.parametrize("name", ["model.yaml", "segmentation.safetensors", "landmarks.safetensors"])
def test_an_anatomy_takes_no_other_files_name(atlases: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(FetaError, match="no name for an anatomy"):
        anatomy(atlases, tmp_path / "run", out=tmp_path / name)


@pytest.mark.parametrize("broken", ["index", "file"])
def test_what_cannot_be_written_is_said_before_training(atlases: Path, tmp_path: Path, broken: str) -> None:
    (tmp_path / "w").mkdir()
    if broken == "index":
        (tmp_path / "w" / "model.yaml").write_text("a: [")
    else:
        (tmp_path / "w" / "a.safetensors").mkdir()
    with pytest.raises(FetaError, match=r"not a valid description|is a folder"):
        anatomy(atlases, tmp_path / "run", out=tmp_path / "w" / "a.safetensors")
    assert not (tmp_path / "run").exists()


def test_steps_towards_an_atlas_lower_its_loss(atlases: Path) -> None:
    torch.manual_seed(0)
    task = AnatomyTask(read_atlases(atlases)[:1], [], AnatomyRunSettings(network=TINY))
    model = AnatomyModel(TINY, 3)
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    losses = []
    for step in range(5):
        loss = task.loss(model, [step], 0.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.95 * losses[0]


def test_one_axis_after_the_other_finds_the_greatest_of_the_whole_neighbourhood() -> None:
    array = torch.rand(9, 12, 7, generator=torch.Generator().manual_seed(0)) - 0.5
    expected = torch.nn.functional.max_pool3d(array[None, None], 5, stride=1, padding=2)[0, 0]
    assert torch.equal(nearby_maximum(array, 2), expected)


def test_a_run_starts_from_anothers_weights(atlases: Path, tmp_path: Path) -> None:
    quick = AnatomyRunSettings(network=TINY, loop=LoopSettings(steps=1, learning_rate=1e-3))
    still = AnatomyRunSettings(network=TINY, loop=LoopSettings(steps=1, learning_rate=0.0, seed=5))
    first = train_anatomy(atlases, (), quick, tmp_path / "one", lambda line: None)
    second = train_anatomy(atlases, (), still, tmp_path / "two", lambda line: None, tmp_path / "one")
    for a, b in zip(first.network.parameters(), second.network.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    data, entry = _anatomy().packed(path.name, TINY)
    ship(tmp_path, {path.name: data}, {"a": entry})
    assert Anatomy.load(path).latents
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(FetaError, match="damaged or another version"):
        Anatomy.load(path)

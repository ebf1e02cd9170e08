"""Real stacks around training heads: shown only where they may be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from feta.errors import FetaError
from feta.grid import Grid
from feta.volumes import Volume, write_volume
from training.commands.common import CONFIGS
from training.imaging.random_source import RandomSource
from training.synthesis.real_surroundings import (
    BEGINS_MM,
    BRIGHTEST,
    FLUID,
    NO_SIGNAL,
    RealStack,
    StackList,
    read_stacks,
    with_real_surroundings,
)

SIDE, SPACING, HEAD, RADIUS = 40, 4.0, (18.0, 21.0, 19.0), 30.0
#: What no painted head and no stack has.
PAINTED, OWN_HEAD = 90.0, 60000.0


def stack_file(folder: Path, head: tuple[float, float, float] = HEAD) -> Path:
    """A stack of fluid whose own head has an intensity of its own; and a list that names it."""
    z, y, x = np.indices((SIDE,) * 3)
    gone = SPACING * np.sqrt((x - HEAD[0]) ** 2 + (y - HEAD[1]) ** 2 + (z - HEAD[2]) ** 2)
    array = np.where(gone < RADIUS - 2 * SPACING, OWN_HEAD, 100.0).astype(np.float32)
    grid = Grid((SIDE,) * 3, (SPACING,) * 3, (5.0, -7.0, 30.0), (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
    write_volume(folder / "a.nii.gz", Volume(array, grid))
    listed = {"stacks": [{"file": "a.nii.gz", "head": list(head), "radius": RADIUS}]}
    (folder / "list.yaml").write_text(yaml.safe_dump(listed))
    return folder / "list.yaml"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> RealStack:
    folder = tmp_path_factory.mktemp("stacks")
    return read_stacks(folder, stack_file(folder))[0]


@pytest.fixture(scope="module")
def place() -> torch.Tensor:
    along = torch.linspace(-60, 60, 21)
    return torch.stack(torch.meshgrid(along, along, along, indexing="ij")[::-1], dim=-1)


def around(
    stack: RealStack, place: torch.Tensor, seed: int, painted: float = PAINTED
) -> tuple[torch.Tensor, torch.Tensor]:
    """A head of radius 30 mm with the stack around it, and the distance outside of it."""
    distance = (place.norm(dim=-1) - 30).clamp_min(0)
    image = torch.full(place.shape[:3], painted)
    return with_real_surroundings(RandomSource(seed), [stack], image, distance, place), distance


def test_the_head_lies_in_the_middle_of_the_frame(stack: RealStack) -> None:
    assert stack.to_index @ [0, 0, 0, 1] == pytest.approx([*HEAD, 1])


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_nothing_changes_within_the_scalp(stack: RealStack, place: torch.Tensor, seed: int) -> None:
    made, distance = around(stack, place, seed)
    assert bool((made[distance <= BEGINS_MM[0]] == PAINTED).all())


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_the_stacks_own_head_is_never_seen(stack: RealStack, place: torch.Tensor, seed: int) -> None:
    # It is by far the brightest: all else in the stack, and what is painted here, is next to no signal.
    made, _ = around(stack, place, seed, painted=NO_SIGNAL)
    assert float(made.max()) < NO_SIGNAL + 0.1


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_where_the_stack_ends_what_is_painted_stays(stack: RealStack, place: torch.Tensor, seed: int) -> None:
    made, _ = around(stack, 20 * place, seed)
    beyond = place.norm(dim=-1) * 20 > SIDE * SPACING * 2
    assert bool((made[beyond] == PAINTED).all())


def test_most_of_what_is_far_is_real_somewhere(stack: RealStack, place: torch.Tensor) -> None:
    shares = [float((around(stack, place, seed)[0] != PAINTED).float().mean()) for seed in range(10)]
    assert max(shares) > 0.3


def test_intensities_run_from_air_to_what_coils_make_brightest(stack: RealStack) -> None:
    assert float(stack.image.min()) >= NO_SIGNAL
    assert float(stack.image.max()) <= NO_SIGNAL + BRIGHTEST * (FLUID - NO_SIGNAL) + 1e-2


def test_a_sample_is_a_function_of_its_seed(stack: RealStack, place: torch.Tensor) -> None:
    assert torch.equal(around(stack, place, 5)[0], around(stack, place, 5)[0])


def test_a_head_outside_of_its_stack_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match=r"a.nii.gz: has its head at voxel .*correct the list"):
        read_stacks(tmp_path, stack_file(tmp_path, head=(18.0, 21.0, 99.0)))


def test_a_stack_that_is_missing_is_one_line(tmp_path: Path) -> None:
    listed = stack_file(tmp_path)
    (tmp_path / "a.nii.gz").unlink()
    with pytest.raises(FetaError, match=r"a.nii.gz"):
        read_stacks(tmp_path, listed)


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(ValueError, match="names no stacks"):
        StackList(())


def test_our_list_is_read() -> None:
    from feta.settings import read_settings

    assert len(read_settings(StackList, CONFIGS / "surroundings.yaml").stacks) == 2

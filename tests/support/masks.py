"""Masks that are hard to get right: borders, touching corners, nested cavities, tori, noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

Mask = npt.NDArray[np.bool_]


def torus(size: int = 15, ring: float = 4.5, tube: float = 1.6) -> Mask:
    """One component with one loop."""
    z, y, x = np.indices((7, size, size)) - np.array([3, size // 2, size // 2])[:, None, None, None]
    return (np.hypot(y, x) - ring) ** 2 + z**2 < tube**2


def shells(count: int = 3) -> Mask:
    """Nested hollow cubes: ``count`` components, ``count`` cavities."""
    size = 4 * count + 1
    distance = np.abs(np.indices((size,) * 3) - size // 2).max(axis=0)
    return (distance % 2 == 0) & (distance > 0) & (distance <= 2 * count)


def touching(offset: tuple[int, int, int]) -> Mask:
    """Two voxels that touch by face, edge or corner, one of them on the border."""
    mask = np.zeros((2, 2, 2), dtype=bool)
    mask[0, 0, 0] = mask[offset] = True
    return mask


NAMED: dict[str, Mask] = {
    "empty": np.zeros((3, 4, 5), dtype=bool),
    "full": np.ones((3, 4, 5), dtype=bool),
    "voxel": np.ones((1, 1, 1), dtype=bool),
    "line": np.ones((1, 1, 9), dtype=bool),
    "sheet": np.ones((1, 6, 5), dtype=bool),
    "cube": np.pad(np.ones((4, 4, 4), dtype=bool), 2),
    "torus": torus(),
    "shells": shells(),
    "edge": touching((0, 1, 1)),
    "corner": touching((1, 1, 1)),
    "holes touching by an edge": ~np.pad(touching((0, 1, 1)), 2),
    "holes touching by a corner": ~np.pad(touching((1, 1, 1)), 2),
    "checkerboard": np.indices((5, 5, 5)).sum(axis=0) % 2 == 0,
    "frame": np.pad(np.zeros((1, 3, 3), dtype=bool), ((0, 0), (1, 1), (1, 1)), constant_values=True),
}


@st.composite
def masks(draw: st.DrawFn, longest: int = 8) -> Mask:
    """Noise of any density, sometimes made of blocks, at any place in its volume."""
    shape = draw(st.tuples(*[st.integers(1, longest)] * 3))
    density = draw(st.sampled_from([0.03, 0.2, 0.5, 0.8, 0.97]))
    seed = draw(st.integers(0, 2**32 - 1))
    mask = np.random.default_rng(seed).random(shape) < density
    if draw(st.booleans()):
        mask = np.repeat(mask, draw(st.integers(1, 3)), axis=draw(st.integers(0, 2)))
    if draw(st.booleans()):
        mask = np.pad(mask, 1, constant_values=draw(st.booleans()))
    return mask


spacings = st.one_of(
    st.sampled_from([(1.0, 1.0, 1.0), (0.5, 0.5, 0.5), (0.8, 0.8, 0.8), (1.125, 0.5, 0.5)]),
    st.tuples(*[st.floats(0.3, 3.0)] * 3),
)

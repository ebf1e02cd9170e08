"""What lies on the corners between voxels: surface elements and shares of the Euler characteristic.

A corner of the lattice has eight voxels around it. Which of them are inside a
mask is its *code* (0–255): voxel (dz, dy, dx) has the bit ``128 >> (4dz + 2dy + dx)``.
A corner whose code is neither 0 nor 255 is a surface element.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

#: Pieces of surface, by the part (in eighths) of the voxel's faces normal to z, y and x that each covers.
_PIECES = {
    "a": (1, 1, 1), "b": (2, 2, 2), "c": (3, 3, 3),
    "x": (4, 0, 0), "y": (0, 4, 0), "z": (0, 0, 4),
    "p": (2, 2, 0), "q": (2, 0, 2), "r": (0, 2, 2),
}  # fmt: skip
#: The pieces that DeepMind's ``surface_distance`` (its marching-cubes table) gives to codes 0–127; code 255 − c has
#: those of c. Their order matters: areas are added up in it, and agree to the last bit.
_PIECES_OF_CODE = """
- a a pp a qq aa xba a aa qq xba pp xba xba xx a rr aa yba aa zba aaa abba aa rra qqa acrq app crap xaba xab a
aa rr yab aa aqq rra craq aa aaa zba bbaa app xbaa rcap xba pp yba yab yy ppa cqap ayba yba app ybaa cpaq yba
pppp ppa app pp a aa aa app rr zba rra crap aa aaa aqq xbaa yba bbaa qcra xba qq zba aqq qcpa zba zz aabz abz
qqa zbaa qqqq aqq qcpa zba aqq qq aa aaa arr yaba rra zbaa rrrr rra aaa aaaa zbaa aaa ybaa aaa rra aa xba baba
craq yba cpra abz arr rr xbaa aaa qqa aa ppa aa aa a
"""


#: What one map may cost: a label with more surface elements than these, and than so many times those of the true label,
#: is noise. Its elements are counted, and not kept.
ALWAYS_KEPT, TIMES_THE_TRUTH = 1_000_000, 4


@dataclass(frozen=True)
class Surface:
    """The surface elements of one mask.

    Attributes:
        positions: (3, N) int32, corner indices (z, y, x) in the image's lattice, in rising lexicographic order;
            corner i lies between voxels i − 1 and i.
        codes: (N,) uint8.
        left_out: how many elements there are where they are too many to be kept; 0 where all are.
    """

    positions: npt.NDArray[np.int32]
    codes: npt.NDArray[np.uint8]
    left_out: int = 0

    @property
    def count(self) -> int:
        """How many elements there are."""
        return self.left_out or self.codes.size

    @property
    def empty(self) -> bool:
        """Whether the mask is empty (a mask with a voxel has corners)."""
        return self.count == 0


def too_many(count: int) -> Surface:
    """The surface of a mask whose elements are too many to be kept."""
    return Surface(np.empty((3, 0), np.int32), np.empty(0, np.uint8), count)


def most_elements(truth: tuple[Surface, ...]) -> npt.NDArray[np.int64]:
    """How many elements each label of a prediction may have, (7,).

    Args:
        truth: the surfaces of the true labels.
    """
    return np.maximum(ALWAYS_KEPT, [TIMES_THE_TRUTH * surface.count for surface in truth])


@lru_cache(maxsize=64)
def area_table(spacing: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    """Area (mm²) of a surface element by its code, as in ``surface_distance``, (256,) float64.

    Args:
        spacing: mm along (z, y, x).
    """
    sz, sy, sx = spacing
    areas = {
        piece: np.linalg.norm(np.array([nz / 8 * sy * sx, ny / 8 * sz * sx, nx / 8 * sz * sy]))
        for piece, (nz, ny, nx) in _PIECES.items()
    }
    half = [sum(areas[piece] for piece in pieces if piece != "-") for pieces in _PIECES_OF_CODE.split()]
    table = np.array([*half, *reversed(half)], dtype=np.float64)
    table.setflags(write=False)
    return table


@lru_cache(maxsize=1)
def euler_table() -> npt.NDArray[np.int64]:
    """Eight times a corner's share of χ = V − E + F − C, (256,) int64, for a 6-connected foreground.

    Voxels are vertices, face neighbours edges, 2×2 squares faces and 2×2×2 cubes
    cells; a corner has a share of 1/8 in each vertex, 1/4 in each edge, 1/2 in
    each face around it, and its cube to itself.
    """
    table = np.zeros(256, dtype=np.int64)
    for code in range(256):
        cube = np.unpackbits(np.array([code], dtype=np.uint8)).reshape(2, 2, 2).astype(bool)
        for axes in range(8):
            reduced: npt.NDArray[np.bool_] = cube
            for axis in (a for a in range(3) if axes >> a & 1):
                reduced = np.all(reduced, axis=axis, keepdims=True)
            dimension = axes.bit_count()
            table[code] += (-1) ** dimension * 2**dimension * int(reduced.sum())
    table.setflags(write=False)
    return table


def euler_characteristic(surface: Surface) -> int:
    """χ of the mask a surface belongs to (0 for an empty mask)."""
    eighths = int((np.bincount(surface.codes, minlength=256) * euler_table()).sum())
    return eighths // 8

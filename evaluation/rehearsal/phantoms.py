"""Three brains of ellipsoids, to rehearse with where there is no other volume: seven tissues of the right topology.

They have the size of a fetus's brain and a T2w volume's contrast, and no more likeness to one: good for finding out
whether an image runs, not how well it segments.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from feta.files import write_atomically
from feta.grid import Grid
from feta.labels import Tissue
from feta.volumes import Volume, write_label_map, write_volume

#: Weeks of gestation → size, as a part of the largest.
SIZES = {22.0: 0.62, 28.0: 0.82, 34.0: 1.0}
#: Half-axes (x, y, z) of the outer CSF of the largest, mm.
HEAD_MM = (44.0, 54.0, 44.0)
VOXEL_MM, _MARGIN_MM = 0.8, 6.0
#: Signal of each tissue in a T2w volume, by its look: fluid is bright, the unmyelinated white matter brighter than the
#: cortex.
SIGNAL = {
    Tissue.ECSF: 950.0, Tissue.GM: 520.0, Tissue.WM: 700.0, Tissue.VM: 1000.0, Tissue.CBM: 480.0, Tissue.SGM: 500.0,
    Tissue.BSM: 540.0,
}  # fmt: skip
_NOISE, _BLUR_VOXELS, _SEED = 12.0, 0.6, 20260401
#: Brain, and white matter within it, as parts of the head; the gap between the hemispheres, and the brainstem's radius.
_BRAIN, _WHITE, _GAP, _STEM = 0.90, 0.76, 0.05, 0.13
#: Where the cerebellum lies, as a direction (x, y, z), and the cosine of how far it reaches around it.
_CEREBELLUM, _SECTOR = (0.0, 0.45, -0.893), 0.913


def draw_labels(size: float) -> Volume:
    """A label map: uint8 (z, y, x) on an upright grid, x to the left, y to the back, z up, as ITK has it.

    Each tissue is a ball, if a bent one, but the cortex, which is two: nothing is enclosed, since the brainstem leads
    from the ventricles through all of them to the outside.

    Args:
        size: part of the largest, 0–1.
    """
    half = np.array(HEAD_MM) * size
    nx, ny, nz = (int(np.ceil(2 * (h + _MARGIN_MM) / VOXEL_MM)) for h in half)
    mm = [(np.arange(n) - (n - 1) / 2) * VOXEL_MM for n in (nx, ny, nz)]
    x, y, z = (
        np.reshape(m / h, shape) for m, h, shape in zip(mm, half, ((1, 1, -1), (1, -1, 1), (-1, 1, 1)), strict=True)
    )
    radius = np.sqrt(x**2 + y**2 + z**2)
    labels = np.zeros((nz, ny, nx), np.uint8)
    labels[radius < 1] = Tissue.ECSF
    labels[(radius < _BRAIN) & (np.abs(x) > _GAP)] = Tissue.GM
    labels[radius < _WHITE] = Tissue.WM
    labels[_ball(x, y, z, (0.0, 0.0, 0.18), (0.34, 0.42, 0.20))] = Tissue.VM
    labels[_ball(x, y, z, (0.0, 0.0, -0.08), (0.30, 0.30, 0.22))] = Tissue.SGM
    # A sector of the ball: where two round surfaces graze each other, single voxels are left between them.
    towards = (y * _CEREBELLUM[1] + z * _CEREBELLUM[2]) / np.maximum(radius, 1e-9)
    labels[(towards > _SECTOR) & (radius > 0.52) & (radius < 0.95)] = Tissue.CBM
    labels[(x**2 + (y - 0.02) ** 2 < _STEM**2) & (z < -0.12) & (radius < 1)] = Tissue.BSM
    origin = (float(mm[0][0]), float(mm[1][0]), float(mm[2][0]))
    return Volume(labels, Grid((nx, ny, nz), (VOXEL_MM, VOXEL_MM, VOXEL_MM), origin, (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)))


def draw_signal(labels: Volume, seed: int) -> Volume:
    """A T2w-like volume of a label map, float32 (z, y, x), 0 outside: even tissues, slightly blurred, with noise."""
    table = np.zeros(len(Tissue), np.float32)
    table[list(SIGNAL)] = list(SIGNAL.values())
    signal = gaussian_filter(table[labels.array], _BLUR_VOXELS)
    signal += np.random.default_rng(seed).normal(0, _NOISE, signal.shape).astype(np.float32)
    return Volume(np.where(labels.array > 0, np.maximum(signal, 1.0), 0.0).astype(np.float32), labels.grid)


def write_phantoms(folder: Path) -> Path:
    """Write ``input`` (volumes, ages) and ``truth`` (label maps) of the three into ``folder``, the same every time.

    Returns:
        The folder ``input``.

    Raises:
        FetaError: it can't be written.
    """
    table = "participant_id\tPathology\tGestational age\n"
    for number, (weeks, size) in enumerate(SIZES.items()):
        subject = f"sub-phantom{weeks:.0f}"
        place, labels = Path(subject) / "anat", draw_labels(size)
        write_volume(
            folder / "input" / place / f"{subject}_rec-phantom_T2w.nii.gz", draw_signal(labels, _SEED + number)
        )
        write_label_map(folder / "truth" / place / f"{subject}_rec-phantom_dseg.nii.gz", labels)
        table += f"{subject}\tNeurotypical\t{weeks:g}\n"
    for part in ("input", "truth"):
        write_atomically(folder / part / "participants.tsv", table)
    return folder / "input"


def _ball(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    z: npt.NDArray[np.float64],
    centre: tuple[float, float, float],
    half: tuple[float, float, float],
) -> npt.NDArray[np.bool_]:
    """The voxels of an ellipsoid."""
    parts = (((at - c) / h) ** 2 for at, c, h in zip((x, y, z), centre, half, strict=True))
    return np.asarray(sum(parts) < 1)

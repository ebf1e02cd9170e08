"""Small made-up brains, and cohorts of them in a data set's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from feta.grid import Grid
from feta.volumes import Volume, write_label_map, write_volume

#: Label → centre and half-axes as parts of the volume, painted in this order.
ELLIPSOIDS = (
    (1, (0.5, 0.5, 0.5), (0.45, 0.42, 0.40)),
    (2, (0.5, 0.5, 0.5), (0.38, 0.36, 0.34)),
    (3, (0.5, 0.5, 0.5), (0.30, 0.28, 0.26)),
    (4, (0.55, 0.5, 0.5), (0.10, 0.12, 0.16)),
    (5, (0.25, 0.7, 0.5), (0.10, 0.10, 0.12)),
    (6, (0.42, 0.45, 0.5), (0.08, 0.10, 0.14)),
    (7, (0.25, 0.5, 0.5), (0.12, 0.06, 0.06)),
)
LENGTHS = (40.0, 18.0, 75.0, 85.0, 38.0)


def brain(shape: tuple[int, int, int] = (20, 22, 24), shift: float = 0.0) -> npt.NDArray[np.uint8]:
    """Nested ellipsoids with all seven labels, (z, y, x); ``shift`` moves them along x, in voxels."""
    axes = np.meshgrid(*[(np.arange(n) + 0.5) / n for n in shape], indexing="ij")
    labels = np.zeros(shape, dtype=np.uint8)
    for label, centre, half in ELLIPSOIDS:
        offset = (0.0, 0.0, shift / shape[2])
        labels[sum(((a - c - o) / h) ** 2 for a, c, o, h in zip(axes, centre, offset, half, strict=True)) < 1] = label
    return labels


def grid_of(shape: tuple[int, int, int], spacing: tuple[float, float, float] = (0.8, 0.8, 0.8)) -> Grid:
    """An upright grid, spacing along (x, y, z)."""
    return Grid(shape[::-1], spacing, (-8.0, 3.0, 5.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))


def volume(labels: npt.NDArray, spacing: tuple[float, float, float] = (0.8, 0.8, 0.8)) -> Volume:
    """An array on an upright grid."""
    return Volume(np.ascontiguousarray(labels), grid_of(labels.shape, spacing))


def write_truth(root: Path, cases: int = 3) -> Path:
    """A data set: T2w volumes, label maps, participants.tsv and biometry.tsv."""
    people = ["participant_id\tPathology\tGestational age\tSite"]
    lengths = ["participant_id\tLCC\tHV\tbBIP\tsBIP\tTCD"]
    for i in range(1, cases + 1):
        subject = f"sub-{i:03d}"
        labels = brain(shift=0.3 * i)
        write_label_map(root / subject / "anat" / f"{subject}_rec-mial_dseg.nii.gz", volume(labels))
        write_volume(root / subject / "anat" / f"{subject}_rec-mial_T2w.nii.gz", volume(labels.astype(np.float32)))
        people.append(f"{subject}\tNeurotypical\t{24 + i}\t{'AB'[i % 2]}")
        lengths.append("\t".join([subject, *(f"{v + i}" for v in LENGTHS)]))
    (root / "participants.tsv").write_text("\n".join(people) + "\n")
    (root / "biometry.tsv").write_text("\n".join(lengths) + "\n")
    return root


def write_team(root: Path, cases: int = 3, shift: float = 0.0, factor: float = 1.0) -> Path:
    """A team's results, off by ``shift`` voxels and a factor on the lengths."""
    for i in range(1, cases + 1):
        subject = f"sub-{i:03d}"
        folder = root / subject / "anat"
        write_label_map(folder / f"{subject}_rec-mial_T2w_dseg.nii.gz", volume(brain(shift=0.3 * i + shift)))
        cells = "\t".join(f"{(v + i) * factor}" for v in LENGTHS)
        (folder / f"{subject}_rec-mial_T2w_biom.csv").write_text(f"\tLCC\tHV\tbBIP\tsBIP\tTCD\n{subject}\t{cells}\n")
    return root


def write_extras(root: Path) -> None:
    """What ``feta-infer`` leaves beside a team's results for people to look at."""
    for label_map in list(root.rglob("*_dseg.nii.gz")):
        stem = label_map.name.removesuffix("_dseg.nii.gz")
        label_map.with_name(f"{stem}_volumes.tsv").write_text("measure\tvalue\nGM\t1.0\n")
        label_map.with_name(f"{stem}_report.html").write_text("<!doctype html><p>LCC 99 mm")
        for ending in ("biom.json", "dseg.json", "measure.json"):
            label_map.with_name(f"{stem}_{ending}").write_text('{"LCC": 99}')
        label_map.with_name(f"{stem}_qc.png").write_bytes(b"\x89PNG")
    tables = ("cohort.tsv", "cohort.json", "cohort.html", "run.json", "dseg.tsv")
    for name in (*tables, "labels-itksnap.txt", "labels-slicer.ctbl", "labels-freesurfer.txt"):
        (root / name).write_text("LCC\tHV\tbBIP\tsBIP\tTCD\n99\t99\t99\t99\t99\n")

"""Two other label sets of the same brains, written as folders to train on: what are they worth beside the atlases?

    python -m benchmarks.other_labels SHARED_DATA OUT

SHARED_DATA holds `atlases`, `feta_protocol` and `crl_parcellation`. `OUT/protocol` gets the brains that the challenge's
own group labelled by its protocol, each with the atlas's T2w volume of the same week brought onto its grid;
`OUT/parcellation` the atlas's volumes with a finer parcellation, merged to what it shares with FeTA's labels: deep grey
and white matter are one there, since it parts them otherwise, and `labels.yaml` says so. Weeks whose atlas is held out
for validation are left out of both.

    feta-train fit segmentation OUT/protocol RUN_P --over training/configs/coarse.yaml --steps 600
    feta-train fit segmentation ATLASES RUN --over training/configs/coarse.yaml --pretrained RUN_P
    feta-train fit segmentation ATLASES RUN --over training/configs/coarse.yaml --also OUT/parcellation
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from feta.errors import FetaError
from feta.files import write_atomically
from feta.grid import scipy_affine
from feta.labels import Tissue
from feta.volumes import Volume, read_label_map, read_volume, write_label_map, write_volume
from inference.geometry.frames import index_to_ras
from training.commands.common import VALIDATION
from training.data.provenance import write_source_subjects

#: The tissue of each label of the parcellation (its README's key); WM stands for white and deep grey matter together.
MERGED = {
    Tissue.ECSF: (124,),
    Tissue.GM: (112, 113),
    Tissue.WM: (37, 38, 41, 42, 71, 72, 73, 74, 77, 78, 91, 108, 109, 111, *range(114, 124), 125),
    Tissue.VM: (92, 93, 110),
    Tissue.CBM: (100, 101),
    Tissue.BSM: (94,),
}
LABELS = "0: [0]\n1: [1]\n2: [2]\n3: [3, 6]\n4: [4]\n5: [5]\n7: [7]\n"


def write_protocol(data: Path, out: Path) -> list[str]:
    """The brains of `feta_protocol`, each with a T2w volume; the names of those written.

    Raises:
        FetaError: a volume is missing or can't be read, or OUT can't be written.
    """
    written = []
    for path, week, atlas in _learned_from(data / "feta_protocol", "**/*_T2w_dseg.nii.gz"):
        labels, image = read_label_map(path), read_volume(_image(data, atlas))
        # Both lie in one space: what differs is the size of the voxels.
        to_image = np.linalg.inv(index_to_ras(image.grid)) @ index_to_ras(labels.grid)
        finer = ndimage.affine_transform(image.array, *scipy_affine(to_image), labels.grid.shape, order=1)
        _write(out, f"sub-sta{week}", Volume(finer, labels.grid), labels, atlas)
        written.append(f"sub-sta{week}")
    return written


def write_parcellation(data: Path, out: Path) -> list[str]:
    """The atlas's volumes with the parcellation's labels, merged; the names of those written.

    Raises:
        FetaError: a volume is missing or can't be read, or OUT can't be written.
    """
    written = []
    for path, week, atlas in _learned_from(data / "crl_parcellation", "*parc.nii.gz"):
        name = f"sub-parc{week}"
        if name in written:  # week 30 has two, one with zones within the white matter
            continue
        parcellation = read_volume(path)
        labels = Volume(merged(parcellation.array), parcellation.grid)
        _write(out, name, read_volume(_image(data, atlas)), labels, atlas)
        written.append(name)
    write_atomically(out / "labels.yaml", LABELS)
    return written


def merged(parcellation: np.ndarray) -> np.ndarray:
    """FeTA's labels of a parcellation, uint8 of the same shape; what has none is background."""
    found = np.zeros(parcellation.shape, np.uint8)
    for tissue, values in MERGED.items():
        found[np.isin(parcellation, values)] = tissue
    return found


def _learned_from(folder: Path, pattern: str) -> Iterator[tuple[Path, str, str]]:
    """Label maps of weeks whose atlas is not held out: path, week, name of the atlas."""
    found = sorted(folder.glob(pattern))
    if not found:
        raise FetaError(folder, f"holds no {pattern}", "name the folder that holds the shared data")
    for path in found:
        week = _week(path)
        if (atlas := f"sub-crl{week}") not in VALIDATION:
            yield path, week, atlas


def _week(path: Path) -> str:
    found = re.search(r"(?:sta|STA)(\d\d)", path.name)
    if found is None:
        raise FetaError(path, "names no week", "call it as the atlas does, such as STA24_parc.nii.gz")
    return found.group(1)


def _image(data: Path, atlas: str) -> Path:
    found = sorted((data / "atlases" / atlas).glob("**/*_T2w.nii.gz"))
    if not found:
        raise FetaError(data / "atlases" / atlas, "holds no T2w volume", "name the folder that holds the shared data")
    return found[0]


def _write(out: Path, name: str, image: Volume, labels: Volume, atlas: str) -> None:
    """A subject of a labelled BIDS folder, which names the atlas that it is made of."""
    path = out / name / "anat" / f"{name}_T2w.nii.gz"
    write_volume(path, image)
    write_label_map(path.with_name(f"{name}_T2w_dseg.nii.gz"), labels)
    write_source_subjects(path, [atlas])


def main() -> None:
    """Write both folders."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    try:
        for folder, write in (("protocol", write_protocol), ("parcellation", write_parcellation)):
            print(f"{given.out / folder}: {', '.join(write(given.data, given.out / folder))}")
    except FetaError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()

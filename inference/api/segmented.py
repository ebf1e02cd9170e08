"""What a call from Python gives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from feta.errors import FetaError
from feta.volumes import Volume
from inference.biometry.lengths import Length
from inference.derivatives.metaimage import write_map
from inference.morphometry.measured import Kind, Measured

_ENDINGS = (".nii", ".nii.gz", ".mha")


@dataclass(frozen=True, eq=False)
class Segmented:
    """The label map of a volume and what was measured on it. Not a medical device: for research only.

    Attributes:
        labels: uint8, of the shape and in the order of axes of what was given, so that ``labels[i]`` is the label of
            ``array[i]``; (x, y, z) for a file and for an image of nibabel, (z, y, x) for one of SimpleITK, as
            ``GetArrayFromImage`` has it. 0 background, 1 external CSF, 2 grey matter, 3 white matter, 4 ventricles,
            5 cerebellum, 6 deep grey matter, 7 brainstem.
        affine: 4×4 float64 from index (x, y, z) to RAS mm, as nibabel has it.
        lengths: LCC, HV, bBIP, sBIP, TCD: each with ``value`` (mm, None where unknown) and ``interval`` (90 %).
        sizes: all volumes (ml) and lengths (mm) with intervals, centiles and their norms, in the order of
            ``…_volumes.tsv``.
        pose: 4×4 float64 from RAS mm to the upright brain in mm: x to its right, y to its front, z up; 0 lies on the
            midline within the brain. Which side is the right one is a guess where no affine was given.
        warnings: for the user, one line each. Read them.
        verdict: 'accept', 'check', 'reject', or 'unjudged' where nobody measured the errors of these weights and no
            plain rule speaks against the result (docs/explanation/verdicts.md).
        reasons: of the verdict, one line each.
        expected_dice: by tissue (GM …) the Dice that is expected, and the ends of its 90 % interval; empty where the
            errors of these weights weren't measured.
        age: gestational age in weeks, as it was given; None where it wasn't.
        age_estimated: the age that the image shows, and the ends of its 90 % interval, weeks; or None.
    """

    labels: npt.NDArray[np.uint8] = field(repr=False)
    affine: npt.NDArray[np.float64] = field(repr=False)
    lengths: Mapping[str, Length] = field(repr=False)
    sizes: tuple[Measured, ...] = field(repr=False)
    pose: npt.NDArray[np.float64] = field(repr=False)
    warnings: tuple[str, ...]
    verdict: str
    reasons: tuple[str, ...]
    expected_dice: Mapping[str, tuple[float, float, float]] = field(repr=False)
    age: float | None
    age_estimated: tuple[float, float, float] | None
    _on_its_grid: Volume = field(repr=False)

    @property
    def volumes(self) -> dict[str, Measured]:
        """Of the sizes those in ml, by key: ``result.volumes["GM"].value``, ``["WM_left"]``, ``["total_brain"]``."""
        return {size.key: size for size in self.sizes if size.kind is Kind.VOLUME}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the label map: where the volume lies, with the forms and codes of its file.

        Args:
            path: ends in .nii.gz, .nii or .mha. What is there is replaced; missing folders are made.

        Raises:
            FetaError: another ending, or it can't be written.
        """
        if not os.fspath(path).lower().endswith(_ENDINGS):
            raise FetaError(Path(path), "is of no format that is written", f"let it end in {', '.join(_ENDINGS)}")
        write_map(Path(path), self._on_its_grid)

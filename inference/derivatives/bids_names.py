"""Names of derivatives by BIDS, from the name of the volume that they are made of.

The order of entities and the suffixes: BIDS 1.10, "Derivatives: imaging data types" and the appendix on entities.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from feta.cases import Case
from feta.errors import FetaError
from feta.labels import TISSUE_NAMES, Tissue

#: Calls the segmentation by its protocol: FeTA's seven tissues.
SEGMENTATION = "feta"
#: Entities that a derivative's name has at its end, in their order; all others of a volume come before them.
_LAST = ("seg", "scale", "res", "den", "label", "desc")


@dataclass(frozen=True)
class BidsNames:
    """Where the derivatives of one volume belong.

    Attributes:
        root: of the derivatives.
        case: the volume.
    """

    root: Path
    case: Case

    def path(self, suffix: str, ending: str, **entities: str) -> Path:
        """Such as ``sub-001/ses-1/anat/sub-001_ses-1_rec-mial_seg-feta_dseg.nii.gz``.

        All of the volume's own entities are kept, ``rec-`` among them: a subject has several reconstructions.
        """
        return self.root / self.case.folder / f"{self._name(entities)}_{suffix}{ending}"

    def mask(self, ending: str) -> Path:
        """The brain's mask, ``desc-brain``; ``label-brain`` where the volume has a ``desc-`` of its own."""
        entity = "label" if "desc" in self._own() else "desc"
        return self.path("mask", ending, **{entity: "brain"})

    def probabilities(self, tissue: Tissue, ending: str) -> Path:
        """The probabilities of one tissue, such as ``…_seg-feta_label-GM_probseg.nii.gz``."""
        return self.path("probseg", ending, seg=SEGMENTATION, label=tissue.name)

    def figure(self, suffix: str, ending: str, **entities: str) -> Path:
        """A picture, in the subject's folder of figures, where NiPreps have theirs."""
        return self.root / self.case.folder.parts[0] / "figures" / f"{self._name(entities)}_{suffix}{ending}"

    def source(self) -> str:
        """The volume as a BIDS URI; ``raw`` is linked by the description of the derivatives."""
        return f"bids:raw:{self.case.folder / self.case.image.name}"

    def of_this(self, path: Path) -> str:
        """A derivative as a BIDS URI."""
        return f"bids::{PurePosixPath(path.relative_to(self.root))}"

    def _own(self) -> dict[str, str]:
        pairs = (pair.partition("-") for pair in self.case.name.removesuffix("_T2w").split("_"))
        return {key: value for key, _, value in pairs}

    def _name(self, entities: dict[str, str]) -> str:
        together = {**self._own(), **entities}
        before = [key for key in together if key not in _LAST]
        return "_".join(
            f"{key}-{together[key]}" if together[key] else key
            for key in [*before, *(key for key in _LAST if key in together)]
        )


def names_of(root: Path, case: Case) -> BidsNames:
    """The names of a case's derivatives.

    Raises:
        FetaError: the volume doesn't lie in a BIDS tree.
    """
    parts = case.folder.parts
    if not parts or not parts[0].startswith("sub-") or not case.name.endswith("_T2w"):
        problem = "does not lie in a BIDS tree, so that no BIDS name can be made for its results"
        raise FetaError(case.image, problem, "put it at sub-01/anat/sub-01_T2w.nii.gz, or leave out --layout bids")
    return BidsNames(root, case)


def label_map_sidecar(names: BidsNames) -> dict[str, Any]:
    """What BIDS asks of the label map's JSON file."""
    return {
        "Description": "Seven tissues of the fetal brain, labels as in dseg.tsv; for research only",
        "Sources": [names.source()],
        "SpatialReference": names.source(),
        "Manual": False,
    }


def mask_sidecar(names: BidsNames, label_map: Path) -> dict[str, Any]:
    """What BIDS asks of the mask's JSON file."""
    return {
        "Description": "Voxels with any label, external CSF included",
        "Type": "Brain",
        "Sources": [names.source(), names.of_this(label_map)],
        "SpatialReference": names.source(),
        "Manual": False,
    }


def soft_sidecar(names: BidsNames, tissue: Tissue) -> dict[str, Any]:
    """What BIDS asks of the JSON file of a tissue's probabilities."""
    return {
        "Description": f"Probability of {TISSUE_NAMES[tissue]}, before islands and topology are corrected",
        "Sources": [names.source()],
        "SpatialReference": names.source(),
        "Manual": False,
    }

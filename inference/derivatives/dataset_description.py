"""What describes derivatives as a whole: dataset_description.json, a README, and what validators skip."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import feta
from inference.derivatives.label_tables import write_changed
from inference.derivatives.layout import DESCRIPTION, PROGRAM, describing

BIDS_VERSION = "1.10.1"
#: Names the image, tag and all; its build argument IMAGE_TAG sets it.
TAG_VARIABLE = "FETA_CONTAINER_TAG"
#: Set in the images, and nowhere else; and by the two programs that run them on clusters.
_IMAGE_VARIABLE = "FETA_PROGRAM"
_RUNTIMES = {"APPTAINER_CONTAINER": "apptainer", "SINGULARITY_CONTAINER": "singularity"}
#: What BIDS has no names for. Patterns are those of .gitignore.
IGNORED = (
    "run.json", "*.html", "figures", "cohort.*", "*_biom.*", "*_meas.*", "*_volumes.*", "*_surf.json", "*.surf.gii",
    "*.txt", "*.ctbl",
)  # fmt: skip
_README = """Label maps of seven tissues, brain masks and five lengths of fetal brains, made by feta-infer from T2w
volumes. Not a medical device: for research only, and to be looked at before use.

sub-*/[ses-*/]anat/*_seg-feta_dseg.nii.gz  label map; dseg.tsv says which value is which tissue
sub-*/[ses-*/]anat/*_seg-feta_dseg.json    its sources, and with what it was made
sub-*/[ses-*/]anat/*_desc-brain_mask.nii.gz
sub-*/[ses-*/]anat/*_biom.tsv              lengths, mm; _biom.json holds their intervals and sources
sub-*/[ses-*/]anat/*_volumes.tsv           volumes and lengths with their place on published curves
sub-*/[ses-*/]anat/*_hemi-*.surf.gii       white and pial surfaces (--surfaces); _surf.json tells of them
sub-*/figures/                             pictures to judge the results by eye
cohort.tsv                                 one row a case, all of it; cohort.json says what its columns are
run.json                                   what ran, for how long, and what failed
"""


def describe_dataset(root: Path, source: Path) -> None:
    """Write what describes a folder of derivatives, where it isn't there already. Several processes may do so at once.

    Args:
        root: of the derivatives.
        source: the data set that they are made of.

    Raises:
        FetaError: the folder can't be written.
    """
    files = {
        root / DESCRIPTION: json.dumps(description(root, source, os.environ), indent=1) + "\n",
        root / "README.md": _README,
        root / ".bidsignore": "\n".join(IGNORED) + "\n",
    }
    write_changed(files)


def description(root: Path, source: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """What ``dataset_description.json`` holds.

    Args:
        root: of the derivatives.
        source: the data set that they are made of.
        environment: tells the container.
    """
    raw = describing(source) or {}
    link = _link(root, source)
    origin = {"URL": link} | {key: raw[name] for key, name in (("DOI", "DatasetDOI"),) if name in raw}
    made_by: dict[str, Any] = {"Name": PROGRAM, "Version": feta.__version__}
    if container := _container(environment):
        made_by["Container"] = container
    named = f" of {raw['Name']}" if isinstance(raw.get("Name"), str) and raw["Name"] else ""
    return {
        "Name": f"Fetal brain tissues and lengths{named}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [made_by],
        "SourceDatasets": [origin],
        "DatasetLinks": {"raw": link},
    }


def _link(root: Path, source: Path) -> str:
    """The source as seen from the derivatives: relative where they lie within it, so that both can be moved."""
    inner, outer = root.resolve(), source.resolve()
    if inner.is_relative_to(outer) and inner != outer:
        return "/".join([".."] * len(inner.relative_to(outer).parts))
    return outer.as_uri()


def _container(environment: Mapping[str, str]) -> dict[str, str]:
    """The container as far as it is known from within; nothing outside one."""
    runtime = next((kind for variable, kind in _RUNTIMES.items() if environment.get(variable)), None)
    if runtime is None and _IMAGE_VARIABLE not in environment:
        return {}
    tag = environment.get(TAG_VARIABLE)
    return {"Type": runtime or "docker"} | ({"Tag": tag} if tag else {})

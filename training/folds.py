"""Folds of a data set: each subject is validated on by one network of an ensemble, and trained on by the others."""

from __future__ import annotations

from pathlib import Path

from feta.errors import FetaError
from feta.participants import read_participants
from training.data.subject import pairs

#: As nnU-Net.
FOLDS = 5


def validation_fold(root: Path, fold: int, folds: int = FOLDS) -> tuple[str, ...]:
    """The subjects of one fold, the same in every call.

    Subjects are sorted by site (where ``participants.tsv`` names one) and name, and dealt out in turn, so that each
    fold has its share of each site. All reconstructions of a subject are in one fold.

    Args:
        root: labelled folder.
        fold: 0 … folds − 1.
        folds: how many there are.

    Raises:
        FetaError: there is no such fold, or there are fewer subjects than folds.
    """
    if not 0 <= fold < folds:
        raise FetaError("--fold", f"{fold} is not one of 0 to {folds - 1}")
    names = {name.split("_")[0] for name in pairs(root)}
    if len(names) < folds:
        raise FetaError(
            root, f"holds {len(names)} subjects, fewer than {folds} folds", "name a lower number of --folds"
        )
    sites = _sites(root)
    return tuple(sorted(names, key=lambda name: (sites.get(name, ""), name))[fold::folds])


def _sites(root: Path) -> dict[str, str]:
    for path in (root / "participants.tsv", root / "input" / "participants.tsv"):
        if path.exists():
            return {name: person.site or "" for name, person in read_participants(path).items()}
    return {}

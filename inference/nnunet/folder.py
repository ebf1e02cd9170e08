"""Which files of a folder of weights are a trained nnU-Net. Neither torch nor a pickle is touched here."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from feta.errors import FetaError
from feta.volumes import fingerprint

PLANS, DATASET = "plans.json", "dataset.json"
#: The checkpoint that nnU-Net predicts with, and the one to fall back on.
CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
#: Trained on all cases; taken where there are no numbered folds, as nnU-Net does.
FOLD_ALL = "fold_all"
#: What nnU-Net calls its folds; copies of them (fold_0_old) are none.
FOLD = re.compile(r"fold_(0|[1-9]\d*|all)")
REMEDY = "copy the whole results folder of one trainer and configuration, as nnU-Net leaves it"


@dataclass(frozen=True)
class NnunetFolder:
    """The files of one trained nnU-Net.

    Attributes:
        folder: holds plans.json and dataset.json.
        checkpoints: one for each fold, in the order of the folds' names.
        warnings: one line each.
    """

    folder: Path
    checkpoints: tuple[Path, ...]
    warnings: tuple[str, ...] = ()

    def identity(self) -> str:
        """sha256 over the names and the sha256 of all files that a prediction depends on.

        Raises:
            FetaError: one of them is missing.
        """
        digest = hashlib.sha256()
        for path in (self.folder / PLANS, self.folder / DATASET, *self.checkpoints):
            digest.update(f"{path.relative_to(self.folder)} {fingerprint(path)}\n".encode())
        return digest.hexdigest()


def find_results(weights: Path) -> NnunetFolder | None:
    """The trained nnU-Net in a folder of weights: the folder itself, or ``Dataset…/trainer__plans__configuration``.

    Args:
        weights: any folder.

    Returns:
        None where nothing of nnU-Net's lies there.

    Raises:
        FetaError: there are several, or something is missing.
    """
    found = sorted({path.parent for depth in ("", "*/", "*/*/") for path in weights.glob(depth + PLANS)})
    folds = {path.parents[1] for depth in ("", "*/", "*/*/") for path in weights.glob(f"{depth}fold_*/checkpoint_*")}
    if incomplete := sorted(folds - set(found)):
        raise FetaError(incomplete[0], f"holds folds of an nnU-Net but no {PLANS}", REMEDY)
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(weights)) for path in found)
        raise FetaError(
            weights, f"holds {len(found)} trained nnU-Nets ({names})", "name the folder of one by --weights"
        )
    return _complete(found[0]) if found else None


def _complete(folder: Path) -> NnunetFolder:
    if not (folder / DATASET).is_file():
        raise FetaError(folder / DATASET, "is missing", REMEDY)
    named = sorted(path for path in folder.glob("fold_*") if path.is_dir())
    folds = [path for path in named if FOLD.fullmatch(path.name)]
    others = tuple(f"{path.name} is no fold of nnU-Net's and is left out" for path in named if path not in folds)
    numbered = [path for path in folds if path.name != FOLD_ALL]
    for candidates in (numbered, folds):
        for name in CHECKPOINTS:
            if having := [path / name for path in candidates if (path / name).is_file()]:
                without = [path.name for path in candidates if not (path / name).is_file()]
                absent = tuple(f"{fold} holds no {name} and is left out" for fold in without)
                return NnunetFolder(folder, tuple(having), (*absent, *others))
    raise FetaError(folder, f"holds no fold_0/{CHECKPOINTS[0]} (or another number, or {FOLD_ALL})", REMEDY)

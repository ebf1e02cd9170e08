"""Calls of ``feta-infer`` in this process, with a stand-in for its networks."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from feta.volumes import write_volume
from inference.cli import main
from tests.support.folders import SMALL, Counting, make_weights


class Calls:
    """Calls ``feta-infer`` and gives its exit status; ``model`` counts what was computed."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.model = Counting()
        self._patch = monkeypatch
        monkeypatch.setenv("FETA_WEIGHTS", str(make_weights(tmp_path / "weights")))
        monkeypatch.setattr("inference.runs.run.load_models", self.model.load)
        monkeypatch.setattr("inference.cli.stop_on_sigterm", lambda: None)
        monkeypatch.setattr("inference.runs.at_once.allowed_threads", lambda: 1)  # all cases in this process

    def __call__(self, *arguments: str | Path) -> int:
        self._patch.setattr(sys, "argv", ["feta-infer", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        assert isinstance(end.value.code, int)
        return end.value.code


def bids_dataset(root: Path, *images: str) -> Path:
    """A valid BIDS data set of heads: each image such as ``sub-01/ses-1/anat/sub-01_ses-1_rec-a_T2w.nii.gz``."""
    for image in images:
        (root / image).parent.mkdir(parents=True, exist_ok=True)
        write_volume(root / image, SMALL)
    subjects = sorted({Path(image).parts[0] for image in images})
    rows = "".join(f"{subject}\t{25 + n}\n" for n, subject in enumerate(subjects))
    (root / "participants.tsv").write_text("participant_id\tgestational_age\n" + rows)
    described = {"Name": "made up", "BIDSVersion": "1.10.1", "DatasetType": "raw", "Authors": ["A", "B"]}
    (root / "dataset_description.json").write_text(json.dumps(described))
    (root / "README.md").write_text("Made-up heads for tests, nobody's, of ellipsoids and noise.\n" * 5)
    return root


def names(folder: Path) -> set[str]:
    """All files below a folder."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}

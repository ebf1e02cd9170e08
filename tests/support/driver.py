"""``feta-infer`` with a stand-in for the networks, as a process of its own.

FETA_TEST_BLOCK names a file that is made when segmentation begins; then it blocks for a
minute in one call outside Python, as a convolution would.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import inference.runs.run
from feta.volumes import Volume
from inference.cli import main
from inference.geometry.segmentation_result import Segmentation
from inference.runs.models import Models
from inference.runs.settings import Settings
from tests.support.heads import stand_in


def segment(volume: Volume) -> Segmentation:
    """Block if told to, then read the labels off the image."""
    if marker := os.environ.get("FETA_TEST_BLOCK"):
        Path(marker).touch()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000_000)
    return stand_in(volume)


def load(_settings: Settings) -> Models:
    """In place of ``load_models``."""
    return Models(segment, None, "a stand-in")


if __name__ == "__main__":
    inference.runs.run.load_models = load
    main()

"""``feta-infer`` with a stand-in for the networks, as a process of its own.

FETA_TEST_BLOCK names a file that is made when segmentation begins; then it blocks for a
minute in one call outside Python, as a convolution would.
FETA_TEST_CALLS names a folder in which each call of the segmentation leaves a file, FETA_TEST_MEET how many processes
must have left one before the first call goes on.
A volume as bright as ``deadly`` makes it kills its process, as the system does where memory is short, so long as
FETA_TEST_DEATHS names a number; each time a file is left in the folder of calls, and after so many no more.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import signal
import time
from pathlib import Path

import numpy as np

import inference.runs.at_once
import inference.runs.run
from feta.volumes import Volume
from inference.cli import main
from inference.geometry.segmentation_result import Segmentation
from inference.runs.models import Models
from inference.runs.settings import Settings
from tests.support.heads import stand_in

#: No other volume of these tests is so bright.
_BRIGHT = 5000.0


def deadly(volume: Volume) -> Volume:
    """A volume that kills the process that segments it."""
    array = volume.array.copy()
    array[0, 0, 0] = _BRIGHT
    return Volume(array, volume.grid)


def segment(volume: Volume) -> Segmentation:
    """Die, block or meet others if told to, then read the labels off the image."""
    if volume.array[0, 0, 0] == _BRIGHT:
        _die(Path(os.environ["FETA_TEST_CALLS"]), int(os.environ.get("FETA_TEST_DEATHS", "0")))
        volume = Volume(np.where(volume.array == _BRIGHT, 0, volume.array), volume.grid)
    if folder := os.environ.get("FETA_TEST_CALLS"):
        _meet(Path(folder), int(os.environ.get("FETA_TEST_MEET", "1")))
    if marker := os.environ.get("FETA_TEST_BLOCK"):
        Path(marker).touch()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000_000)
    return stand_in(volume)


def _die(folder: Path, times: int) -> None:
    if len(list(folder.glob("death-*"))) < times:
        (folder / f"death-{os.getpid()}").touch()
        os.kill(os.getpid(), signal.SIGKILL)


def _meet(folder: Path, others: int) -> None:
    """Note a call, and wait until so many processes have noted one."""
    (folder / f"{os.getpid()}-{len(list(folder.iterdir()))}").touch()
    while len({path.name.split("-")[0] for path in folder.iterdir()}) < others:
        time.sleep(0.01)


def load(_settings: Settings) -> Models:
    """In place of ``load_models``."""
    return Models(segment, None, "a stand-in")


if __name__ == "__main__":
    inference.runs.at_once.allowed_threads = lambda: 1  # all cases in this process, unless --workers says otherwise
    # By its module's name, under which another process finds it.
    inference.runs.run.load_models = importlib.import_module("tests.support.driver").load
    main()

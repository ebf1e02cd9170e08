"""``python -m tests.support.infer_stand_in ARGUMENTS``: feta-infer in a process of its own, without its networks."""

from __future__ import annotations

import inference.runs.at_once
import inference.runs.run
from inference.cli import main
from tests.support.folders import Counting

if __name__ == "__main__":
    inference.runs.at_once.allowed_threads = lambda: 1  # all cases in this process
    inference.runs.run.load_models = Counting().load
    main()

"""Whether processes have ended."""

from __future__ import annotations

import time
from pathlib import Path


def ended(process: int) -> bool:
    """Whether a process that is no child of this one is no more, within some seconds."""
    for _ in range(100):
        try:
            if "State:\tZ" in Path(f"/proc/{process}/status").read_text():
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.1)
    return False

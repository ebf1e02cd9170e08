"""The submission: a volume goes in, a label map and five lengths come out.

From Python: ``from inference import segment`` (docs/how-to/python.md). It is imported when it is asked for, since its
libraries take seconds.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inference.api.call import LoadedModel, load, segment
    from inference.api.segmented import Segmented

__all__ = ["LoadedModel", "Segmented", "load", "segment"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("inference.api.call"), name)

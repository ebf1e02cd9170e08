"""Names that settings of training runs had before; files and checkpoints with these are read for one release."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feta.settings import current_names

#: Of ``SynthesisSettings``, which was flat.
SYNTHESIS: Mapping[str, str] = {
    "any_turn": "spatial.any_rotation",
    "turn": "spatial.rotation",
    "shift": "spatial.shift",
    "zoom": "spatial.scale",
    "stretch": "spatial.stretch",
    "bend": "spatial.elastic",
    "wrinkle": "spatial.fine_displacement",
    "crowded": "spatial.thin_csf",
    "crowded_mm": "spatial.thin_csf_mm",
    "masked": "mask.masked",
    "tight": "mask.tight",
    "tight_mm": "mask.tight_mm",
    "exact": "mask.exact",
    "soft": "mask.soft",
    "soft_mm": "mask.soft_mm",
    "real": "intensity.real",
    "contrasts": "intensity.contrasts",
    "regions": "intensity.regions",
    "region": "intensity.region",
    "gin": "intensity.gin",
    "inverted": "intensity.inverted",
    "blur": "scan.blur",
    "coarse": "scan.coarse",
    "noise": "scan.noise",
    "bias": "scan.bias",
    "artefacts.turn": "artefacts.rotation",
    "artefacts.slice_turn": "artefacts.slice_rotation",
}
#: Of the landmark network's ``SampleSettings``.
LANDMARK_SAMPLES: Mapping[str, str] = {
    "turn": "rotation",
    "own": "own_contrast",
    "lost": "label_dropout",
    "taken": "label_swap",
}
#: By the section of a run's settings that they stand in.
_SECTIONS = {"synthesis": SYNTHESIS, "samples": LANDMARK_SAMPLES}


def run_settings(content: Any, path: Path) -> Any:
    """A run's settings, as its checkpoint holds them, under the names of now; errors name ``path``."""
    names = {f"{s}.{old}": f"{s}.{new}" for s, renamed in _SECTIONS.items() for old, new in renamed.items()}
    return current_names(content, names, path)[0]

"""Causes that spoil a volume: those that the model of quality is learned from, and those that it never saw.

The two lists have no cause in common, so that what is measured on the second tells of causes that nobody thought of.
Each takes an image and its label map on one grid, and random numbers, and gives both; how strong it is is drawn anew.
"""

from __future__ import annotations

from collections.abc import Mapping

from training.assessment.robustness import CONDITIONS, Condition, moved, unchanged, unmasked
from training.confidence import learned_causes as learned
from training.confidence import unseen_causes as unseen

LEARNED: Mapping[str, Condition] = {
    "noise": learned.noise,
    "blur": learned.blur,
    "thick slices": learned.thick_slices,
    "bias": learned.bias,
    "contrast": learned.contrast,
    "slices apart": learned.slices_apart,
    "tight mask": learned.tight_mask,
    "hole": learned.hole,
    "turned": learned.turned,
}
UNSEEN: Mapping[str, Condition] = {
    "ghosts": unseen.ghosts,
    "spikes": unseen.spikes,
    "warped": unseen.warped,
    "two brains": unseen.two_brains,
    "few grey values": unseen.quantised,
    "inverted": unseen.inverted,
    "half": unseen.half,
    "base cut": unseen.base_cut,
    "every other slice": unseen.every_other_slice,
    "thinned": unseen.thinned,
    "adult's size": unseen.scaled,
    "motion": moved,
    "unmasked": unmasked,
}
#: Those of ``assess robustness``, each of one strength: some are kin to those that were learned from.
ROBUSTNESS: Mapping[str, Condition] = {f"under stress: {name}": change for name, change in CONDITIONS.items()}
AS_IS = "as is"
ALL: Mapping[str, Condition] = {AS_IS: unchanged, **LEARNED, **UNSEEN, **ROBUSTNESS}
#: Causes that change what is there to measure: lengths of the volume as it was are no truth after them.
NO_LENGTHS = ("half", "base cut", "thinned", "adult's size", "warped", "hole")

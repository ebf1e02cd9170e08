"""Rows of made-up volumes whose quality depends on their signals in a known way: no image, no network."""

from __future__ import annotations

import numpy as np

from feta.measurements import MEASUREMENTS
from inference.confidence.signals import CASE, LENGTH, TISSUE
from training.confidence.rows import CaseRow, LengthResult


def made_up_rows(individuals: int = 30, seed: int = 0, cohort: str = "made-up", each: int = 2) -> list[CaseRow]:
    """Volumes as they are and spoilt; a hidden badness sets Dice, errors of sizes, and two of the signals."""
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(individuals):
        age = float(draw.uniform(21, 35))
        for k in range(each):
            badness = float(draw.beta(1.2, 12) if k == 0 else draw.beta(1.5, 2))
            rows.append(_row(f"sub-{number:03d}", "as is" if k == 0 else "noise", age, badness, cohort, draw))
    return rows


def _row(who: str, cause: str, age: float, badness: float, cohort: str, draw: np.random.Generator) -> CaseRow:
    volumes = np.exp(0.12 * (age - 28)) * np.array([60, 50, 80, 8, 6, 10, 4]) * np.exp(draw.normal(0, 0.03, 7))
    lengths = np.array([36.0, 17, 72, 80, 34]) * (1 + 0.03 * (age - 28)) * np.exp(draw.normal(0, 0.02, 5))
    case = dict(zip(CASE, draw.normal(0, 1, len(CASE)), strict=True))
    case |= {
        "certainty": 0.97 - 0.5 * badness + float(draw.normal(0, 0.01)),
        "doubtful": 0.02 + badness + float(draw.normal(0, 0.01)),
        "pose_found": 1.0, "symmetry": 0.95, "flat_end": 0.1, "cut_end": 0.1, "blank_slices": 0.0,
        "contrast_fluid": 1.0, "anisotropy": 0.0, "long": 0.13, "high": -0.2, "outside": 0.0,
    }  # fmt: skip
    tissue = {name: draw.normal(0, 1, 7) for name in TISSUE}
    found = _lengths(lengths, badness, draw)
    return CaseRow(
        name=f"{who}, {cause}", cohort=cohort, individual=who, cause=cause, age=age, ill=bool(draw.random() < 0.3),
        case=case, tissue=tissue,
        volumes=volumes, true_volumes=volumes * np.exp(draw.normal(0, 0.02 + 0.3 * badness, 7)),
        folding=2.1 + 0.03 * (age - 28) + float(draw.normal(0, 0.02)),
        dice=np.clip(0.95 - 0.8 * badness + draw.normal(0, 0.02, 7), 0, 1),
        hd95=np.exp(draw.normal(2 * badness, 0.1, 7)),
        true_lengths=lengths, aged=found, ageless=found,
    )  # fmt: skip


def _lengths(true: np.ndarray, badness: float, draw: np.random.Generator) -> LengthResult:
    values = true * np.exp(draw.normal(0, 0.01 + 0.2 * badness, len(MEASUREMENTS)))
    signals = {name: draw.normal(0, 1, len(MEASUREMENTS)) for name in LENGTH}
    signals["length_width"] = np.full(len(MEASUREMENTS), np.log(0.02 + 0.4 * badness))
    case = {"lengths_seen": 5.0, "lengths_apart": badness, "lengths_width": -3.0}
    return LengthResult(case, signals, values, values * 0.97, values * 1.04)

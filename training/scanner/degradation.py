"""How bad a scan of some image quality is: motion, noise, drop-out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DegradationSettings:
    """How bad scans are: each pair is what holds at an image quality of 4, and of 0.

    Attributes:
        stacks: number of stacks.
        motion_mm: how far the head moves in the course of a stack.
        motion_degrees: how far it turns.
        pose_mm: error of the motion that the reconstruction believes in.
        pose_degrees: likewise.
        noise: standard deviation, as a share of the fluid's intensity.
        dropout: share of slices that lose signal.
        fluctuation: spread of the slices' brightness, from spin history.
    """

    stacks: tuple[float, float] = (8, 3)
    motion_mm: tuple[float, float] = (1.0, 6.0)
    motion_degrees: tuple[float, float] = (1.5, 9.0)
    pose_mm: tuple[float, float] = (0.15, 1.0)
    pose_degrees: tuple[float, float] = (0.2, 1.5)
    noise: tuple[float, float] = (0.03, 0.12)
    dropout: tuple[float, float] = (0.01, 0.2)
    fluctuation: tuple[float, float] = (0.01, 0.08)

    def __post_init__(self) -> None:
        for name, pair in vars(self).items():
            if len(pair) != 2 or min(pair) <= 0:
                raise ValueError(f"{name} must be two numbers above 0: at quality 4, and at quality 0")


@dataclass(frozen=True)
class Degradation:
    """How bad one scan is; attributes as in ``DegradationSettings``."""

    stacks: int
    motion_mm: float
    motion_degrees: float
    pose_mm: float
    pose_degrees: float
    noise: float
    dropout: float
    fluctuation: float


def degradation_at(quality: float, noise: float, settings: DegradationSettings) -> Degradation:
    """What an image quality (0–4) stands for: everything worsens as it falls, in equal ratios.

    Args:
        quality: 0–4.
        noise: the site's factor on the noise.
        settings: what holds at either end.
    """
    worse = 1 - float(np.clip(quality, 0, 4)) / 4
    at = {name: best * (worst / best) ** worse for name, (best, worst) in vars(settings).items()}
    at["noise"] *= noise
    return Degradation(stacks=round(at.pop("stacks")), **at)

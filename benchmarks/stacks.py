"""What raw stacks of real mothers show of their scanner, beside what the simulations draw.

    python -m benchmarks.stacks STACKS [--list training/configs/surroundings.yaml]

STACKS is a folder of the stacks that the list names, with place and size of the fetal head in each. Measured are the
head and what lies within half its radius again. Beside it stands what simulated cohorts draw: their settings at an
image quality of 4 and of 0, over all sites.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from feta.settings import read_settings
from feta.volumes import read_volume
from training.assessment.stack_measures import StackMeasures, measure_stack
from training.commands.common import CONFIGS
from training.imaging.random_fields import shading
from training.scanner.cohort_settings import CohortSettings, read_cohort_settings
from training.synthesis.real_surroundings import StackEntry, StackList, about_head, near_head

#: The measured sphere reaches this many radii of the head.
AROUND = 1.5


def measured(folder: Path, entry: StackEntry) -> StackMeasures:
    """One stack of a list, around its head."""
    stack = read_volume(folder / entry.file)
    near = near_head(stack.array.shape, about_head(stack.grid, entry), AROUND * entry.radius)
    return measure_stack(stack, near)


def drawn_shading(strength: float, rng: np.random.Generator) -> float:
    """Standard deviation of the logarithm of the shading that simulated stacks have, its mean over 50 draws."""
    return float(np.mean([np.log(shading((12, 12, 12), strength, rng)).std() for _ in range(50)]))


def simulated(settings: CohortSettings) -> Iterator[tuple[str, str]]:
    """The same figures of simulated cohorts, least and greatest."""
    sites, bad, rng = settings.sites, settings.degradation, np.random.default_rng(0)
    factors = [site.noise for site in sites]
    yield "in_plane", span([site.in_plane for site in sites])
    yield "spacing", span([site.thickness for site in sites])
    yield "noise", span([min(bad.noise) * min(factors), max(bad.noise) * max(factors)])
    yield "whiteness", "1"
    yield "shading", span([drawn_shading(site.bias, rng) for site in sites])
    yield "fluctuation", span(list(bad.fluctuation))
    yield "dark", span(list(bad.dropout))
    yield "profile", span([site.thickness for site in sites])


def span(values: list[float]) -> str:
    """Least and greatest."""
    return f"{min(values):.3g}–{max(values):.3g}"


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stacks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("stacks", type=Path)
    parser.add_argument("--list", type=Path, default=CONFIGS / "surroundings.yaml")
    asked = parser.parse_args()
    entries = read_settings(StackList, asked.list).stacks
    found = [measured(asked.stacks, entry) for entry in entries]
    said = {
        "in_plane": "pixel, mm",
        "spacing": "from slice to slice, mm",
        "noise": "noise, share of the fluid's intensity",
        "whiteness": "noise by the Laplacian against first differences",
        "shading": "shading, sd of its logarithm",
        "fluctuation": "brightness from slice to slice, sd of its logarithm",
        "dark": "slices darker by 15 % near the head, share",
        "profile": "slice profile, full width at half maximum, mm",
    }
    beside = dict(simulated(read_cohort_settings()))
    print("| | " + " | ".join(entry.file for entry in entries) + " | simulated cohorts |")
    print("|---" + "|---" * (len(entries) + 1) + "|")
    for key, words in said.items():
        cells = [f"{getattr(each, key):.3g}" for each in found]
        print(f"| {words} | " + " | ".join(cells) + f" | {beside[key]} |")


if __name__ == "__main__":
    main()

"""Score tables whose every effect is set, to see what the analysis makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.analysis.factors import AGE, PATHOLOGY, QUALITY, SITE, factors_of
from evaluation.analysis.study import Study
from evaluation.scoring.score_table import CaseInfo

#: Site and reconstruction, with their share of the 180 test cases of FeTA 2024 and their place in the site's effect.
PLACES = (
    ("KISPI", "mial", 20, 0.0),
    ("KISPI", "irtk", 20, -0.3),
    ("Vienna", "niftymic", 40, 0.2),
    ("CHUV", "mial", 40, -0.5),
    ("UCSF", "niftymic", 40, -0.1),
    ("KCL", "svrtk", 20, 0.5),
)
YOUNGEST, OLDEST = 18.0, 36.0


@dataclass(frozen=True)
class SetEffects:
    """Differences in Dice between a factor's extremes: by default the sizes of the challenge's paper.

    Attributes:
        noise: standard deviation of what no factor explains.
        confounded: image quality goes along with the site, as in real data.
    """

    quality: float = 0.10
    site: float = 0.075
    age: float = 0.05
    pathology: float = 0.008
    noise: float = 0.03
    confounded: bool = False

    def by_factor(self) -> dict[str, float]:
        """Factor → set size."""
        return {QUALITY: self.quality, SITE: self.site, AGE: self.age, PATHOLOGY: self.pathology}

    def without(self, factor: str) -> SetEffects:
        """The same with one factor's effect taken away."""
        sizes = {name: 0.0 if name == factor else size for name, size in self.by_factor().items()}
        return SetEffects(sizes[QUALITY], sizes[SITE], sizes[AGE], sizes[PATHOLOGY], self.noise, self.confounded)


def simulated_study(cases: int, effects: SetEffects, seed: int) -> Study:
    """Cases with quality 0–4 (steps of a half), age 18–36 weeks, a third pathological, at six places.

    Dice rises with quality and age in proportion and falls with pathology; the places' steps are in PLACES.
    """
    generator = np.random.default_rng(seed)
    share = np.array([place[2] for place in PLACES], dtype=np.float64)
    place = generator.choice(len(PLACES), cases, p=share / share.sum())
    step = np.array([p[3] for p in PLACES])[place]
    drawn = generator.uniform(0, 4, cases)
    shifted = np.clip(drawn + 2 * step, 0, 4) if effects.confounded else drawn
    quality = np.round(2 * shifted) / 2
    age = generator.uniform(YOUNGEST, OLDEST, cases)
    ill = generator.random(cases) < 1 / 3
    dice = 0.8 + effects.quality * (quality / 4 - 0.5) + effects.site * step - effects.pathology * ill
    dice += effects.age * ((age - YOUNGEST) / (OLDEST - YOUNGEST) - 0.5) + generator.normal(0, effects.noise, cases)
    infos = tuple(
        CaseInfo(
            subject=f"sub-{i:04d}",
            name=f"sub-{i:04d}",
            site=PLACES[place[i]][0],
            reconstruction=PLACES[place[i]][1],
            age=float(age[i]),
            quality=float(quality[i]),
            pathology="Pathological" if ill[i] else "Neurotypical",
        )
        for i in range(cases)
    )
    return Study(infos, tuple(factors_of(infos)), {"dice": dice})

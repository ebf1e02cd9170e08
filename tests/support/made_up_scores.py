"""Made-up score tables: no image is measured, every number is drawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.analysis.results_folder import Scores
from evaluation.scoring.score_table import SEGMENTATION_METRICS, CaseInfo, ScoreTable
from feta.labels import TISSUES
from feta.measurements import MEASUREMENTS

SITES = ("KISPI", "Vienna", "CHUV")


def made_up_cases(count: int, sites: tuple[str, ...] = SITES) -> tuple[CaseInfo, ...]:
    """Cases dealt out to the sites in turn, with every optional column filled."""
    return tuple(
        CaseInfo(
            subject=f"sub-{i:03d}",
            name=f"sub-{i:03d}_rec-mial_T2w",
            site=sites[i % len(sites)],
            age=20.0 + i % 16,
            pathology="Pathological" if i % 3 == 0 else "Neurotypical",
            reconstruction="mial",
            field_strength=("1.5T", "3T", "0.55T")[i % 3],
            quality=float(i % 5),
            in_domain=i % 3 != 2,
        )
        for i in range(count)
    )


def made_up_table(
    teams: int | tuple[str, ...] = 4, cases: int = 12, seed: int = 0, sites: tuple[str, ...] = SITES
) -> ScoreTable:
    """Teams of falling skill; no penalties, no gaps."""
    generator = np.random.default_rng(seed)
    names = teams if isinstance(teams, tuple) else tuple(f"team-{t}" for t in range(teams))
    shape = (len(names), cases, len(TISSUES))
    skill = np.linspace(0.02, 0.12, len(names))[:, None, None] * generator.gamma(4, 0.4, shape)
    truth = generator.uniform(20, 90, (cases, len(MEASUREMENTS)))
    lengths = truth * (1 + generator.normal(0, 0.05, (len(names), cases, len(MEASUREMENTS))))
    columns = {
        "dice": np.clip(1 - 2 * skill, 0, 1),
        "vs": np.clip(1 - skill, 0, 1),
        "hd95": 20 * skill,
        "ed": np.round(400 * skill),
        "b0": np.round(100 * skill),
        "b1": np.round(300 * skill),
        "b2": np.round(20 * skill),
    }
    return ScoreTable(
        teams=names,
        cases=made_up_cases(cases, sites),
        values=np.stack([columns[metric] for metric in SEGMENTATION_METRICS], axis=-1),
        reasons=np.full((*shape, len(SEGMENTATION_METRICS)), "", dtype="<U40"),
        ed_floor=generator.integers(0, 60, (cases, len(TISSUES))).astype(np.float64),
        true_lengths=truth,
        lengths=lengths,
        length_errors=np.abs(lengths - truth) / truth * 100,
        length_reasons=np.full(lengths.shape, "", dtype="<U40"),
    )


def replaced(table: ScoreTable, **fields: npt.NDArray) -> ScoreTable:
    """A copy with some arrays exchanged."""
    return ScoreTable(**{**{name: getattr(table, name) for name in ScoreTable.__dataclass_fields__}, **fields})


def scores_of(table: ScoreTable) -> Scores:
    return Scores(
        table.teams, table.cases, table.values, table.reasons, table.length_errors, table.length_reasons, {}, "table"
    )

"""The bench's table: a mean, the tenth percentile and the worst of each group of volumes, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.scoring.score_table import SEGMENTATION_METRICS
from feta.labels import TISSUES, Tissue
from feta.participants import Participant

#: The share of images, by their rated quality, that count as the worst.
WORST = 0.1
HEADING = (
    "| | volumes | Dice | tenth percentile | worst | HD95 mm | worst | VS | ED | Σ\\|Δb\\| | eCSF HD95 mm "
    "| worst case |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Result:
    """One volume.

    Attributes:
        subject: its name.
        values: (7 tissues, 7 metrics).
        together: Dice of the tissues taken for one; NaN where none are.
    """

    subject: str
    values: npt.NDArray[np.float64]
    together: float


def table_rows(
    name: str, results: Sequence[Result], together: str, by: Sequence[str], people: Mapping[str, Participant]
) -> Iterator[str]:
    """Markdown rows of some volumes: of all, and of groups of them.

    Args:
        name: of the first row.
        results: of the volumes.
        together: names of tissues taken for one as well; "" for none.
        by: columns of the table of subjects, ``pathology`` or ``quality``, by which groups are told apart.
        people: that table.
    """
    yield _row(name, results)
    if together:
        values = [result.together for result in results]
        yield f"| {name}, {' and '.join(together.split())} as one | {len(values)} | {_spread(values)} |" + " |" * 7
    groups: dict[str, list[Result]] = {}
    for column in by:
        for label, members in _groups(column, results, people).items():
            groups.setdefault(f"{name}, {label}", []).extend(members)
    for label, members in groups.items():
        yield _row(label, members)


def _groups(column: str, results: Sequence[Result], people: Mapping[str, Participant]) -> dict[str, list[Result]]:
    if column == "quality":
        rated = [(people[r.subject].quality, r) for r in results if r.subject in people]
        known = sorted(((q, r) for q, r in rated if q is not None), key=lambda pair: pair[0])
        count = max(1, round(WORST * len(known)))
        return {"worst tenth of images": [r for _, r in known[:count]]} if known else {}
    found: dict[str, list[Result]] = {}
    for result in results:
        person = people.get(result.subject)
        found.setdefault((person.pathology if person else None) or "pathology unknown", []).append(result)
    return found


def _row(name: str, results: Sequence[Result]) -> str:
    values = np.stack([result.values for result in results])
    means = {metric: values[:, :, at].mean(axis=1) for at, metric in enumerate(SEGMENTATION_METRICS)}
    betti = sum(means[metric] for metric in ("b0", "b1", "b2"))
    csf = values[:, TISSUES.index(Tissue.ECSF), SEGMENTATION_METRICS.index("hd95")].mean()
    worst = results[int(means["dice"].argmin())]
    cells = [
        _spread(means["dice"]),
        f"{means['hd95'].mean():.2f} | {means['hd95'].max():.2f}",
        f"{means['vs'].mean():.3f}",
        f"{means['ed'].mean():.2f}",
        f"{np.mean(betti):.2f}",
        f"{csf:.2f}",
        f"{worst.subject}: {TISSUES[int(worst.values[:, 0].argmin())].name} {worst.values[:, 0].min():.3f}",
    ]
    return f"| {name} | {len(results)} | " + " | ".join(cells) + " |"


def _spread(values: npt.ArrayLike) -> str:
    """Mean, tenth percentile and least."""
    found = np.asarray(values, np.float64)
    return f"{found.mean():.3f} | {np.percentile(found, 10):.3f} | {found.min():.3f}"

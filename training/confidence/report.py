"""What verdicts, intervals and estimated ages are worth on volumes whose truth is known, as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from feta.labels import TISSUES
from feta.measurements import MEASUREMENTS
from inference.confidence.quality_model import CHANCE, Figure, QualityModel
from inference.confidence.verdict import Verdict
from training.confidence.age_report import age_table
from training.confidence.causes import AS_IS
from training.confidence.judged import Judged

Array = npt.NDArray[np.float64]
BOOTSTRAPS = 1000
#: Verdicts that are told apart; with a model none is unjudged.
TOLD = (Verdict.ACCEPT, Verdict.CHECK, Verdict.REJECT)


def report(judged: Sequence[Judged], model: QualityModel) -> Iterator[str]:
    """Everything that ``assess confidence`` prints, as Markdown.

    Args:
        judged: rows of cohorts that nothing was fitted on, or of left-out individuals.
        model: that they were judged by.
    """
    yield f"model of {model.cases} volumes of {model.individuals} individuals; {len(judged)} volumes judged\n"
    yield from verdicts(judged)
    yield from coverage(judged, model)
    yield from expected_dice(judged)
    plain = [(e.row, e.age) for e in judged if e.row.cause == AS_IS and np.isfinite(e.row.age)]
    yield from age_table([(row, age) for row, age in plain if age is not None])


def verdicts(judged: Sequence[Judged]) -> Iterator[str]:
    """The confusion of verdicts, of all volumes and by cause."""
    yield "| cause | volumes | accept | check | reject | bad | of them not accepted | good | of them not accepted |"
    yield "|---|---|---|---|---|---|---|---|---|"
    spoilt = [each for each in judged if each.row.cause != AS_IS]
    parts = [("all spoilt", spoilt)] if spoilt else []
    parts += [
        (cause, [e for e in judged if e.row.cause == cause]) for cause in dict.fromkeys(e.row.cause for e in judged)
    ]
    for name, members in parts:
        counts = [sum(e.judgement.verdict is v for e in members) for v in TOLD]
        bad, good = [e for e in members if e.row.bad], [e for e in members if e.row.good and not e.row.refused]
        cells = [name, len(members), *counts, len(bad), _share(bad), len(good), _share(good)]
        yield "| " + " | ".join(map(str, cells)) + " |"
    yield "\nbad: mean Dice below 0.75 or any tissue below 0.5; good: mean Dice 0.85 or more, no tissue below 0.7\n"


def _share(members: Sequence[Judged]) -> str:
    """How many are not accepted, with Clopper and Pearson's 95 % interval."""
    if not members:
        return "–"
    held = sum(not each.accepted for each in members)
    found = stats.binomtest(held, len(members)).proportion_ci()
    return f"{held} ({100 * held / len(members):.0f} %, {100 * found.low:.0f}–{100 * found.high:.0f})"


@dataclass(frozen=True)
class Pairs:
    """Pairs of case and figure: whether each interval holds the truth, and half its width; (N,) each."""

    held: npt.NDArray[np.bool_]
    width: Array
    case: npt.NDArray[np.int64]
    element: npt.NDArray[np.int64]


def pairs_of(judged: Sequence[Judged], figure: Figure) -> Pairs:
    """All pairs whose truth and interval are known."""
    held, width, case, element = [], [], [], []
    for number, each in enumerate(judged):
        if each.expected is None:
            continue
        true = {
            Figure.DICE: each.row.dice,
            Figure.HD95: each.row.hd95,
            Figure.VOLUME: each.row.true_volumes,
            Figure.LENGTH: each.row.true_lengths,
        }[figure]
        for at, (value, low, high) in enumerate(getattr(each.expected, figure)):
            if np.isfinite([true[at], value, low, high]).all():
                held.append(low - 1e-9 <= true[at] <= high + 1e-9)
                relative = figure in (Figure.VOLUME, Figure.LENGTH)
                width.append((high - low) / 2 / (value if relative and value else 1.0))
                case.append(number)
                element.append(at)
    return Pairs(np.array(held, bool), np.array(width), np.array(case, int), np.array(element, int))


def coverage(judged: Sequence[Judged], model: QualityModel) -> Iterator[str]:
    """Coverage and width of the intervals by group, of volumes as they are."""
    plain = [each for each in judged if each.row.cause == AS_IS and not each.row.refused]
    yield f"{100 * CHANCE:.0f} % intervals, volumes as they are; widths in % of the size, points of Dice, mm of HD95\n"
    yield "| figure | group | cases | pairs | held | 95 % interval | median half width |\n|---|---|---|---|---|---|---|"
    groups = _groups(plain, model)
    for figure in Figure:
        pairs = pairs_of(plain, figure)
        if not len(pairs.held):
            continue
        names = [str(m) for m in MEASUREMENTS] if figure is Figure.LENGTH else [t.name for t in TISSUES]
        parts: dict[str, npt.NDArray[np.bool_]] = {"all": np.ones(len(pairs.held), bool)}
        parts |= {name: members[pairs.case] for name, members in groups.items()}
        parts |= {name: pairs.element == at for at, name in enumerate(names)}
        for name, chosen in parts.items():
            if chosen.any():
                yield _covered(figure, name, pairs, chosen)
    yield ""


def _groups(plain: Sequence[Judged], model: QualityModel) -> dict[str, npt.NDArray[np.bool_]]:
    """Members (N,) of thirds of age, halves of expected quality, the ill and the healthy."""
    age = np.array([e.row.age if np.isfinite(e.row.age) or e.age is None else e.age.weeks for e in plain])
    dice = np.array([np.nan if e.expected is None else e.expected.dice[:, 0].mean() for e in plain])
    ill = np.array([e.row.ill for e in plain], bool)
    first, second = model.groups.weeks
    return {
        f"to {first:.0f} weeks": age <= first,
        f"{first:.0f} to {second:.0f} weeks": (age > first) & (age <= second),
        f"above {second:.0f} weeks": age > second,
        "better half": dice >= model.groups.dice,
        "worse half": dice < model.groups.dice,
        "healthy": ~ill,
        "ill": ill,
    }


def _covered(figure: Figure, name: str, pairs: Pairs, chosen: npt.NDArray[np.bool_]) -> str:
    held, case = pairs.held[chosen], pairs.case[chosen]
    low, high = _by_cases(held, case)
    width = float(np.median(pairs.width[chosen]))
    shown = f"{width:.2f}" if figure is Figure.HD95 else f"{100 * width:.1f}"
    cells = [
        figure,
        name,
        len(set(case.tolist())),
        len(held),
        f"{100 * held.mean():.1f}",
        f"{low:.0f}–{high:.0f}",
        shown,
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def _by_cases(held: npt.NDArray[np.bool_], case: npt.NDArray[np.int64]) -> tuple[float, float]:
    """95 % interval (%) of a share by drawing cases again: the pairs of a case are not independent."""
    _, own = np.unique(case, return_inverse=True)
    total, good = np.bincount(own).astype(float), np.bincount(own, weights=held)
    draw = np.random.default_rng(0).integers(len(total), size=(BOOTSTRAPS, len(total)))
    shares = good[draw].sum(axis=1) / total[draw].sum(axis=1)
    low, high = np.percentile(100 * shares, [2.5, 97.5])
    return float(low), float(high)


def expected_dice(judged: Sequence[Judged]) -> Iterator[str]:
    """How near expected Dice is, and the area under the risk–coverage curve."""
    known = [each for each in judged if each.expected is not None]
    if not known:
        return
    true = np.stack([each.row.dice for each in known])
    said = np.stack([each.expected.dice[:, 0] for each in known if each.expected is not None])
    mean_true, mean_said = true.mean(axis=1), said.mean(axis=1)
    rank = stats.spearmanr(mean_true, mean_said).statistic if len(known) > 2 else float("nan")
    yield (
        f"expected Dice: off by {np.abs(said - true).mean():.3f} a tissue, "
        f"{np.abs(mean_said - mean_true).mean():.3f} the mean; rank correlation of the mean {rank:.2f}; "
        f"{len(known)} volumes"
    )
    area, ideal, chance = (risk_coverage(1 - mean_true, by) for by in (mean_said, mean_true, None))
    yield f"risk–coverage area (1 - mean Dice): {area:.4f}; by true Dice {ideal:.4f}, in any order {chance:.4f}\n"


def risk_coverage(risk: Array, confidence: Array | None) -> float:
    """Area under the risk–coverage curve (Geifman and El-Yaniv, NeurIPS 2017): mean risk of the surest k, over all k.

    Args:
        risk: (N,).
        confidence: (N,), the greater the surer; None for no order at all.
    """
    if confidence is None:
        return float(risk.mean())
    ordered = risk[np.argsort(-confidence, kind="stable")]
    return float((np.cumsum(ordered) / np.arange(1, len(ordered) + 1)).mean())

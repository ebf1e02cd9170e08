"""What the analysis makes of score tables whose effects are set: sizes recovered, false alarms, what is visible.

    python -m benchmarks.effects [--cases 2000 180] [--tables 6] [--alarms 200] [--confounded] [--noise 0.03] [--sizes]

Sizes are differences of mean SHAP values between a factor's true extremes. A false alarm is a factor without an
effect that is called seen, while the other three have theirs; each factor is taken away in turn.
"""

from __future__ import annotations

import argparse

import numpy as np

from evaluation.analysis.effects import (
    PERMUTATIONS,
    Effect,
    EffectEstimator,
    effect_estimator,
    effect_of,
    is_seen,
    level_means,
)
from evaluation.analysis.factors import PATHOLOGY, SITE, Floats
from evaluation.analysis.forest import ForestSettings, cross_validated_r2
from evaluation.analysis.simulated import PLACES, SetEffects, simulated_study

#: An effect of 0.05 or more is to be recovered within this share of what was set.
TARGET = 0.3


def main() -> None:
    """Print everything for each number of cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cases", type=int, nargs="+", default=[2000, 180])
    parser.add_argument("--tables", type=int, default=6, help="tables with all four effects, for each number of cases")
    parser.add_argument("--alarms", type=int, default=200, help="tables in which one factor has no effect")
    parser.add_argument("--confounded", action="store_true", help="image quality goes along with the site")
    parser.add_argument("--sizes", action="store_true", help="sizes alone, without their null: seconds, not minutes")
    parser.add_argument("--noise", type=float, default=SetEffects.noise)
    arguments = parser.parse_args()
    effects = SetEffects(noise=arguments.noise, confounded=arguments.confounded)
    for cases in arguments.cases:
        print(f"\n{cases} cases, {effects}", flush=True)
        if arguments.tables:
            _recovered(cases, effects, arguments.tables, null=not arguments.sizes)
        if arguments.alarms and not arguments.sizes:
            _false_alarms(cases, effects, arguments.alarms)


def true_extremes(estimator: EffectEstimator, factor: int) -> tuple[int, int]:
    """Indices of the levels whose set effect is lowest and highest."""
    names = estimator.levels[factor].names
    if estimator.factors[factor].name == SITE:
        steps = {f"{site}, {reconstruction}": step for site, reconstruction, _, step in PLACES}
        order = sorted(range(len(names)), key=lambda k: steps[names[k]])
        return order[0], order[-1]
    if estimator.factors[factor].name == PATHOLOGY:
        return names.index("Pathological"), names.index("Neurotypical")
    return 0, len(names) - 1


def _recovered(cases: int, effects: SetEffects, tables: int, *, null: bool) -> None:
    """Each factor's size between its true extremes, beside the largest that chance makes; tables in order."""
    found: dict[str, list[float]] = {name: [] for name in effects.by_factor()}
    chance, seen = {name: [float("nan")] * tables for name in found}, dict.fromkeys(found, 0)
    scores, in_order = [], 0
    for seed in range(tables):
        study = simulated_study(cases, effects, seed)
        estimator = effect_estimator(study.factors, ForestSettings(seed=seed))
        dice = study.targets["dice"]
        scores.append(cross_validated_r2(estimator.design, dice, [c.subject for c in study.cases], estimator.settings))
        shap = estimator.shap(dice)
        for k, factor in enumerate(study.factors):
            found[factor.name].append(_between_extremes(estimator, shap, k))
            if null:
                effect = _told(estimator, dice, shap, k, table=seed)
                chance[factor.name][seed] = effect.threshold
                seen[factor.name] += effect.seen
        sizes = [found[name][-1] for name in effects.by_factor()]
        in_order += sizes == sorted(sizes, reverse=True)
    print(f"{tables} tables: R² of unseen cases {np.mean(scores):.3f}; in order in {in_order} of {tables}")
    print(
        f"{'':<26}{'set':>8}{'mean':>9}{'lowest':>9}{'highest':>9}{'of set':>8}{f'within {TARGET:.0%}':>13}"
        f"{'by chance ≤':>13}{'seen':>7}"
    )
    for name, size in effects.by_factor().items():
        _print_factor(name, size, np.array(found[name]), np.array(chance[name]), seen[name])


def _print_factor(name: str, size: float, sizes: Floats, chance: Floats, seen: int) -> None:
    """A line: (T,) sizes between true extremes, and (T,) the largest by chance, NaN where there is no null."""
    part, near = "", ""
    if size:
        part, near = f"{sizes.mean() / size:.0%}", f"{int((abs(sizes / size - 1) <= TARGET).sum())}/{len(sizes)}"
    told = f"{chance.max():>13.4f}{f'{seen}/{len(sizes)}':>7}" if np.isfinite(chance).all() else ""
    print(
        f"{name:<26}{size:>8.3f}{sizes.mean():>9.4f}{sizes.min():>9.4f}{sizes.max():>9.4f}{part:>8}{near:>13}{told}",
        flush=True,
    )


def _between_extremes(estimator: EffectEstimator, shap: Floats, factor: int) -> float:
    low, high = true_extremes(estimator, factor)
    means = level_means(shap[:, factor], estimator.levels[factor])
    return float(means[high] - means[low])


def _told(estimator: EffectEstimator, dice: Floats, shap: Floats, factor: int, *, table: int) -> Effect:
    """A table's effect with its null, as a report would have it; the first with the smallest visible effect."""
    effect = effect_of(estimator, dice, shap, factor, visible=table == 0)
    visible = f", smallest visible effect {f'{effect.visible:.3f}' if effect.visible else '–'}" if table == 0 else ""
    print(
        f"table {table + 1}: {effect.factor.name}: size {effect.size:.4f} ({' to '.join(effect.extremes())}), "
        f"largest of {PERMUTATIONS} by chance {effect.threshold:.4f}, p {effect.p:.3f}, "
        f"{'seen' if effect.seen else 'not seen'}{visible}",
        flush=True,
    )
    return effect


def _false_alarms(cases: int, effects: SetEffects, tables: int) -> None:
    names = list(effects.by_factor())
    alarms = dict.fromkeys(names, 0)
    for seed in range(tables):
        name = names[seed % len(names)]
        study = simulated_study(cases, effects.without(name), 100_000 + seed)
        estimator = effect_estimator(study.factors, ForestSettings(seed=seed))
        factor = [f.name for f in study.factors].index(name)
        alarms[name] += is_seen(estimator, study.targets["dice"], factor)
    parts = ", ".join(f"{name} {count}" for name, count in alarms.items())
    print(f"false alarms: {sum(alarms.values())} of {tables} tests ({sum(alarms.values()) / tables:.1%}): {parts}")


if __name__ == "__main__":
    main()

"""Published growth curves of what is measured here, and where a value lies on them.

The curves are those of public normative tools of the field, in the packaged ``norm_curves.csv``; they were transcribed,
not checked against the papers (`TRANSCRIBED`). The first curve of each of the five lengths is that of `feta.age_model`.

Whose definitions are FeTA's was judged by names, by numbers, and by label maps of healthy brains in FeTA's protocol:
those of the challenge's own group at 21, 30 and 38 weeks, and atlases of 18 and of 14 weeks. King's College London's
BOUNTI labels (Uus et al., eLife 2023;12:RP88818) have white matter, cerebellum and external CSF as FeTA has them.
FeTA's ventricles are BOUNTI's lateral, third and fourth ventricles and the cavum together; multi-BOUNTI has the vermis
apart from the cerebellum. Its "total brain" holds the ventricles and the external CSF, too (it equals the sum of all
of BOUNTI's labels to 1.3 % from 27 weeks): here that is the intracranial volume; its "parenchyma" is our brain.

Three tissues have no curve (`WITHOUT_NORM`), since every healthy brain would lie beyond it. The sums' are used from 24
weeks on: taken to the reference's brain width, the healthy maps' brains lie within one standard deviation of them from
27 weeks, at 1.8 at 24 weeks and at 2.4 to 2.7 at 21, where the parabolas fall below what a skull of that width holds.

A curve of a sum has the sum of its parts' means. The spread of a sum depends on how the parts go together, which no
source tells; it is at most the sum of the parts' standard deviations, and that is taken: such a curve never makes a
value look rarer than it is. The source says how many curves were added.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import cache
from itertools import groupby
from pathlib import Path
from statistics import NormalDist

import numpy as np

from feta.age_model import PUBLISHED_CURVES
from feta.measurements import MEASUREMENTS
from inference.biometry.lengths import AGE
from inference.morphometry.growth_curve import TRANSCRIBED, GrowthCurve
from inference.morphometry.measured import Measured, NormPosition

#: Beyond these centiles a value is flagged.
LOWEST, HIGHEST = 3.0, 97.0
NOT_MEASURED, FROM_AGE, BEYOND, DIFFER = "not measured", "from the age alone", "age beyond the norms", "norms differ"
BELOW, ABOVE = "below the 3rd centile", "above the 97th centile"
#: Tissues that FeTA's protocol draws otherwise than the published curves' do, and by how much.
WITHOUT_NORM = {
    "GM": "protocols draw the cortex at 41 to 64 ml at 30 weeks, which differs more than fetuses do",
    "SGM": "FeTA's deep grey matter is 1.2 to 2.2 times that of the published curves at any age",
    "BSM": "FeTA's brainstem is 1.1 to 1.8 times that of the published curves at any age",
}
_TABLE = Path(__file__).with_name("norm_curves.csv")
_MEANS, _SDS = ("q2", "q1", "q0"), ("sd2", "sd1", "sd0")


def curves_of(key: str) -> tuple[GrowthCurve, ...]:
    """The curves of a size by its key, the one that counts first; none where nobody published one.

    Args:
        key: as in ``Measured``.
    """
    return _curves().get(key, ())


@cache
def _curves() -> dict[str, tuple[GrowthCurve, ...]]:
    found: dict[str, list[GrowthCurve]] = {}
    for m in MEASUREMENTS:
        c = PUBLISHED_CURVES[m]
        found[m] = [GrowthCurve(c.source, m, c.weeks, (c.q2, c.q1, c.q0), (0.0, c.sd1, c.sd0))]
    with _TABLE.open(encoding="utf-8", newline="") as file:
        for (key, source), rows in groupby(csv.DictReader(file), lambda row: (row["key"], row["source"])):
            found.setdefault(key, []).append(_sum(source, list(rows)))
    return {key: tuple(curves) for key, curves in found.items()}


def _sum(source: str, parts: list[dict[str, str]]) -> GrowthCurve:
    """One curve of a source's rows for one size: each by its share of the size."""
    shares = np.array([float(part["share"]) for part in parts])
    mean, sd = (
        tuple(float(v) for v in shares @ np.array([[float(part[term]) for term in terms] for part in parts]))
        for terms in (_MEANS, _SDS)
    )
    weeks = max(float(part["first_week"]) for part in parts), min(float(part["last_week"]) for part in parts)
    said = source if len(parts) == 1 else f"{source}, {len(parts)} curves added"
    return GrowthCurve(said, " + ".join(part["measure"] for part in parts), weeks, mean, sd)  # type: ignore[arg-type]


def place(measured: Measured, age: float | None) -> Measured:
    """The same size with its place on the published curves for an age, and a flag where it asks for a look.

    Beyond a curve's weeks that curve says nothing. Where the means of two sources lie more than one standard deviation
    apart, by the smaller of theirs, no centile is given: it would depend on the source. A value from the age alone has
    none either.

    Args:
        measured: a size; its norms, z and centile are found anew.
        age: weeks; None where unknown.
    """
    bare = replace(measured, norms=(), z=None, centile=None)
    if bare.value is None:
        return replace(bare, flag=bare.flag or NOT_MEASURED)
    if bare.source == AGE:
        return replace(bare, flag=FROM_AGE)
    curves = curves_of(bare.key)
    if age is None or not curves:
        return bare
    norms = tuple(_position(c, bare.value, age) for c in curves if c.covers(age) and c.sd(age) > 0)
    if not norms:
        return replace(bare, norms=(), flag=BEYOND)
    extreme = _extreme(norms)
    if _differ(norms):
        said = f"{DIFFER}; {extreme} of both" if extreme else DIFFER
        return replace(bare, norms=norms, flag=said)
    first = norms[0]
    return replace(bare, norms=norms, z=first.z, centile=first.centile, flag=_extreme(norms[:1]) or bare.flag)


def said_of(position: NormPosition) -> str:
    """How tables and pages name a curve's source: with what must be known of its figures."""
    return f"{position.source}; {TRANSCRIBED}"


def _position(curve: GrowthCurve, value: float, age: float) -> NormPosition:
    mean, sd = curve.mean(age), curve.sd(age)
    z = (value - mean) / sd
    return NormPosition(curve.source, mean, sd, z, 100 * NormalDist().cdf(z))


def _differ(norms: tuple[NormPosition, ...]) -> bool:
    """Whether the means of two sources lie more than the smaller of their standard deviations apart."""
    return any(abs(a.mean - b.mean) > min(a.sd, b.sd) for i, a in enumerate(norms) for b in norms[:i])


def _extreme(norms: tuple[NormPosition, ...]) -> str:
    """That a value lies beyond the outer centiles of all curves on the same side; "" where it doesn't."""
    if all(norm.centile < LOWEST for norm in norms):
        return BELOW
    return ABOVE if all(norm.centile > HIGHEST for norm in norms) else ""

"""Growth curves as SVG that stands in a page: mean, the band from the 3rd to the 97th centile, and cases as dots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from inference.morphometry.growth_curve import GrowthCurve

WIDTH, HEIGHT = 260, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 6, 8, 22
#: Standard deviations to the 97th centile of a normal distribution.
TO_97TH = 1.8808
_STEPS = 24
#: So many dots are drawn small.
_MANY = 100
_TICKS_APART = 4


@dataclass(frozen=True)
class Dot:
    """A case on a chart: weeks, value, and its 90 % interval."""

    age: float
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        svg: the drawing; colours are the page's.
        scale: (x0, x per week, y0, y per unit), so that a script can put a mark where a dot is.
    """

    svg: Markup
    scale: tuple[float, float, float, float]


def growth_chart(curves: Sequence[GrowthCurve], dots: Sequence[Dot], words: str) -> Chart | None:
    """Draw curves with dots; the first curve has a band, further ones are dashed.

    Args:
        curves: of one size; None is returned without any.
        dots: a single one is drawn with its interval, many as one path.
        words: for those who can't see it.
    """
    if not curves:
        return None
    weeks = [*(w for c in curves for w in c.weeks), *(d.age for d in dots)]
    # Ages far beyond any curve would flatten it.
    first, last = max(min(weeks), 12.0), min(max(weeks), 45.0)
    tops = [c.mean(w) + TO_97TH * c.sd(w) for c in curves for w in c.weeks]
    bottoms = [c.mean(w) - TO_97TH * c.sd(w) for c in curves for w in c.weeks]
    highest = max([*tops, *(d.value if d.high is None else d.high for d in dots)])
    lowest = max(0.0, min([*bottoms, *(d.value if d.low is None else d.low for d in dots)]))
    step = _step(highest - lowest)
    lowest, highest = math.floor(lowest / step) * step, math.ceil(highest / step) * step
    across, down = (WIDTH - _LEFT - _RIGHT) / (last - first), (HEIGHT - _TOP - _BOTTOM) / (highest - lowest)
    scale = (_LEFT - first * across, across, _TOP + highest * down, -down)
    parts = [_axes(scale, first, last, lowest, highest, step)]
    drawn = [_curve(curve, scale, main=n == 0) for n, curve in enumerate(curves)]
    marks = _dots(dots, scale)
    # Many dots would hide the curves, a curve the single dot.
    parts += [_band(curves[0], scale), *([*drawn, marks] if len(dots) == 1 else [marks, *drawn])]
    start = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(words)}">'
    return Chart(Markup(start + "".join(parts) + "</svg>"), scale)


def _step(span: float) -> float:
    """A round step that divides a span into two to five."""
    power = 10.0 ** math.floor(math.log10(max(span, 1e-6) / 2))
    return float(next(m * power for m in (5, 2, 1) if span / (m * power) >= 2))


def _axes(scale: tuple, first: float, last: float, lowest: float, highest: float, step: float) -> str:
    x0, across, y0, down = scale
    parts = []
    for n in range(round((highest - lowest) / step) + 1):
        value = lowest + n * step
        y = y0 + value * down
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 4}" y="{y + 3:.1f}" text-anchor="end">{value:g}</text>')
    for week in range(math.ceil(first / _TICKS_APART) * _TICKS_APART, math.floor(last) + 1, _TICKS_APART):
        parts.append(f'<text x="{x0 + week * across:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{week}</text>')
    return "".join(parts)


def _points(curve: GrowthCurve, scale: tuple, sds: float) -> list[str]:
    """Along the curve, so many standard deviations above its mean."""
    x0, across, y0, down = scale
    first, last = curve.weeks
    weeks = [first + (last - first) * n / _STEPS for n in range(_STEPS + 1)]
    return [f"{x0 + w * across:.1f} {y0 + (curve.mean(w) + sds * curve.sd(w)) * down:.1f}" for w in weeks]


def _curve(curve: GrowthCurve, scale: tuple, *, main: bool) -> str:
    return f'<path class="{"mean" if main else "other"}" d="M{"L".join(_points(curve, scale, 0))}"/>'


def _band(curve: GrowthCurve, scale: tuple) -> str:
    around = [*_points(curve, scale, TO_97TH), *reversed(_points(curve, scale, -TO_97TH))]
    return f'<path class="band" d="M{"L".join(around)}Z"/>'


def _dots(dots: Sequence[Dot], scale: tuple) -> str:
    x0, across, y0, down = scale
    places = [(x0 + d.age * across, y0 + d.value * down) for d in dots]
    # A line of no length with round ends is a dot; one path of a thousand of them costs a browser little.
    path = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in places)
    whisker = ""
    if len(dots) == 1 and dots[0].low is not None and dots[0].high is not None:
        ends = [y0 + v * down for v in (dots[0].low, dots[0].high)]
        whisker = f'<path class="whisker" d="M{places[0][0]:.1f} {ends[0]:.1f}V{ends[1]:.1f}"/>'
    kind = " one" if len(dots) == 1 else " many" if len(dots) > _MANY else ""
    return f'{whisker}<path class="dots{kind}" d="{path}"/>' if path else ""

"""The page of a case: one file that opens offline, with a viewer, the sizes on growth curves, and what to check."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import feta
from feta.files import write_atomically
from feta.grid import Matrix
from feta.labels import TISSUE_COLOURS, TISSUE_NAMES, TISSUES
from feta.volumes import Volume
from inference.morphometry.growth_curve import TRANSCRIBED, GrowthCurve
from inference.morphometry.measured import Kind, Measured
from inference.morphometry.norms import why_none
from inference.report.advice import ALWAYS, centile_text, checks, is_extreme, signed
from inference.report.convention import Convention
from inference.report.growth_chart import Dot, growth_chart
from inference.report.private import names_case
from inference.report.render import capitalised, data_block, own_file, render_page
from inference.report.sampling import Scene
from inference.report.viewer_bundle import viewer_bundle
from inference.report.viewer_volume import ViewerVolume, viewer_volume

_UNKNOWN = "–"


@dataclass(frozen=True)
class PageVerdict:
    """Whether a result can be trusted.

    Attributes:
        verdict: 'unjudged', 'accept', 'check' or 'reject'.
        reasons: sentences without full stops.
        dice: name of a tissue, expected Dice, least and most with 90 %.
        age: the age that the image shows, in words; "" where it is unknown.
    """

    verdict: str
    reasons: tuple[str, ...] = ()
    dice: tuple[tuple[str, float, float, float], ...] = ()
    age: str = ""


@dataclass(frozen=True)
class CasePage:
    """What a case's page shows.

    Attributes:
        name: of the case.
        volume: (z, y, x) float32.
        labels: uint8 on the same grid.
        frame: 4×4 from physical LPS mm to the brain frame (x right, y anterior, z superior).
        measured: volumes and lengths.
        curves: published curves of each size, by its key.
        subject: the participant, as the case's files have it.
        age: weeks; None where unknown.
        warnings: one line each.
        picture: JPEG of the still pictures, without the case's name; None shows none.
        convention: which side is on the left.
        sides_known: whether left and right are the fetus's; no letters are shown otherwise.
        verdict: on the result; None where there is none.
        head: what the viewer scrolls through, where that is read already.
    """

    name: str
    volume: Volume
    labels: Volume
    frame: Matrix
    measured: Sequence[Measured] = ()
    curves: Mapping[str, tuple[GrowthCurve, ...]] = field(default_factory=dict)
    subject: str = ""
    age: float | None = None
    warnings: Sequence[str] = ()
    picture: bytes | None = None
    convention: Convention = Convention.RADIOLOGICAL
    sides_known: bool = True
    verdict: PageVerdict | None = None
    head: ViewerVolume | None = None


def read_head(volume: Volume, labels: Volume, frame: Matrix) -> ViewerVolume | None:
    """What the viewer of a page scrolls through; None without a viewer. Arguments as of ``CasePage``."""
    return viewer_volume(Scene.of(volume, labels, frame)) if viewer_bundle() else None


def write_case_page(path: Path, page: CasePage) -> None:
    """Write a case's page, at most 8 MB. Atomic.

    Raises:
        FetaError: it can't be written.
    """
    write_atomically(path, render_case(page))


def render_case(page: CasePage) -> str:
    """The text of a case's page; without nilearn, which carries the viewer, it has still pictures only."""
    scene = Scene.of(page.volume, page.labels, page.frame)
    bundle = viewer_bundle()
    head = page.head or read_head(page.volume, page.labels, page.frame)
    empty = not page.labels.array.any()
    return render_page(
        "case.html",
        [bundle.script, own_file("case.js")] if bundle else [own_file("case.js")],
        page=page,
        head=head,
        bundle=bundle,
        data=data_block(_for_script(page, scene)),
        checks=checks(page.measured, page.age, empty=empty),
        always=() if empty else ALWAYS,
        warnings=_private_lines(page, page.warnings),
        rows=[_row(m) for m in page.measured],
        verdict=page.verdict,
        reasons=_private_lines(page, () if page.verdict is None else page.verdict.reasons),
        why_none=[f"{capitalised(line)}." for line in why_none(page.measured)],
        charts=_charts(page),
        tissues=[] if empty else [(int(t), TISSUE_NAMES[t], _css(TISSUE_COLOURS[t])) for t in TISSUES],
        picture=None if page.picture is None else base64.b64encode(page.picture).decode("ascii"),
        transcribed=TRANSCRIBED,
        version=feta.__version__,
    )


def _private_lines(page: CasePage, lines: Sequence[str]) -> list[tuple[str, bool]]:
    """Each line, and whether it names the case, so that it is left out of a page that is shared."""
    return [(line, names_case(line, (page.name, page.subject))) for line in lines]


def _for_script(page: CasePage, scene: Scene) -> dict[str, Any]:
    """What the page's script needs: colours, lines in the brain frame, and the way back to the file's own mm."""
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.linalg.inv(page.frame)
    lines = {m.key: m.line.moved(page.frame) for m in page.measured if m.line is not None}
    return {
        "colours": [[round(255 * part) for part in TISSUE_COLOURS[t]] for t in TISSUES],
        "names": ["background", *(TISSUE_NAMES[t] for t in TISSUES)],
        "radiological": page.convention is Convention.RADIOLOGICAL,
        "sides": page.sides_known,
        "toFile": [[round(float(v), 5) for v in row] for row in to_ras[:3]],
        "middle": [round(float(v), 2) for v in (scene.low + scene.high) / 2],
        "lines": {key: [[round(v, 2) for v in end] for end in (n.start, n.end)] for key, n in lines.items()},
    }


def _row(measured: Measured) -> dict[str, Any]:
    known = measured.low is not None and measured.high is not None
    centile = measured.centile
    return {
        "measured": measured,
        "extreme": is_extreme(measured),
        "value": _UNKNOWN if measured.value is None else f"{measured.value:.{measured.kind.digits}f}",
        "interval": f"{measured.low:.1f}–{measured.high:.1f}" if known else "",
        "centile": "" if centile is None else centile_text(centile),
        "z": "" if measured.z is None else signed(measured.z),
        "norms": [f"{n.source}: z {signed(n.z)}" for n in measured.norms] if measured.z is None else [],
    }


def _charts(page: CasePage) -> list[dict[str, Any]]:
    found = []
    for measured in page.measured:
        curves = page.curves.get(measured.key, ())
        if page.age is None or measured.value is None:
            continue
        dots = [Dot(page.age, measured.value, measured.low, measured.high)]
        if chart := growth_chart(curves, dots, f"{measured.title} against gestational age"):
            sources = [c.source for c in curves]
            found.append({"measured": measured, "extreme": is_extreme(measured), "svg": chart.svg, "sources": sources})
    # Lengths first: they are what a report names.
    return sorted(found, key=lambda each: each["measured"].kind is not Kind.LENGTH)


def _css(colour: tuple[float, float, float]) -> str:
    return f"rgb({', '.join(str(round(255 * part)) for part in colour)})"

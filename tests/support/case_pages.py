"""Pages of a made-up head, as a case gets one."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from inference.biometry.measure import measure
from inference.morphometry.growth_curve import GrowthCurve
from inference.morphometry.measured import Kind, Measured
from inference.report.case_page import CasePage
from inference.report.viewer_bundle import Bundle
from tests.support.heads import TO_CANONICAL, make_head

HEAD = make_head((1.5, 1.5, 1.5))
LINES = {str(m): line for m, line in measure(HEAD.labels, TO_CANONICAL).items() if line}
CURVE = GrowthCurve("Somebody 2020", "length", (20.0, 38.0), (0.0, 1.5, -10.0), (0.0, 0.0, 2.0))
#: What the page would run, were it the viewer.
STAND_IN = Bundle("globalThis.niivue = null;", "1.2.3", "The licence of the viewer")
ATTACK = '"><script>document.title="taken"</script><img src=x onerror=alert(1)>'


def sizes() -> list[Measured]:
    """Lengths with lines, one of them far too small, and a volume without a norm."""
    found = [
        Measured(key, f"{key} in words", Kind.LENGTH, line.length, line.length - 1, line.length + 1, "image", line=line)
        for key, line in LINES.items()
    ]
    found[0] = replace(found[0], z=-2.61, centile=0.4, flag="below the 3rd centile")
    return [*found, Measured("VM", "ventricles", Kind.VOLUME, 5.25, source="label map")]


def case_page(**changed: Any) -> CasePage:
    """What a case's page shows; any of it may be given."""
    fixed: dict[str, Any] = {
        "measured": sizes(),
        "curves": dict.fromkeys(LINES, (CURVE,)),
        "subject": "sub-0815",
        "age": 29.5,
        "picture": b"\xff\xd8 no picture",
    }
    whole = CasePage("sub-0815_T2w", HEAD.image, HEAD.labels, TO_CANONICAL, **fixed)
    return replace(whole, **changed)


def scripts(page: str) -> list[str]:
    """Texts of a page's scripts that run."""
    return re.findall(r"<script>(.*?)</script>", page, re.DOTALL)


def block(page: str, name: str) -> str:
    """The text of a block of data."""
    found = re.search(rf'<script type="[^"]*" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return found[1]

"""Links of a page that moves from the repository into the site."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from tools.site.links import relinked

PAGES = {
    "docs/how-to/a.md": "how-to/a.md",
    "docs/images/p.png": "images/p.png",
    "weights/MODEL_CARD.md": "results/model-card.md",
}


@pytest.mark.parametrize(
    ("source", "page", "text", "expected"),
    [
        ("docs/index.md", "index.md", "[a](how-to/a.md#b)", "[a](how-to/a.md#b)"),
        ("docs/index.md", "index.md", "[card](../weights/MODEL_CARD.md)", "[card](results/model-card.md)"),
        ("weights/MODEL_CARD.md", "results/model-card.md", "[a](../docs/how-to/a.md)", "[a](../how-to/a.md)"),
        ("docs/how-to/a.md", "how-to/a.md", "![p](../images/p.png)", "![p](../images/p.png)"),
        ("docs/how-to/a.md", "how-to/a.md", "[`Makefile`](../../Makefile)", "`Makefile` (`Makefile`)"),
        ("docs/how-to/a.md", "how-to/a.md", "[Makefile](Makefile)", "[Makefile](Makefile)"),
        (
            "docs/how-to/a.md",
            "how-to/a.md",
            "[x](https://example.org/a.md) [y](#z)",
            "[x](https://example.org/a.md) [y](#z)",
        ),
        ("docs/how-to/a.md", "how-to/a.md", "[gone](gone.md)", "[gone](gone.md)"),
        ("docs/how-to/a.md", "how-to/a.md", "```\n[a](../../Makefile)\n```\n", "```\n[a](../../Makefile)\n```\n"),
    ],
)
def test_a_link_leads_where_it_led(tmp_path: Path, source: str, page: str, text: str, expected: str) -> None:
    (tmp_path / "Makefile").touch()
    assert relinked(text, PurePosixPath(source), PurePosixPath(page), PAGES, tmp_path) == expected

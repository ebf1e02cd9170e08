"""Self-contained pages that open without a network.

Plots are SVG images in data URIs, the style and the one script (sorting) are in the page, and a
content security policy forbids everything else: a team's name is text, whatever it holds.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render_page(template: str, **content: object) -> str:
    """The text of a page.

    Args:
        template: file in ``evaluation/report/templates`` that extends ``page.html``.
        content: what it shows.
    """
    environment = Environment(
        loader=PackageLoader("evaluation.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    own = files("evaluation.report") / "templates"
    script = (own / "sort.js").read_text(encoding="utf-8")
    return environment.get_template(template).render(
        **content,
        # Our own files, not input: they go in as they are.
        style=Markup((own / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )

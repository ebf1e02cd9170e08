"""Self-contained pages that open without a network.

Plots are SVG images in data URIs, the style and the one script (sorting) are in the page, and a
content security policy forbids everything else: a team's name is text, whatever it holds.
"""

from __future__ import annotations

import base64
import functools
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
    style, script = _own("report.css"), _own("sort.js")
    return (
        _environment()
        .get_template(template)
        .render(
            **content,
            # Our own files, not input: they go in as they are.
            style=Markup(style),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


@functools.cache
def _environment() -> Environment:
    """One for all pages: there can be one a team, and a template is compiled once."""
    return Environment(
        loader=PackageLoader("evaluation.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        auto_reload=False,
    )


@functools.cache
def _own(name: str) -> str:
    return (files("evaluation.report") / "templates" / name).read_text(encoding="utf-8")

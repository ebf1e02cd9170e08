"""Pages in one file that fetch nothing: style and scripts are in them, and a content security policy forbids the rest.

Names, ages and warnings are text, whatever they hold.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src {hashes}; connect-src 'none'; "
    "base-uri 'none'; form-action 'none'"
)


def render_page(template: str, scripts: Sequence[str], **content: object) -> str:
    """The text of a page.

    Args:
        template: file in ``inference/report/templates`` that extends ``page.html``.
        scripts: texts that run in this order; no other script does.
        content: what it shows.
    """
    hashes = " ".join(_hash(script) for script in scripts) or "'none'"
    text = (
        _environment()
        .get_template(template)
        .render(
            **content,
            # Our own files and the viewer, not input: they go in as they are.
            style=Markup(own_file("page.css")),
            scripts=[Markup(script) for script in scripts],
            policy=_POLICY.format(hashes=hashes),
        )
    )
    # Bytes of file names that are no UTF-8 are shown as escapes.
    return text.encode(errors="backslashreplace").decode()


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("inference.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    # jinja's own makes the rest of the text small.
    environment.filters["capitalise"] = capitalised
    return environment


def capitalised(text: str) -> str:
    """The same with a capital at its beginning."""
    return text[:1].upper() + text[1:]


@lru_cache
def own_file(name: str) -> str:
    """Text of a file in ``templates``."""
    return (files("inference.report") / "templates" / name).read_text("utf-8")


@lru_cache
def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def data_block(content: Any) -> Markup:
    """JSON that can stand in a script element of data: nothing in it ends the element."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)

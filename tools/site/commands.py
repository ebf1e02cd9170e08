"""Reference pages of the commands, from the definitions that their ``--help`` is made of."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import typer

#: The heading of a form of call, the words that it begins with, and its definition.
Form = tuple[str, str, Any]

_NOTE = "Generated from the code: the same words as `--help`."


def programs() -> dict[str, list[Form]]:
    """The command lines by program, each with the words that call it: ``feta-infer`` has forms of three kinds."""
    from evaluation.cli import app as evaluation
    from inference.cli import app as infer
    from inference.cli import forms
    from inference.commands.bids_app import app as bids
    from training.cli import app as training

    def tree(app: typer.Typer) -> Any:
        return typer.main.get_command(app)

    named = tree(forms)
    return {
        "feta-infer": [
            ("feta-infer", "feta-infer", tree(infer)),
            ("feta-infer BIDS OUT participant", "feta-infer", tree(bids)),
            *((f"feta-infer {name}", f"feta-infer {name}", command) for name, command in named.commands.items()),
        ],
        "feta-evaluate": [("feta-evaluate", "feta-evaluate", tree(evaluation))],
        "feta-train": [("feta-train", "feta-train", tree(training))],
    }


def page(title: str, forms: Iterable[Form]) -> str:
    """The Markdown page of one program: a section a command, hidden ones left out."""
    sections = [text for heading, words, command in forms for text in _sections(heading, words, command)]
    return "\n\n".join([f"# {title}", _NOTE, *sections]) + "\n"


def _sections(heading: str, words: str, command: Any) -> Iterator[str]:
    """A command's heading, help, usage, arguments and options; of a group its commands' instead of the last three."""
    context = typer.Context(command, info_name=words)
    commands = getattr(command, "commands", {})
    yield f"## {heading}"
    yield _escaped(inspect.cleandoc(command.help or ""))
    if not commands:
        yield f"```\n{_usage(words, command, context)}\n```"
        records = filter(None, (each.get_help_record(context) for each in command.params))
        rows = [f"| `{_cell(name)}` | {_escaped(_cell(text))} |" for name, text in records]
        yield "\n".join(["| given | meaning |", "|---|---|", *rows])
    yield _escaped(command.epilog or "")
    for name, child in commands.items():
        if not child.hidden:
            yield from _sections(f"{words} {name}", f"{words} {name}", child)


def _usage(words: str, command: Any, context: Any) -> str:
    """The line of usage, with an argument's brackets once: typer puts its own around a metavar that has them."""
    pieces = command.collect_usage_pieces(context)
    return " ".join([words, *(piece.replace("[[", "[").replace("]]", "]").strip("{}") for piece in pieces)])


def _cell(text: str) -> str:
    """One line; a bar would end the cell, and within code it can't be escaped."""
    return " ".join(text.split()).replace("|", " or ")


def _escaped(text: str) -> str:
    """Text of a help, in which neither an asterisk nor an angle bracket is markup; code in backquotes stays."""
    parts = text.split("`")
    parts[::2] = [part.replace("*", "\\*").replace("<", "&lt;").replace("_", "\\_") for part in parts[::2]]
    return "`".join(parts)

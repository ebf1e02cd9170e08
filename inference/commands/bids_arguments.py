"""A call as BIDS apps are called, and the same call as typer reads it.

``app BIDS OUT {participant,group} [--participant-label LABEL …]``: bids-apps.neuroimaging.io/about. Option names occur
with dashes and with underscores, and one option takes several labels.
"""

from __future__ import annotations

from collections.abc import Sequence

LEVELS = ("participant", "group")
PARTICIPANTS, SESSIONS, SKIP = "--participant-label", "--session-label", "--skip-bids-validation"
#: Other names of options among BIDS apps.
_OTHER_NAMES = {
    "--skip-bids-validator": SKIP,
    "--participant-labels": PARTICIPANTS,
    "--session-labels": SESSIONS,
    "--session-id": SESSIONS,
}
#: No other form has these.
_OWN = (PARTICIPANTS, SESSIONS, SKIP)


def bids_arguments(arguments: Sequence[str], with_value: frozenset[str]) -> list[str] | None:
    """The arguments of a BIDS app's call with one label an option, positional ones last; None for any other call.

    Args:
        arguments: of the call.
        with_value: names of the form's options that take a value.
    """
    options: list[str] = []
    places: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("-") or argument == "-":
            places.append(argument)
            continue
        name, equals, value = argument.partition("=")
        name = _plain(name)
        if name in (PARTICIPANTS, SESSIONS) and not equals:
            labels = _labels(rest, len(places))
            options += [part for label in labels or [""] for part in (name, label)]
            rest = rest[len(labels) :]
        else:
            options.append(name + equals + value)
            if name in with_value and not equals and rest:
                options.append(rest.pop(0))
    # Of another form's call the third may be the value of an option that this one doesn't know.
    is_app = places[2:3] and places[2] in LEVELS
    own = any(option.partition("=")[0] in _OWN for option in options)
    return [*options, "--", *places] if is_app or own else None


def _labels(rest: Sequence[str], places: int) -> Sequence[str]:
    """The labels at the beginning of what follows their option, where so many positional arguments came before."""
    end = next((at for at, one in enumerate(rest) if one.startswith("-") or one in LEVELS), len(rest))
    if rest[end : end + 1] and rest[end] in LEVELS:  # before the level stand BIDS and OUT
        end = max(0, end - max(0, 2 - places))
    return rest[:end]


def _plain(name: str) -> str:
    """An option's name with dashes, as this program has it."""
    dashed = "--" + name[2:].replace("_", "-") if name.startswith("--") else name
    return _OTHER_NAMES.get(dashed, dashed)

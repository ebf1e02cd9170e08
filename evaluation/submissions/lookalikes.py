"""Names that look the same and are not: shown as such, so that no reader takes one team for another.

Unicode calls such names confusable (Technical Standard 39). The letters below are Cyrillic, Greek, Armenian and
Cherokee ones in the shape of Latin ones, and digits in the shape of letters.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence

#: What takes no room, or only room, beside the characters that Unicode itself calls formatting.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
_BLANK = frozenset("\u2800")
#: A plain letter → others of its shape, by their numbers: as letters, no reader could tell them apart.
_ALIKE = {
    "a": "\u0430\u0251\u03b1", "c": "\u0441\u03f2", "d": "\u0501", "e": "\u0435\u04bd", "g": "\u0261\u0581",
    "h": "\u04bb\u0570", "i": "\u0456\u0131\u03b9", "j": "\u0458\u03f3", "k": "\u043a\u03ba",
    "l": "1I|\u04cf\u0406\u0399\u04c0", "n": "\u0578", "o": "\u043e\u03bf\u0585", "p": "\u0440\u03c1",
    "q": "\u051b\u0566", "r": "\u0433", "s": "\u0455", "u": "\u03c5\u057d", "v": "\u03bd\u0475", "w": "\u051d\u03c9",
    "x": "\u0445\u03c7", "y": "\u0443\u03b3\u04af", "A": "\u0410\u0391\u13aa", "B": "\u0412\u0392\u13f4",
    "C": "\u0421\u03f9\u13df", "D": "\u13a0", "E": "\u0415\u0395\u13ac", "G": "\u050c\u13c0",
    "H": "\u041d\u0397\u13bb", "J": "\u0408\u13ab", "K": "\u041a\u039a\u13e6", "L": "\u13de",
    "M": "\u041c\u039c\u13b7", "N": "\u039d", "O": "0\u041e\u039f\u0555", "P": "\u0420\u03a1\u13e2",
    "S": "\u0405\u054f\u13da", "T": "\u0422\u03a4\u13a2", "U": "\u054d", "V": "\u0474\u13d9", "W": "\u051c\u13b3",
    "X": "\u0425\u03a7", "Y": "\u0423\u03a5\u04ae", "Z": "\u0396\u13c3",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63", "_": "\u02cd",
    "'": "\u2019\u2018\u2032\u02b9\u02bc`\u00b4", '"': '\u201d\u201c\u2033', ".": "\u2024\u00b7", ",": "\u201a",
    ":": "\u02d0\ua789\u2236", "/": "\u2044\u2215",
}  # fmt: skip
_SHAPE = str.maketrans({other: plain for plain, others in _ALIKE.items() for other in others})
#: Two letters that are one at a glance.
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))


def shape(name: str) -> str:
    """What two names share if they look the same: not for people, only for comparing."""
    seen = []
    for character in unicodedata.normalize("NFKC", name):
        kind = unicodedata.category(character)
        if kind in ("Cf", "Cc", "Co", "Cs") or character in _UNSEEN or _is_variation(character):
            continue
        seen.append(" " if kind.startswith("Z") or character in _BLANK else character)
    plain = " ".join("".join(seen).split()).translate(_SHAPE)
    for pair, one in _PAIRS:
        plain = plain.replace(pair, one)
    return plain


def told_apart(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names as they are shown, and a line for each set of them that look the same.

    Of such names those that hold more than plain letters have what it is behind them: ``Vienna [U+0456 at 2]``.
    """
    alike: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        alike[shape(name)].append(place)
    shown, lines = list(names), []
    for places in alike.values():
        if len(places) < 2:
            continue
        for place in places:
            odd = _odd(names[place])
            shown[place] += f" [{', '.join(odd)}]" if odd else ""
        lines.append(f"{', '.join(repr(shown[place]) for place in places)} look the same: see which is whose")
    return shown, lines


def _odd(name: str) -> list[str]:
    """The characters of a name that its look doesn't tell, by their numbers and places."""
    blanks = name != " ".join(name.split())

    def hidden(character: str) -> bool:
        return not (character.isascii() and character.isprintable()) or (character == " " and blanks)

    return [f"U+{ord(character):04X} at {place}" for place, character in enumerate(name, 1) if hidden(character)]


def _is_variation(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"

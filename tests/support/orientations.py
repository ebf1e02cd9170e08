"""All ways of storing a volume."""

from __future__ import annotations

import itertools

#: Order of the axes, and which of them are mirrored.
WAYS = list(itertools.product(itertools.permutations(range(3)), itertools.product((False, True), repeat=3)))

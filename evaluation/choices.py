"""What the caller of the evaluator chooses between; imports nothing, so that ``--help`` answers at once."""

from __future__ import annotations

from typing import Literal

#: What the Euler characteristic of a prediction is compared with: the fixed table of expected Betti numbers, or that of
#: the ground truth.
Euler = Literal["table", "reference"]
#: How teams are ranked; see ``evaluation.ranking.schemes``.
RankingScheme = Literal["paper", "per-case", "per-label"]
#: How results are printed: a table on a terminal (lines separated by tabs elsewhere), or JSON.
Format = Literal["table", "json"]

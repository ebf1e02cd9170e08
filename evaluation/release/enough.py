"""Whether a mean stands for enough cases to be published: one of a few would tell the score of a single case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from evaluation.ranking.groups import Group
from evaluation.scoring.score_table import ScoreTable
from evaluation.submissions.reasons import Reason

Booleans = npt.NDArray[np.bool_]
#: What tells of a label, by the reason of its Dice, that the truth has none.
_NO_SUCH_LABEL = (Reason.ABSENT_IN_BOTH, Reason.EXTRA_LABEL)


@dataclass(frozen=True)
class Enough:
    """T teams, C cases, 7 labels, 7 metrics, 5 lengths.

    Attributes:
        groups: those whose means are published.
        fewest: cases that a mean may stand for. None at all is fine, too: then it is made of known penalties.
    """

    table: ScoreTable
    groups: Sequence[Group]
    fewest: int

    @cached_property
    def present(self) -> Booleans:
        """(C, 7) the labels that the truth has, as far as any team's score tells."""
        absent = np.isin(self.table.reasons[..., 0], _NO_SUCH_LABEL).any(axis=0)
        return self.table.mapped[:, None] & ~absent

    @cached_property
    def each_label(self) -> bool:
        """Whether means may be published by label: not where the truth has one of them in a few cases alone."""
        return self._all_fine(self.present)

    @cached_property
    def each_length(self) -> bool:
        """The same for the lengths."""
        return self._all_fine(np.isfinite(self.table.true_lengths))

    @cached_property
    def told(self) -> Booleans:
        """(T,) whether a team's segmentation numbers stand for enough cases: each metric's of each label in each group.

        Who hands in a single case, or labels with a measurable surface in a single one, would otherwise read its
        scores off the means. Where no mean is told by label, all labels of a case are one.
        """
        measured = (self.table.reasons == "") & self.present[:, :, None]
        return self._teams(measured if self.each_label else measured.any(axis=2))

    @cached_property
    def lengths_told(self) -> Booleans:
        """(T,) the same for the lengths."""
        given = (self.table.length_reasons == "") & np.isfinite(self.table.true_lengths)
        return self._teams(given if self.each_length else given.any(axis=2))

    def _teams(self, measured: Booleans) -> Booleans:
        """(T,) of (T, C, …)."""
        counts = np.stack([measured[:, group.members].sum(axis=1) for group in self.groups], axis=1)
        return np.asarray(self._fine(counts).reshape(len(counts), -1).all(axis=1))

    def _all_fine(self, known: Booleans) -> bool:
        """Of (C, K)."""
        return all(bool(self._fine(known[group.members].sum(axis=0)).all()) for group in self.groups)

    def _fine(self, counts: npt.NDArray[np.int_]) -> Booleans:
        return np.asarray((counts == 0) | (counts >= self.fewest))

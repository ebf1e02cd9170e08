"""Truth and prediction of a case, read once more for a picture of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from evaluation.report.worst_cases import PictureSource, draw
from evaluation.scoring.score_table import ScoreTable
from evaluation.scoring.truth import read_truth
from evaluation.submissions.find import find_submissions, locate
from evaluation.submissions.intake import RejectedError, check_label_map, take
from feta.volumes import read_label_map


def picture_source(truth: Path, submissions: Path, table: ScoreTable) -> PictureSource:
    """A function that draws case ``c`` of team ``t`` of a table; None where the prediction was rejected.

    Raises:
        FetaError: truth or submissions can't be used.
    """
    known = read_truth(truth)
    places = {case.name: i for i, case in enumerate(known.cases)}
    teams = {team.team: team for team in find_submissions(submissions)[0]}

    def source(t: int, c: int) -> bytes | None:
        case, team = table.cases[c], teams.get(table.teams[t])
        if team is None:
            return None
        i = places[case.name]
        true = read_label_map(known.label_maps[i])
        try:
            only = known.only_case[i]
            name = locate(team.label_maps, case.name, case.subject, only_case=only, kind="label map")
            with tempfile.TemporaryDirectory(prefix="feta-") as folder:
                volume, _ = check_label_map(take(team.root, name, Path(folder), known.files), true.grid)
        except RejectedError:
            return None
        sx, sy, sz = true.grid.spacing
        return draw(true.array, volume.array, (sz, sy, sx))

    return source

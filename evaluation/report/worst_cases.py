"""Pictures of the worst cases: they show test data, so they are drawn only where the organizer asks."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from evaluation.ranking.results import Results
from evaluation.report.style import STYLE
from evaluation.scoring.score_table import SEGMENTATION_METRICS, ScoreTable
from evaluation.scoring.truth import read_truth
from evaluation.submissions.find import find_submissions, locate
from evaluation.submissions.intake import RejectedError, private_folder
from evaluation.submissions.label_maps import check_label_map, take_label_map
from feta.labels import LABEL_COUNT, TISSUE_COLOURS, TISSUES, foreground_box
from feta.volumes import read_label_map

#: Index of a team and of a case → a PNG, or None where there is nothing to draw (no valid prediction).
PictureSource = Callable[[int, int], bytes | None]
#: Cases shown of each team.
WORST = 10
Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Shot:
    """A picture of one case as a data URI."""

    case: str
    site: str
    dice: float
    uri: str


@dataclass(frozen=True)
class TeamShots:
    """A team's worst cases, worst first."""

    label: str
    shots: tuple[Shot, ...]


def worst_cases(results: Results, source: PictureSource) -> list[TeamShots]:
    """The cases of smallest mean Dice of each team, teams in the leaderboard's order."""
    table = results.table
    dice = table.values[..., SEGMENTATION_METRICS.index("dice")].mean(axis=2)
    found = []
    for place, t in enumerate(results.segmentation[0].ranking.order(), start=1):
        shots = []
        for c in np.argsort(dice[t], kind="stable")[: min(WORST, int(table.mapped.sum()))]:
            png = source(t, int(c))
            if png is not None:
                uri = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
                shots.append(Shot(table.cases[c].name, table.cases[c].site, float(dice[t, c]), uri))
        found.append(TeamShots(f"{place} {table.teams[t]}", tuple(shots)))
    return [team for team in found if team.shots]


def draw(truth: Labels, prediction: Labels, spacing: tuple[float, float, float]) -> bytes:
    """Ground truth, prediction and their difference in three planes, as a PNG.

    Args:
        truth, prediction: (z, y, x) uint8 labels 0–7 on one grid.
        spacing: (z, y, x) mm.
    """
    colours = ListedColormap(["#000000", *(TISSUE_COLOURS[tissue] for tissue in TISSUES)])
    centre = _centre(truth if truth.any() else prediction)
    with mpl.rc_context(STYLE | {"axes.grid": False}):
        figure = Figure(figsize=(6.6, 6.4), layout="constrained", facecolor="white")
        panels = figure.subplots(3, 3)
        for row, axis in enumerate(range(3)):
            true, predicted = (np.take(labels, centre[axis], axis=axis) for labels in (truth, prediction))
            wrong = np.where(true == predicted, np.where(true > 0, 1, 0), 2)
            height, width = (s for i, s in enumerate(spacing) if i != axis)
            for axes, image in zip(panels[row, :2], (true, predicted), strict=True):
                axes.imshow(image, cmap=colours, vmin=0, vmax=LABEL_COUNT - 1, origin="lower", aspect=height / width,
                            interpolation="nearest")  # fmt: skip
            panels[row, 2].imshow(wrong, cmap=ListedColormap(["#000000", "#4d4d4d", "#f0e442"]), vmin=0, vmax=2,
                                  origin="lower", aspect=height / width, interpolation="nearest")  # fmt: skip
        for axes, title in zip(panels[0], ("truth", "prediction", "difference (bright)"), strict=True):
            axes.set_title(title)
        for axes in panels.ravel():
            axes.set_axis_off()
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()


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
            with private_folder() as folder:
                copy = take_label_map(team.root, name, folder, true.grid, known.files)
                volume, _ = check_label_map(copy, true.grid)
        except RejectedError:
            return None
        sx, sy, sz = true.grid.spacing
        return draw(true.array, volume.array, (sz, sy, sx))

    return source


def _centre(labels: Labels) -> tuple[int, ...]:
    """Index of the middle of what is labelled, along each axis."""
    box = foreground_box(labels)
    if box is None:
        return tuple(n // 2 for n in labels.shape)
    return tuple((span.start + span.stop - 1) // 2 for span in box)

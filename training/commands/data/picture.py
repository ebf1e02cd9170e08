"""``feta-train data picture``: one case a site of a cohort, three planes, with and without its label map."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from feta.cases import Case, find_cases, label_map_path
from feta.errors import FetaError
from feta.files import write_atomically
from feta.labels import TISSUE_COLOURS, TISSUES
from feta.participants import Participant, read_participants
from feta.volumes import Volume, read_label_map, read_volume

#: Around the brain, mm.
_MARGIN_MM = 16.0
_INCHES = 2.1


def picture(
    cohort: Annotated[Path, typer.Argument(help="Folder that `feta-train data simulate` wrote.")],
    out: Annotated[Path, typer.Argument(help="Picture to write (.png or .jpg).")],
) -> None:
    """Draw the first case of every site of a simulated cohort, label map beside it."""
    people = read_participants(cohort / "input" / "participants.tsv")
    chosen: dict[str, tuple[Case, Participant]] = {}
    for case in find_cases(cohort / "input").all_usable():
        person = people[case.subject]
        chosen.setdefault(person.site or "", (case, person))
    if not chosen:
        raise FetaError(cohort, "holds no case", "make one with `feta-train data simulate`")
    write_atomically(out, _draw(cohort, list(chosen.values()), out.suffix.removeprefix(".")))
    typer.echo(str(out))


def _draw(cohort: Path, cases: list[tuple[Case, Participant]], kind: str) -> bytes:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure((6 * _INCHES, len(cases) * (_INCHES + 0.25)), layout="constrained")
    grid = figure.subplots(len(cases), 6, squeeze=False)
    for row, (case, person) in enumerate(cases):
        image = read_volume(case.image)
        labels = read_label_map(label_map_path(cohort / "truth", case), image.grid)
        views = _views(image, labels)
        axes = grid[row]
        for ax, view in zip(axes, views, strict=True):
            ax.imshow(view, interpolation="nearest")
            ax.axis("off")
        finding = "" if person.pathology == "Neurotypical" else ", pathological"
        title = f"{person.site}, {person.age:.1f} weeks{finding}, {person.field_strength}, quality {person.quality}"
        axes[0].set_title(f"{title} (simulated)", fontsize=9, loc="left")
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, dpi=70)
    return stream.getvalue()


def _views(image: Volume, labels: Volume) -> list[npt.NDArray[np.uint8]]:
    """Three planes (rows, columns, 3) through the brain's middle, each plain and with its labels."""
    from inference.geometry.orientation import Reorientation

    # LPS axes: the patient's left is at the right of the picture, as radiologists look at it.
    order = Reorientation.of(image.grid)
    ordered, truth = order.apply(image), order.apply(labels)
    where = np.argwhere(truth.array > 0)
    middle = (where.min(0) + where.max(0)) // 2
    spacing = ordered.grid.spacing[0]
    reach = int(np.ptp(where, axis=0).max() / 2 + _MARGIN_MM / spacing)
    bright = float(np.percentile(ordered.array[truth.array > 0], 99.5))
    views = []
    for axis in (0, 1, 2):
        grey, tissue = (_slice(v.array, axis, middle, reach) for v in (ordered, truth))
        plain = np.repeat(np.clip(grey / bright, 0, 1)[..., None], 3, 2)
        views += [_bytes(plain), _bytes(_coloured(plain, tissue))]
    return views


def _slice(array: npt.NDArray, axis: int, middle: npt.NDArray[np.int64], reach: int) -> npt.NDArray:
    """One plane through the middle, padded to a square; the head is up in coronal and sagittal planes."""
    padded = np.pad(array, reach)
    window = [slice(m, m + 2 * reach) for m in middle]
    plane = padded[tuple(m + reach if i == axis else window[i] for i, m in enumerate(middle))]
    return plane if axis == 0 else plane[::-1]


def _coloured(plain: npt.NDArray[np.float64], labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    from matplotlib.colors import to_rgb

    mixed = plain.copy()
    for tissue in TISSUES:
        inside = labels == tissue
        mixed[inside] = 0.35 * plain[inside] + 0.65 * np.array(to_rgb(TISSUE_COLOURS[tissue]))
    return mixed


def _bytes(view: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    return np.round(255 * view).astype(np.uint8)

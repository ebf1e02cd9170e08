"""A picture a case to judge the result by eye: the planes in which a radiologist measures, with tissue and lengths.

Mid-sagittal (callosum and vermis), coronal through the widest cerebellum, axial through the atria (both biparietal
diameters): each plane lies where the case's own line does.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from feta.files import write_atomically
from feta.grid import Matrix, transformed
from feta.labels import TISSUE_COLOURS, TISSUES
from feta.measurements import Measurement
from feta.volumes import Volume
from inference.biometry.lengths import Length
from inference.biometry.line import Line
from inference.geometry.interpolation import affine_sample

#: Pixels of this size (mm).
PIXEL_MM = 0.5
#: Around the label map, mm.
MARGIN_MM = 12.0
WIDTH_INCHES, WORDS_INCHES = 13.5, 0.55
DPI = 80
#: What the sides of a panel are, by the axis that goes to the right.
SIDES = {0: "LR", 1: "PA"}
#: For each plane: its name, the axis across it, the axes to the right and up (0 x, 1 y, 2 z), and its lengths,
#: the first of which that was measured says where the plane lies.
PLANES = (
    ("sagittal", 0, (1, 2), (Measurement.LCC, Measurement.HV)),
    ("coronal", 1, (0, 2), (Measurement.TCD,)),
    ("axial", 2, (0, 1), (Measurement.BBIP, Measurement.SBIP)),
)
LENGTH_COLOURS, UNSEEN = ("#ffffff", "#ff4dff"), "#a0a0a0"
Box = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class DrawnPlane:
    """One plane of the brain frame.

    Attributes:
        axes: which axes go to the right and up.
        corner: position (x, y, z) in mm of the pixel at the lower left.
        extent: left, right, bottom, top in mm, as matplotlib wants it.
        image: (up, right) float32.
        labels: (up, right) uint8.
    """

    axes: tuple[int, int]
    corner: npt.NDArray[np.float64]
    extent: tuple[float, float, float, float]
    image: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]


def write_picture(
    path: Path,
    title: str,
    volume: Volume,
    labels: Volume,
    to_canonical: Matrix,
    lengths: Mapping[Measurement, Length],
) -> None:
    """Draw three planes of a case and write them as a PNG.

    Args:
        path: ``.png``.
        title: over the picture.
        volume: the image, float32 (z, y, x).
        labels: uint8 on the same grid.
        to_canonical: 4×4 from physical LPS mm to the brain frame, whose planes are drawn.
        lengths: those that were measured are drawn.
    """
    to_index = np.asarray(np.linalg.inv(to_canonical @ volume.grid.affine()), np.float64)
    box = _box(labels, to_canonical)
    lines = {m: n.line.moved(to_canonical) for m, n in lengths.items() if n.line is not None}
    figure, panels = _figure(box)
    for axes, (name, across, directions, measurements) in zip(panels, PLANES, strict=True):
        drawn = {m: lines[m] for m in measurements if m in lines}
        view = _view(volume, labels, to_index, box, across, directions, _position(drawn, box, across))
        _draw(axes, view, name)
        colours = {m: c if m in drawn else UNSEEN for m, c in zip(measurements, LENGTH_COLOURS, strict=False)}
        for measurement, line in drawn.items():
            _draw_line(axes, view, line, colours[measurement])
        _write(axes, [(_words(m, lengths[m]), c) for m, c in colours.items() if m in lengths])
    # Bytes that are no UTF-8 have no letters, other scripts none in this font, which matplotlib would say at length.
    shown = title.encode(errors="backslashreplace").decode()
    figure.suptitle(shown, color="white", fontsize=11, parse_math=False)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(buffer, format="png", facecolor="black")
    write_atomically(path, buffer.getvalue())


def _words(measurement: Measurement, length: Length) -> str:
    """Such as 'TCD 33.1 mm (31.8–34.5)', with where it comes from if it isn't drawn."""
    if length.value is None:
        return f"{measurement} unknown"
    interval = "" if length.interval is None else f" ({length.interval[0]:.1f}–{length.interval[1]:.1f})"
    origin = "" if length.line is not None else f", from the {length.source}"
    return f"{measurement} {length.value:.1f} mm{interval}{origin}"


def _figure(box: Box) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each plane, all of the same scale."""
    extent = box[1] - box[0]
    widths = [float(extent[right]) for _, _, (right, _), _ in PLANES]
    height = max(float(extent[up]) for _, _, (_, up), _ in PLANES)
    inches = WIDTH_INCHES / sum(widths)
    tall = height * inches + 0.6 + WORDS_INCHES
    # Room for the lengths below the panels.
    layout = ConstrainedLayoutEngine(rect=(0, WORDS_INCHES / tall, 1, 1 - WORDS_INCHES / tall))
    figure = Figure((WIDTH_INCHES, tall), dpi=DPI, facecolor="black", layout=layout)
    return figure, list(figure.subplots(1, len(PLANES), width_ratios=widths))


def _box(labels: Volume, to_canonical: Matrix) -> Box:
    """Corners (x, y, z) in the brain frame, mm, of the label map with a margin; of the image if the map is empty."""
    coarse = tuple(slice(None, None, max(1, n // 64)) for n in labels.array.shape)
    index = np.argwhere(labels.array[coarse]) * [s.step for s in coarse]
    points = labels.grid.corners()
    if len(index):
        points = transformed(labels.grid.affine(), index[:, ::-1])
    points = transformed(to_canonical, points)
    return points.min(axis=0) - MARGIN_MM, points.max(axis=0) + MARGIN_MM


def _position(drawn: Mapping[Measurement, Line], box: Box, across: int) -> float:
    """Where a plane lies along the axis across it, mm: through its first length, else in the middle."""
    for line in drawn.values():
        return (line.start[across] + line.end[across]) / 2
    return float((box[0][across] + box[1][across]) / 2)


def _view(
    volume: Volume,
    labels: Volume,
    to_index: Matrix,
    box: Box,
    across: int,
    directions: tuple[int, int],
    position: float,
) -> DrawnPlane:
    corner = box[0].copy()
    corner[across] = position
    right, up = directions
    size = [int(np.ceil((box[1][a] - box[0][a]) / PIXEL_MM)) + 1 for a in (up, right)]
    # Columns: one pixel to the right, one up.
    steps = np.zeros((3, 3))
    steps[:, 0], steps[:, 1] = to_index[:3, right] * PIXEL_MM, to_index[:3, up] * PIXEL_MM
    offset = to_index[:3, :3] @ corner + to_index[:3, 3]
    image = affine_sample(volume.array, steps, offset, (1, *size), order=1)[0]
    drawn = affine_sample(labels.array, steps, offset, (1, *size), order=0)[0]
    half = PIXEL_MM / 2
    left, bottom = corner[right] - half, corner[up] - half
    return DrawnPlane(
        directions, corner, (left, left + size[1] * PIXEL_MM, bottom, bottom + size[0] * PIXEL_MM), image, drawn
    )


def _draw(axes: Axes, view: DrawnPlane, name: str) -> None:
    inside = view.image[view.labels > 0]
    shown = inside if inside.size else view.image
    low, high = np.percentile(shown, [0.5, 99.5])
    axes.imshow(
        view.image, cmap="gray", origin="lower", extent=view.extent, vmin=min(0.0, low), vmax=max(high, low + 1e-6)
    )
    columns = np.linspace(view.extent[0], view.extent[1], 2 * view.labels.shape[1] + 1)[1::2]
    rows = np.linspace(view.extent[2], view.extent[3], 2 * view.labels.shape[0] + 1)[1::2]
    for tissue in TISSUES:
        mask = view.labels == tissue
        if mask.any():
            axes.contour(columns, rows, mask, levels=[0.5], colors=[TISSUE_COLOURS[tissue]], linewidths=0.8)
    for side, place in zip(SIDES[view.axes[0]], (0.02, 0.98), strict=True):
        axes.text(place, 0.5, side, color="white", fontsize=9, ha="center", va="center", transform=axes.transAxes)
    axes.set_title(name, color="white", fontsize=9)
    axes.axis("off")


def _draw_line(axes: Axes, view: DrawnPlane, line: Line, colour: str) -> None:
    (x0, y0), (x1, y1) = ((p[view.axes[0]], p[view.axes[1]]) for p in (line.start, line.end))
    axes.plot([x0, x1], [y0, y1], color=colour, linewidth=1.2, marker="+", markersize=8)


def _write(axes: Axes, lines: list[tuple[str, str]]) -> None:
    """Texts with their colours, below a panel: over the image they would hide what is to be checked."""
    for row, (text, colour) in enumerate(lines):
        below = axes.annotate(
            text, (0.5, 0), (0, -4 - 16 * row), color=colour, fontsize=10, ha="center", va="top",
            xycoords="axes fraction", textcoords="offset points",
        )  # fmt: skip
        below.set_in_layout(False)

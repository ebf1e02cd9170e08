"""The picture to judge a case by."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from feta.labels import TISSUE_COLOURS, TISSUES, Tissue
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import Volume
from inference.biometry.lengths import Length
from inference.biometry.measure import measure
from inference.report.advice import centile_text
from inference.report.convention import Convention
from inference.report.picture import Drawn, draw_picture
from inference.report.picture_canvas import length_words
from inference.report.planes import PLANES, cut, positions
from inference.report.sampling import Scene
from inference.report.thumbnail import thumbnail_of
from tests.support.heads import TO_CANONICAL, Head, make_head

HEAD = make_head((1.5, 1.5, 1.5))
UNKNOWN = {m: Length(None, "") for m in MEASUREMENTS}
Lengths = dict[Measurement, Length]


def lengths(head: Head = HEAD) -> Lengths:
    found = measure(head.labels, TO_CANONICAL)
    return {m: Length(line.length, "image", line) for m, line in found.items() if line}


def draw(
    head: Head = HEAD, labels: Volume | None = None, drawn: Lengths = UNKNOWN, title: str = "sub-001 $x$ é"
) -> Drawn:
    lines = {m: n.line.moved(TO_CANONICAL) for m, n in drawn.items() if n.line}
    scene = Scene.of(head.image, head.labels if labels is None else labels, TO_CANONICAL)
    return draw_picture(title, scene, drawn, lines, age=29.5)


def colours(drawn: Drawn) -> set[tuple[int, ...]]:
    return set(map(tuple, np.unique(drawn.pixels.reshape(-1, 3), axis=0).tolist()))


def test_every_tissue_is_outlined_and_lengths_are_drawn() -> None:
    plain = draw()
    wanted = {tuple(int(np.rint(255 * part)) for part in TISSUE_COLOURS[t]) for t in TISSUES}
    assert wanted <= colours(plain)
    with_lengths = draw(drawn=lengths()).pixels.astype(int)
    magenta = (with_lengths[..., 0] > 230) & (with_lengths[..., 1] < 100) & (with_lengths[..., 2] > 230)
    assert magenta.sum() > 50


def test_the_file_is_a_small_png_that_carries_a_thumbnail(tmp_path: Path) -> None:
    drawn = draw(drawn=lengths())
    assert len(drawn.png()) < 700_000
    with Image.open(io.BytesIO(drawn.png())) as image:
        assert np.array_equal(np.asarray(image), drawn.pixels)
    with Image.open(io.BytesIO(base64.b64decode(drawn.small))) as small:
        assert small.height <= 72
        assert np.ptp(np.asarray(small), axis=2).max() > 30, "tissues have colours"


def test_the_title_is_in_the_upper_rows_alone() -> None:
    """The page's still picture is without them, so that no name is burned into it."""
    one, other = draw(title="sub-001"), draw(title="sub-999 of somebody else")
    rows = one.title_rows
    assert not np.array_equal(one.pixels[:rows], other.pixels[:rows])
    assert np.array_equal(one.pixels[rows:], other.pixels[rows:])
    assert one.nameless_jpeg() == other.nameless_jpeg()
    assert one.small == other.small


def test_an_empty_label_map_still_gives_a_picture() -> None:
    empty = Volume(np.zeros_like(HEAD.labels.array), HEAD.labels.grid)
    drawn = draw(labels=empty)
    assert drawn.pixels.std() > 5
    panels = drawn.pixels[drawn.title_rows : -40].astype(int)
    assert np.ptp(panels, axis=2).max() < 3, "nothing is coloured where there is no tissue"


def test_a_turned_image_gives_the_same_picture() -> None:
    turned = make_head((1.5, 1.5, 1.5), Rotation.from_euler("xyz", [90, 180, 90], degrees=True).as_matrix())
    first, second = draw().pixels.astype(int), draw(turned).pixels.astype(int)
    assert first.shape == second.shape
    assert np.abs(first - second).mean() < 3


@pytest.mark.parametrize("missing", [(Tissue.CBM,), (Tissue.WM, Tissue.VM)])
def test_absent_structures_are_no_obstacle(missing: tuple[Tissue, ...]) -> None:
    head = make_head((1.5, 1.5, 1.5), missing=missing)
    assert draw(head, drawn=lengths(head)).pixels.std() > 5


def test_the_conventions_are_mirror_images_and_the_letters_follow() -> None:
    scene = Scene.of(HEAD.image, HEAD.labels, TO_CANONICAL)
    for plane in PLANES:
        one, other = (cut(scene, plane, 0.0, 1.0, c) for c in Convention)
        if plane.right == 0:
            np.testing.assert_array_equal(one.place((10.0, 0.0, 0.0))[0] < one.grey.shape[1] / 2, True)
            assert plane.sides(Convention.RADIOLOGICAL) == plane.sides(Convention.NEUROLOGICAL)[::-1] == "RL"
            assert other.place((10.0, 0.0, 0.0))[0] > other.grey.shape[1] / 2
        else:
            np.testing.assert_array_equal(one.grey, other.grey)


def test_a_slice_holds_what_the_volume_holds() -> None:
    """Label and grey value at places of the brain frame, read off the volume by index."""
    scene = Scene.of(HEAD.image, HEAD.labels, TO_CANONICAL)
    for plane in PLANES:
        view = cut(scene, plane, 3.0, 0.7, Convention.RADIOLOGICAL)
        for row, column in ((40, 50), (60, 60), (30, 70)):
            point = view.corner + view.steps @ (column, row)
            x, y, z = np.rint((scene.to_index @ [*point, 1.0])[:3]).astype(int)
            assert view.labels[row, column] == HEAD.labels.array[z, y, x]
            np.testing.assert_allclose(view.place(point), (column, row), atol=1e-6)


def test_three_slices_lie_apart_within_the_brain() -> None:
    scene = Scene.of(HEAD.image, HEAD.labels, TO_CANONICAL)
    lines = {m: n.line.moved(TO_CANONICAL) for m, n in lengths().items() if n.line}
    for plane in PLANES:
        at = sorted(positions(plane, lines, scene))
        assert scene.low[plane.across] < at[0] < at[1] < at[2] < scene.high[plane.across]
        assert min(at[1] - at[0], at[2] - at[1]) > 8.0


def test_lengths_are_named_with_interval_and_centile() -> None:
    length = Length(33.14, "image", interval=(31.8, 34.5))
    assert length_words(Measurement.TCD, length, 48.2) == "TCD 33.1 mm (31.8–34.5), centile 48, from the image"
    assert length_words(Measurement.TCD, Length(None, ""), None) == "TCD unknown"
    assert [centile_text(c) for c in (0.2, 50.4, 99.9)] == ["< 1", "50", "> 99"]


def test_a_thumbnail_is_read_from_the_picture_or_made_of_it(tmp_path: Path) -> None:
    folder = tmp_path
    drawn = draw()
    (folder / "ours.png").write_bytes(drawn.png())
    assert thumbnail_of(folder / "ours.png") == drawn.small
    Image.fromarray(drawn.pixels).save(folder / "older.png")
    made = thumbnail_of(folder / "older.png")
    assert made is not None
    with Image.open(io.BytesIO(base64.b64decode(made))) as image:
        assert image.height <= 72


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_what_is_no_picture_gives_no_thumbnail(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert thumbnail_of(tmp_path / "a.png") is None

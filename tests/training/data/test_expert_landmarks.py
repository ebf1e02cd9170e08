"""The challenge's biometry layout, simulated: oblique anisotropic images, key points set on turned copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from feta.errors import FetaError
from feta.grid import Grid, transformed
from feta.measurements import LANDMARK_LABELS, MEASUREMENTS, Measurement
from feta.volumes import Volume, write_label_map, write_volume
from training.data.expert_landmarks import key_points, read_feta_biometry, read_transform

SPACING = (0.7, 1.0, 1.3)
SIZE = (90, 64, 50)
OBLIQUE = Rotation.from_euler("xyz", (35, -20, 65), degrees=True).as_matrix()
#: From the turned copy to the image.
TURN = sitk.Euler3DTransform((3.0, -12.0, 7.0), 0.4, -0.3, 0.9, (2.0, -1.5, 4.0))
#: Both ends of each length as voxels (x, y, z) of the turned copy.
ENDS = {
    Measurement.LCC: [(20, 20, 25), (70, 24, 28)],
    Measurement.HV: [(40, 40, 10), (45, 41, 22)],
    Measurement.BBIP: [(8, 30, 24), (80, 30, 26)],
    Measurement.SBIP: [(4, 30, 24), (86, 32, 26)],
    Measurement.TCD: [(30, 50, 12), (60, 50, 12)],
}


def grid() -> Grid:
    corner = -OBLIQUE @ (np.multiply(SPACING, SIZE) / 2) + (5, -20, 11)
    return Grid(SIZE, SPACING, tuple(corner.tolist()), tuple(OBLIQUE.ravel().tolist()))


def realigned() -> dict[Measurement, np.ndarray]:
    """The ends (2, 3) in the turned copy's physical space."""
    return {m: transformed(grid().affine(), np.array(ends, float)) for m, ends in ENDS.items()}


def marks(ends: dict[Measurement, list[tuple[int, int, int]]]) -> Volume:
    array = np.zeros(SIZE[::-1], np.uint8)
    for measurement, pair in ends.items():
        for x, y, z in pair:
            array[z, y, x] = LANDMARK_LABELS[measurement]
    return Volume(array, grid())


def write_data(
    root: Path, ends: dict = ENDS, transform: sitk.Transform | None = TURN, lengths: str | None = None
) -> Path:
    name = "sub-001_rec-mial"
    anat, measured = root / "sub-001" / "anat", root / "derivatives" / "biometry" / "sub-001" / "anat"
    anat.mkdir(parents=True)
    measured.mkdir(parents=True)
    write_volume(anat / f"{name}_T2w.nii.gz", Volume(np.ones(SIZE[::-1], np.float32), grid()))
    write_label_map(measured / f"{name}_meas.nii.gz", marks(ends))
    if transform is not None:
        sitk.WriteTransform(transform, str(measured / f"{name}_trf.txt"))
    if lengths:
        (measured.parents[1] / "biometry.tsv").write_text(lengths)
    (root / "participants.tsv").write_text("participant_id\tGestational age\nsub-001\t27.4\n")
    return root


def test_lines_lie_in_the_image_own_space(tmp_path: Path) -> None:
    (case,) = read_feta_biometry(write_data(tmp_path))
    for measurement, ends in realigned().items():
        expected = [TURN.TransformPoint(tuple(end)) for end in ends.tolist()]
        line = case.lines[measurement]
        assert np.sort([line.start, line.end], axis=0) == pytest.approx(np.sort(expected, axis=0), abs=1e-3)


def test_what_lies_at_an_end_in_the_turned_copy_lies_there_in_the_image(tmp_path: Path) -> None:
    """Oracle: SimpleITK makes the turned copy of an image with a bright spot; the spot is the key point."""
    (case,) = read_feta_biometry(write_data(tmp_path))
    image = sitk.Image(SIZE, sitk.sitkFloat32)
    image.SetSpacing(SPACING)
    image.SetOrigin(grid().origin)
    image.SetDirection(grid().direction)
    image = sitk.Resample(image, [2 * n for n in SIZE], sitk.Transform(), sitk.sitkLinear, _wider_origin(), SPACING,
                          grid().direction)  # fmt: skip
    spot = case.lines[Measurement.TCD].start
    near = image.TransformPhysicalPointToIndex(spot)
    image[near] = 1.0
    reference = sitk.GetImageFromArray(marks(ENDS).array)
    reference.SetSpacing(SPACING)
    reference.SetOrigin(grid().origin)
    reference.SetDirection(grid().direction)
    copy = sitk.GetArrayFromImage(sitk.Resample(image, reference, TURN, sitk.sitkLinear))
    z, y, x = np.unravel_index(copy.argmax(), copy.shape)
    assert np.abs(np.subtract((x, y, z), ENDS[Measurement.TCD][0])).max() <= 1


def _wider_origin() -> tuple[float, float, float]:
    return tuple((np.array(grid().origin) - OBLIQUE @ (np.multiply(SPACING, SIZE) / 2)).tolist())


def test_lengths_are_distances_in_space(tmp_path: Path) -> None:
    (case,) = read_feta_biometry(write_data(tmp_path))
    for measurement, ((ax, ay, az), (bx, by, bz)) in ENDS.items():
        expected = np.hypot(np.hypot(0.7 * (bx - ax), 1.0 * (by - ay)), 1.3 * (bz - az))
        assert case.lengths[measurement] == pytest.approx(expected, abs=1e-6)
        assert case.lines[measurement].length == pytest.approx(expected, abs=1e-6)


def test_the_table_wins_and_says_where_it_disagrees(tmp_path: Path) -> None:
    lengths = "\tTCD\tLCC\tHV\tbBIP\tsBIP\nsub-001\t21.3\t35.7\t\t44.4\t58.1\n"
    (case,) = read_feta_biometry(write_data(tmp_path, lengths=lengths))
    assert case.lengths[Measurement.TCD] == 21.3
    assert case.lengths[Measurement.HV] == pytest.approx(16.013, abs=0.01)
    assert [w.split()[1] for w in case.warnings] == ["bBIP"]
    assert case.age == 27.4


def test_measurements_that_were_not_made_are_left_out(tmp_path: Path) -> None:
    ends = {m: pair for m, pair in ENDS.items() if m is not Measurement.HV}
    (case,) = read_feta_biometry(write_data(tmp_path, ends))
    assert set(case.lines) == set(case.lengths) == set(MEASUREMENTS) - {Measurement.HV}


def test_exchanged_values_of_callosum_and_vermis_are_put_right(tmp_path: Path) -> None:
    ends = ENDS | {Measurement.LCC: ENDS[Measurement.HV], Measurement.HV: ENDS[Measurement.LCC]}
    (case,) = read_feta_biometry(write_data(tmp_path, ends))
    assert case.lengths[Measurement.LCC] > case.lengths[Measurement.HV]


def test_a_short_callosum_stays_one_where_the_table_says_so(tmp_path: Path) -> None:
    short = ENDS | {Measurement.LCC: ENDS[Measurement.HV], Measurement.HV: ENDS[Measurement.LCC]}
    lines = {
        m: np.linalg.norm(np.subtract(*transformed(grid().affine(), np.array(e, float)))) for m, e in short.items()
    }
    row = "\t".join(f"{lines[m]:.2f}" for m in MEASUREMENTS)
    table = "participant_id\t" + "\t".join(MEASUREMENTS) + f"\nsub-001\t{row}\n"
    (case,) = read_feta_biometry(write_data(tmp_path, short, lengths=table))
    assert case.lines[Measurement.LCC].length == pytest.approx(lines[Measurement.LCC], abs=0.01)
    assert case.lines[Measurement.LCC].length < case.lines[Measurement.HV].length
    assert case.warnings == ()


def test_a_transform_that_mirrors_is_one_line(tmp_path: Path) -> None:
    mirror = sitk.AffineTransform(3)
    mirror.SetMatrix((-1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    with pytest.raises(FetaError, match="mirrors"):
        read_feta_biometry(write_data(tmp_path, transform=mirror))


def test_without_a_transform_the_key_points_lie_in_the_image(tmp_path: Path) -> None:
    (case,) = read_feta_biometry(write_data(tmp_path, transform=None))
    line = case.lines[Measurement.LCC]
    expected = np.sort(realigned()[Measurement.LCC], axis=0)
    assert np.sort([line.start, line.end], axis=0) == pytest.approx(expected, abs=1e-3)


def test_a_transform_as_itk_snap_writes_it(tmp_path: Path) -> None:
    matrix = Rotation.from_euler("z", 0.3).as_matrix()
    path = tmp_path / "trf.txt"
    numbers = " ".join(map(str, [*matrix.ravel(), 4.0, -5.0, 6.0]))
    path.write_text(
        "#Insight Transform File V1.0\n#Transform 0\nTransform: MatrixOffsetTransformBase_double_3_3\n"
        f"Parameters: {numbers}\nFixedParameters: 0 0 0\n"
    )
    point = (10.0, -3.0, 8.0)
    assert read_transform(path).TransformPoint(point) == pytest.approx(tuple(matrix @ point + (4, -5, 6)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nothing", "is not an ITK transform"),
        ("#Insight Transform File V1.0\nTransform: AffineTransform_double_3_3\nParameters: 1 0\n", "2 parameters"),
        (
            "#Insight Transform File V1.0\nTransform: AffineTransform_double_3_3\n"
            "Parameters: 1.5 0 0 0 1 0 0 0 1 0 0 0\nFixedParameters: 0 0 0\n",
            "stretches",
        ),
    ],
)
def test_an_unusable_transform_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "trf.txt"
    path.write_text(text)
    with pytest.raises(FetaError, match=said):
        read_transform(path)


def test_key_points_drawn_as_balls_are_their_middles() -> None:
    array = np.zeros((30, 30, 30), np.uint8)
    array[4:7, 10:13, 10:13] = array[20:23, 10:13, 14:17] = LANDMARK_LABELS[Measurement.TCD]
    balls = Volume(array, Grid((30, 30, 30), (1.0, 2.0, 3.0), (0.0,) * 3, (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)))
    assert key_points(balls)[Measurement.TCD].length == pytest.approx(np.hypot(4, 48))


def test_neighbouring_voxels_are_two_ends() -> None:
    assert key_points(marks({Measurement.HV: [(5, 5, 5), (6, 5, 5)]}))[Measurement.HV].length == pytest.approx(0.7)


def test_a_single_mark_is_no_length() -> None:
    assert key_points(marks({Measurement.HV: [(5, 5, 5), (5, 5, 5)]})) == {}


def test_a_missing_image_is_one_line(tmp_path: Path) -> None:
    root = write_data(tmp_path)
    next(root.glob("sub-001/anat/*_T2w.nii.gz")).unlink()
    with pytest.raises(FetaError, match="belongs to it"):
        read_feta_biometry(root)


def test_a_folder_without_key_points_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match="holds no sub-"):
        read_feta_biometry(tmp_path)

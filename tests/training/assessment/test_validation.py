from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from feta.errors import FetaError
from feta.grid import Grid
from feta.volumes import Volume
from inference.runs.settings import default_weights
from training.assessment.robustness import rotate, rotated_noisy_biased
from training.assessment.topology_report import measure_topology
from training.assessment.validation import CONDITIONS, labelled, measure_robustness, measure_validation, sites

SIDE = 24
GRID = Grid((SIDE,) * 3, (2.0,) * 3, (0.0,) * 3, (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
QUARTER = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])


def _pair() -> tuple[Volume, Volume]:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[6:18, 8:16, 4:20] = 3
    return Volume(100.0 * labels.astype(np.float32), GRID), Volume(labels, GRID)


def test_no_rotation_only_makes_room() -> None:
    image, labels = rotate(_pair(), np.eye(3))
    assert image.grid == labels.grid
    assert (labels.array == 3).sum() == 12 * 8 * 16
    assert image.array.sum() == pytest.approx(300 * 12 * 8 * 16, rel=1e-4)
    # half a voxel, where the larger grid has a voxel in the middle and the smaller has none
    assert np.allclose(_centre(image.array), _centre(labels.array), atol=0.51)


def _centre(array: np.ndarray) -> np.ndarray:
    return np.argwhere(array > 0).mean(0)


def test_a_quarter_turn_swaps_two_axes() -> None:
    labels = rotate(_pair(), QUARTER)[1].array
    extents = [np.ptp(np.flatnonzero(labels.any(axis=axes))) + 1 for axes in ((1, 2), (0, 2), (0, 1))]
    assert extents == [12, 16, 8]


def test_turning_keeps_volume_and_pairs_image_with_labels() -> None:
    image, labels = rotated_noisy_biased(_pair(), np.random.default_rng(3))
    again = rotated_noisy_biased(_pair(), np.random.default_rng(3))[0]
    assert np.array_equal(image.array, again.array)
    assert (labels.array == 3).sum() == pytest.approx(12 * 8 * 16, rel=0.1)
    assert image.array[labels.array == 3].mean() > 4 * image.array[labels.array == 0].mean()
    # Rician noise of an eighth of the mean: no voxel of the background stays zero
    assert (image.array > 0).all()


def _cohort(root: Path, site: str = "Site") -> None:
    """Three empty pairs of files, and a table that tells their hospitals."""
    for name in ("sub-a1", "sub-a2", "sub-b1"):
        (root / name / "anat").mkdir(parents=True)
        for ending in ("T2w", "T2w_dseg"):
            (root / name / "anat" / f"{name}_{ending}.nii.gz").touch()
    rows = ["participant_id\t" + site, "sub-a1\tNorth", "sub-a2\tSouth", "sub-b1\tSouth"]
    (root / "participants.tsv").write_text("\n".join(rows))


def test_subjects_are_chosen_by_what_their_names_fit(tmp_path: Path) -> None:
    _cohort(tmp_path)
    assert list(labelled(tmp_path, "sub-a*")) == ["sub-a1", "sub-a2"]
    assert list(labelled(tmp_path, ["sub-b1"])) == ["sub-b1"]
    assert list(labelled(tmp_path, "sub-b* sub-a2")) == ["sub-a2", "sub-b1"]
    with pytest.raises(FetaError, match="whose subject fits 'sub-c1'"):
        labelled(tmp_path, "sub-a1 sub-c1")
    with pytest.raises(FetaError, match="whose subject fits 'crl"):
        labelled(tmp_path, "crl*")


def test_sites_are_told_apart_by_the_table(tmp_path: Path) -> None:
    _cohort(tmp_path)
    values = [np.full((7, 7), dice) for dice in (0.9, 0.8, 0.7)]
    lines = list(sites(tmp_path, ["sub-a1", "sub-a2", "sub-b1"], values))
    assert lines == ["mean Dice by site: North 0.900, South 0.750", "between sites: 0.150"]


def test_without_a_column_of_sites_none_are_told_apart(tmp_path: Path) -> None:
    _cohort(tmp_path, site="Scanner")
    assert not list(sites(tmp_path, ["sub-a1", "sub-b1"], [np.ones((7, 7))] * 2))


Measure = Callable[[Path, Path, Path], Iterator[str]]
#: Each command that measures: folder of volumes, weights, CSV.
MEASURES: dict[str, Measure] = {
    "validate": lambda root, weights, path: measure_validation(root, weights, "*", CONDITIONS, path),
    "stress": lambda root, weights, path: measure_robustness(root, weights, "*", path),
    "topology-report": lambda root, weights, path: measure_topology(root, weights, "*", path),
}


class LoadedError(Exception):
    """The networks would have been loaded."""


@pytest.fixture(params=MEASURES)
def measure(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Measure:
    """A command that ends where it would load the networks, or compile."""

    def loaded(*_: object, **__: object) -> None:
        raise LoadedError

    for name in ("validation.load_segmenter", "topology_report.choose", "topology_report.warm_up"):
        monkeypatch.setattr(f"training.assessment.{name}", loaded)
    return MEASURES[request.param]


@pytest.mark.parametrize(("below", "words"), [("file/t.csv", "can't be made"), ("", "name a CSV file to write")])
def test_a_table_that_cannot_be_written_is_one_line_before_anything_is_loaded(
    tmp_path: Path, measure: Measure, below: str, words: str
) -> None:
    _cohort(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(FetaError, match=words):
        next(measure(tmp_path, default_weights(), tmp_path / below))


def test_the_folder_of_a_table_is_made_before_anything_is_loaded(tmp_path: Path, measure: Measure) -> None:
    _cohort(tmp_path)
    with pytest.raises(LoadedError):
        next(measure(tmp_path, default_weights(), tmp_path / "a" / "b" / "t.csv"))
    assert (tmp_path / "a" / "b" / "t.csv").is_file()


def test_an_earlier_table_survives_a_mistyped_folder_of_weights(tmp_path: Path, measure: Measure) -> None:
    _cohort(tmp_path)
    (tmp_path / "t.csv").write_text("earlier")
    with pytest.raises(FetaError, match=r"model\.yaml"):
        next(measure(tmp_path, tmp_path / "wieghts", tmp_path / "t.csv"))
    assert (tmp_path / "t.csv").read_text() == "earlier"

import numpy as np
import SimpleITK as sitk
import torch

from feta.grid import Grid
from feta.volumes import Volume
from inference.geometry.frames import LPS_TO_RAS, box_to_frame, index_to_ras, resample, sample
from inference.geometry.preprocessing import standardise
from inference.geometry.view import view

OBLIQUE = Grid((12, 10, 8), (0.7, 1.1, 1.6), (3.0, -4.0, 5.0), (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0))


def _image(grid: Grid, array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)
    return image


def test_index_to_ras_is_simpleitks_physical_point_with_two_signs_turned() -> None:
    image = _image(OBLIQUE, np.zeros(OBLIQUE.shape, np.float32))
    for index in ((0, 0, 0), (11, 9, 7), (3, 5, 2)):
        expected = np.multiply(image.TransformIndexToPhysicalPoint(index), (-1, -1, 1))
        assert np.allclose((index_to_ras(OBLIQUE) @ [*index, 1])[:3], expected)


def test_resampling_agrees_with_simpleitk() -> None:
    array = np.random.default_rng(0).normal(size=OBLIQUE.shape).astype(np.float32)
    target = Grid((9, 9, 9), (0.9,) * 3, (2.0, -3.0, 6.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    reference = sitk.Resample(_image(OBLIQUE, array), _image(target, np.zeros(target.shape, np.float32)))
    matrix = np.linalg.inv(OBLIQUE.affine()) @ target.affine()
    ours = resample(torch.from_numpy(array)[None], matrix, target.size)[0].numpy()
    # ITK sets to 0 what lies in the outer half voxel's margin; we fade there. Compare well inside.
    index = np.argwhere(np.ones(target.shape))[:, ::-1] @ matrix[:3, :3].T + matrix[:3, 3]
    inside = ((index > 0) & (index < np.subtract(OBLIQUE.size, 1))).all(1).reshape(target.shape)
    assert inside.sum() > 50
    assert np.allclose(ours[inside], sitk.GetArrayFromImage(reference)[inside], atol=1e-4)


def test_slabs_do_not_show(monkeypatch: object) -> None:
    source = torch.randn(2, 9, 8, 7)
    whole = resample(source, np.eye(4), (7, 8, 9))
    import inference.geometry.frames as frames

    monkeypatch.setattr(frames, "SLAB_VOXELS", 1)  # type: ignore[attr-defined]
    assert torch.equal(resample(source, np.eye(4), (7, 8, 9)), whole)
    assert torch.allclose(whole, source, atol=1e-5)


def test_a_volume_one_voxel_thick_can_be_sampled() -> None:
    index = torch.zeros(1, 1, 2, 3)
    index[0, 0, 1] = torch.tensor([2.0, 1.0, 0.0])
    source = torch.arange(6.0).view(1, 1, 2, 3)
    assert sample(source, index)[0, 0, 0].tolist() == [0.0, 5.0]


def test_the_box_is_centred() -> None:
    middle = box_to_frame((5, 7, 9), 2.0, (1, 2, 3)) @ [2, 3, 4, 1]
    assert np.allclose(middle[:3], (1, 2, 3))


def test_a_constant_image_stays_constant_when_made_coarser() -> None:
    grid = Grid((32, 32, 32), (0.5,) * 3, (0.0,) * 3, (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    volume = Volume(np.full(grid.shape, 7, np.float32), grid)
    box = view(volume, LPS_TO_RAS, 2.0, (4, 4, 4), (7.75, 7.75, 7.75)).image
    assert torch.allclose(box, torch.full((1, 4, 4, 4), 7.0), atol=1e-4)


def test_standardise_gives_mean_zero_and_sd_one_whatever_gain_and_offset() -> None:
    image = torch.rand(1, 8, 8, 8) + 1
    inside = torch.ones_like(image, dtype=torch.bool)
    result = standardise(image, inside)
    # the half percent above the 99.5th percentile is held back, hence the tolerance
    assert abs(float(result.mean())) < 0.01
    assert abs(float(result.std()) - 1) < 0.01
    assert torch.allclose(result, standardise(5 * image + 3, inside), atol=1e-4)


def test_standardise_of_nothing_is_zero() -> None:
    assert not standardise(torch.zeros(1, 4, 4, 4)).any()

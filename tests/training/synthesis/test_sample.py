from pathlib import Path

import numpy as np
import pytest
import torch

from feta.errors import FetaError
from inference.geometry.preprocessing import signal
from tests.support.tiny_subjects import write_balls
from training.data.split import read_subjects
from training.data.subject import Subject, pairs, read_subject
from training.imaging.random_source import RandomSource
from training.synthesis.sample import generate_sample
from training.synthesis.settings import ArtefactSettings, MaskSettings, SpatialSettings, SynthesisSettings

SMALL = SynthesisSettings(size=32, spacing=3.0)


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    root = write_balls(tmp_path_factory.mktemp("balls"), ("sub-a",))
    return read_subject("sub-a", *pairs(root)["sub-a_rec-x_T2w"])


def test_the_brain_is_centred_and_its_size_known(subject: Subject) -> None:
    inverse = np.linalg.inv(subject.to_index)
    z, y, x = subject.tissues.shape[1:]  # the ball fills its box
    centre = inverse @ [(x - 1) / 2, (y - 1) / 2, (z - 1) / 2, 1]
    assert np.allclose(centre[:3], 0, atol=0.1)
    ellipsoid = 4 / 3 * np.pi * 28**3 / 1.2
    assert subject.size_mm == pytest.approx(ellipsoid ** (1 / 3), rel=0.03)


def test_the_same_seed_makes_the_same_volume_and_another_does_not(subject: Subject) -> None:
    first, again, other = (generate_sample(subject, SMALL, seed) for seed in (5, 5, 6))
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.image, other.image)


@pytest.mark.parametrize("seed", range(6))
def test_intensities_are_finite_and_not_negative(subject: Subject, seed: int) -> None:
    image = generate_sample(subject, SMALL, seed).image
    assert torch.isfinite(image).all()
    assert image.min() >= 0
    assert image.max() > 0


def test_undeformed_labels_are_the_subjects_own(subject: Subject) -> None:
    still = SpatialSettings(rotation=0.0, shift=0.0, scale=(1.0, 1.0), stretch=0.0, elastic=0.0, fine_displacement=0.0)
    plain = SynthesisSettings(size=32, spacing=2.0, spatial=still)
    sample = generate_sample(subject, plain, 0)
    radius = torch.sqrt((sample.atlas * torch.tensor([1.2, 1.0, 1.0])).pow(2).sum(-1)) / 2
    clear = (radius - radius.round()).abs() > 0.3  # away from the balls' borders, which lie on whole voxels
    expected = torch.zeros_like(sample.labels)
    for label, reach in enumerate((14, 12, 10, 8, 6, 4, 2), start=1):
        expected[radius < reach] = label
    assert (sample.labels == expected)[clear].float().mean() > 0.99


def _dark(image: torch.Tensor) -> float:
    return 1 - float(signal(image).float().mean())


def test_masked_volumes_are_dark_far_from_the_brain(subject: Subject) -> None:
    masked = SynthesisSettings(size=32, spacing=3.0, mask=MaskSettings(masked=1.0))
    zeros = [_dark(generate_sample(subject, masked, seed).image) for seed in range(6)]
    unmasked = SynthesisSettings(size=32, spacing=3.0, mask=MaskSettings(masked=0.0))
    heads = [_dark(generate_sample(subject, unmasked, seed).image) for seed in range(6)]
    assert np.mean(zeros) > 0.5 > 2 * np.mean(heads)


def test_a_tight_mask_cuts_into_the_brain_and_its_labels_stay(subject: Subject) -> None:
    calm = ArtefactSettings(motion=0.0, ghosts=0.0, stacks=0.0, bands=0.0, ringing=0.0, smoothing=0.0, rician=0.0)
    shares = {}
    for tight in (0.0, 1.0):
        masks = MaskSettings(masked=1.0, tight=tight, tight_mm=6.0)
        cut = SynthesisSettings(size=32, spacing=3.0, mask=masks, artefacts=calm)
        samples = [generate_sample(subject, cut, seed) for seed in range(8)]
        dark = [float((s.image[0][s.labels > 0] == 0).float().mean()) for s in samples]
        assert all((s.labels > 0).any() for s in samples)
        shares[tight] = max(dark)
    assert shares[0.0] < 0.02 < 0.1 < shares[1.0]


def test_random_rotations_are_rotations() -> None:
    for limit in (None, 30.0):
        for seed in range(20):
            matrix = RandomSource(seed).rotation(limit)
            assert torch.allclose(matrix @ matrix.T, torch.eye(3), atol=1e-5)
            assert torch.linalg.det(matrix) == pytest.approx(1, abs=1e-5)
            angle = torch.rad2deg(torch.arccos(((matrix.trace() - 1) / 2).clamp(-1, 1)))
            assert limit is None or angle <= limit + 0.1


def test_validation_subjects_are_kept_apart(tmp_path: Path) -> None:
    subjects = read_subjects(write_balls(tmp_path, ("sub-a", "sub-b", "sub-c")), ("sub-b",))
    assert [s.name for s in subjects.training] == ["sub-a", "sub-c"]
    assert [s.name for s in subjects.validation] == ["sub-b"]


def test_a_folder_without_labelled_volumes_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match="holds no sub-"):
        read_subjects(tmp_path, ())

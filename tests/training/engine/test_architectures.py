from importlib.util import find_spec

import pytest
import torch

from feta.errors import FetaError
from inference.networks.residual_unet import NetworkSettings
from training.engine.architectures import ArchitectureSettings, Kind, make_network, shipped

U = ArchitectureSettings(widths=(4, 8, 8), blocks=(1, 1, 1), heads=2)
FLAT = ArchitectureSettings(widths=(4, 8, 8), blocks=(1, 1, 1), heads=2, kind=Kind.UNET2D)
SWIN = ArchitectureSettings(widths=(12, 24, 48, 96), blocks=(2, 2, 2, 2), heads=1, kind=Kind.SWIN_UNETR)
#: MONAI is an extra of its own.
MONAI = find_spec("monai") is not None and find_spec("einops") is not None


def test_each_slice_is_seen_by_itself() -> None:
    network = make_network(FLAT).eval()
    volume = torch.randn(2, 1, 5, 8, 12)
    other = volume.clone()
    other[:, :, 3] += 1
    with torch.inference_mode():
        difference = (network(volume) - network(other)).abs().amax((0, 1, 3, 4))
    assert (difference > 0).tolist() == [False, False, False, True, False]


def test_slices_have_levels_that_are_coarser_in_the_plane() -> None:
    levels = make_network(FLAT).levels(torch.randn(2, 1, 5, 8, 12), 2)  # type: ignore[operator]
    assert [tuple(level.shape) for level in levels] == [(2, 8, 5, 8, 12), (2, 8, 5, 4, 6)]


def test_in_two_dimensions_all_weights_are_flat() -> None:
    flat, solid = make_network(FLAT), make_network(U)
    kernels = [p for p in flat.parameters() if p.dim() > 1]
    assert {p.dim() for p in kernels} == {4}
    assert len(list(flat.parameters())) == len(list(solid.parameters()))


def test_only_the_u_net_is_shipped() -> None:
    assert type(shipped(U)) is NetworkSettings
    assert shipped(U).widths == U.widths
    with pytest.raises(FetaError, match="unet2d is not what the submission runs"):
        shipped(FLAT)


@pytest.mark.parametrize(("widths", "heads"), [((12, 24, 48, 97), 1), ((10, 20, 40, 80), 1), ((12, 24, 48, 96), 2)])
def test_widths_that_swin_cannot_have_are_refused(widths: tuple[int, ...], heads: int) -> None:
    with pytest.raises(ValueError, match="swin_unetr"):
        ArchitectureSettings(widths=widths, blocks=(2, 2, 2, 2), heads=heads, kind=Kind.SWIN_UNETR)


@pytest.mark.slow
@pytest.mark.skipif(not MONAI, reason="needs the extra 'architectures'")
def test_swin_takes_patches_of_any_size() -> None:
    with torch.inference_mode():
        assert make_network(SWIN)(torch.randn(1, 1, 20, 40, 16)).shape == (1, 8, 20, 40, 16)


@pytest.mark.skipif(MONAI, reason="the extra 'architectures' is there")
def test_without_monai_it_is_one_clear_line() -> None:
    with pytest.raises(FetaError, match="architectures"):
        make_network(SWIN)

"""Which networks a run uses."""

from __future__ import annotations

from collections.abc import Callable

from inference.geometry.segmentation_result import SegmenterLike
from inference.nnunet.folder import find_results
from inference.runs.settings import Settings, frame_weights
from inference.runs.signals import deferred


def load_segmenter(settings: Settings) -> tuple[SegmenterLike, str, tuple[str, ...]]:
    """Choose the device and load the model.

    Returns:
        the segmenter, the processor's name, and warnings about the choice.
    """
    # torch takes seconds to import, which a run whose cases are all finished needn't pay.
    with deferred():
        from inference.networks.device import choose
        from inference.segmentation.segmenter import Segmenter

    compute = choose(settings.device)
    name = f"{compute.name}, {str(compute.dtype).removeprefix('torch.')}"
    if (results := find_results(settings.weights)) is not None:
        from inference.nnunet.segmenter import NnunetSegmenter

        frame = frame_weights(settings.weights)
        nnunet = NnunetSegmenter(
            results,
            frame,
            compute,
            flips=settings.flips,
            topology=settings.topology,
            extraction=settings.extraction,
        )
        return nnunet, name, (*compute.warnings, *results.warnings)
    segmenter = Segmenter(
        settings.weights,
        compute,
        flips=settings.flips,
        topology=settings.topology,
        autoencoder=settings.autoencoder,
        extraction=settings.extraction,
    )
    return segmenter, name, compute.warnings


Loader = Callable[[Settings], tuple[SegmenterLike, str, tuple[str, ...]]]

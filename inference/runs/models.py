"""Which networks a run uses: our own, or a participant's nnU-Net in place of our segmentation networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inference.biometry.measure import LandmarkFinder
from inference.geometry.segmentation_result import SegmentVolume
from inference.nnunet.folder import find_results
from inference.runs.import_ahead import import_ahead
from inference.runs.settings import Settings, frame_weights
from inference.runs.signals import deferred

#: What is needed once the networks have been run: to come back to native space on a CPU, and to construct topology.
NATIVE_KERNEL, CONSTRUCTION = "inference.geometry.native_kernel", "inference.topology.correction"


@dataclass(frozen=True)
class Models:
    """The networks of a run, loaded.

    Attributes:
        segment: makes the label map.
        find_landmarks: the landmark network; None where the weights have none.
        device: the processor's name and precision, for run.json.
        warnings: about the choice, one line each.
    """

    segment: SegmentVolume
    find_landmarks: LandmarkFinder | None
    device: str
    warnings: tuple[str, ...] = ()


Loader = Callable[[Settings], Models]


def load_models(settings: Settings) -> Models:
    """Choose the device and load the networks.

    Raises:
        FetaError: the device or the weights can't be used.
    """
    # torch takes seconds to import, which a run whose cases are all finished needn't pay.
    with deferred():
        from inference.biometry.landmark_network import LandmarkNetwork
        from inference.networks.device import choose
        from inference.networks.weights import load_network, read_model
        from inference.segmentation.pose_search import PoseFinder
        from inference.segmentation.segmenter import Segmenter, load_segmenter

    compute = choose(settings.device)
    device = f"{compute.name}, {str(compute.dtype).removeprefix('torch.')}"
    mirror_tta, topology, brain_extraction = settings.mirror_tta, settings.topology, settings.brain_extraction
    results = find_results(settings.weights)
    if results is None:
        model = read_model(settings.weights)
        segment = load_segmenter(
            model,
            compute,
            mirror_tta=mirror_tta,
            topology=topology,
            autoencoder=settings.autoencoder,
            brain_extraction=brain_extraction,
        )
        warnings = compute.warnings
    else:
        from inference.nnunet.predictor import NnunetPredictor

        predict = NnunetPredictor(results, compute, mirror_tta=mirror_tta)
        # The pose and the landmarks are found by our own networks; of those for segmentation, the first one is needed.
        model = read_model(frame_weights(settings.weights))
        network = load_network(model.segmentation[0]).to(compute.device)
        find_pose = PoseFinder.of(model, network, compute, brain_extraction=brain_extraction)
        segment = Segmenter(find_pose, predict, topology=topology)
        warnings = (*compute.warnings, *results.warnings)
    segment.soft = settings.soft
    # numba takes half a second on one core, while the networks leave some of the others' time.
    import_ahead(
        [
            *([NATIVE_KERNEL] if results is None and compute.device.type == "cpu" else []),
            *([CONSTRUCTION] if topology else []),
        ]
    )
    return Models(segment, LandmarkNetwork.of(model, compute, mirror_tta=mirror_tta), device, warnings)

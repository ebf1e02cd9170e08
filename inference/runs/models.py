"""Which networks a run uses: our own, or a participant's nnU-Net in place of our segmentation networks."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from inference.biometry.measure import LandmarkFinder
from inference.confidence.confidence import Judging
from inference.geometry.segmentation_result import SegmentVolume
from inference.nnunet.folder import find_results
from inference.processes.signals import deferred
from inference.runs.import_ahead import import_ahead
from inference.runs.settings import Settings, frame_weights

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
        judging: by what results are judged; by plain rules alone unless these networks' errors were measured.
        on_gpu: they compute on a GPU, so that a CPU has time beside them.
    """

    segment: SegmentVolume
    find_landmarks: LandmarkFinder | None
    device: str
    warnings: tuple[str, ...] = ()
    judging: Judging = field(default_factory=Judging)
    on_gpu: bool = False


Loader = Callable[[Settings], Models]
T = TypeVar("T")
#: How torch and the libraries below it say that a GPU's memory is used up, where it is no OutOfMemoryError.
_GPU_IS_FULL = re.compile(
    "(CUDA|HIP|MPS)\\b.*out of memory|CU(DNN|BLAS|SOLVER|FFT)_STATUS_ALLOC_FAILED|MemoryAllocation"
)


class LoadedOnce:
    """The networks of many volumes, loaded when they are needed first; on the CPU where the GPU has no room for them.

    Args:
        settings: which networks, and where.
        load: loads them.
    """

    def __init__(self, settings: Settings, load: Loader) -> None:
        self._settings, self._load = settings, load
        self._models: Models | None = None
        self._on_cpu: Models | None = None

    def models(self) -> Models:
        """The networks."""
        if self._models is None:
            self._models = self._loaded()
        return self._models

    def run(self, work: Callable[[Models], T]) -> tuple[T, tuple[str, ...]]:
        """Do what needs the networks, on the CPU where the GPU's memory is too small for it; and warnings."""
        models = self.models()
        try:
            return work(models), ()
        except Exception as error:
            if not gpu_is_full(error):
                raise
        # Out of the handler: the error would keep alive what lies on the GPU.
        return work(self._models_on_cpu()), ("the GPU's memory is too small for it: done on the CPU",)

    def _models_on_cpu(self) -> Models:
        _free_gpu()
        if self._on_cpu is None:
            self._on_cpu = self._load(replace(self._settings, device="cpu"))
        return self._on_cpu

    def _loaded(self) -> Models:
        try:
            return self._load(self._settings)
        except Exception as error:
            if not gpu_is_full(error):
                raise
        models = self._models_on_cpu()
        said = "the GPU's memory is too small, or others have it: computing on the CPU instead, which is slower"
        return replace(models, warnings=(*models.warnings, said))


def gpu_is_full(error: Exception) -> bool:
    """Whether an error says that a GPU's memory is too small for what was asked of it."""
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which is not imported for this
        return True
    return isinstance(error, RuntimeError) and _GPU_IS_FULL.search(str(error)) is not None


def _free_gpu() -> None:
    """Give back what torch keeps of the GPU's memory for later."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def load_models(settings: Settings, *, judged: bool = True) -> Models:
    """Choose the device and load the networks.

    Args:
        settings: which networks, and where.
        judged: whether results are to be judged by what is known of these networks' errors; a fit of just that does
            without, since what lies there may be of others.

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
    mirror_tta, topology, brain_extraction = settings.mirrors(), settings.topology, settings.brain_extraction
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
    judging = Judging(settings.quality_model(), further=settings.length_errors()) if judged else Judging()
    landmarks = LandmarkNetwork.of(model, compute, mirror_tta=mirror_tta)
    return Models(segment, landmarks, device, warnings, judging, compute.device.type != "cpu")

"""How long a synthetic sample takes, beside a training step of the network on one as large, in one run.

    python -m benchmarks.synthesis ATLASES [--size 128] [--samples 20] [--threads 2] [--device cpu]

Samples are drawn as training/configs/segmentation.yaml says, at its spacing; a step is forward and backward, batch 1.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from feta.bids import subject_in
from feta.settings import read_settings
from inference.networks.device import choose
from training.commands.common import CONFIGS, VALIDATION
from training.data.subject import pairs, read_subject
from training.engine.architectures import make_network
from training.engine.losses import segmentation_loss
from training.synthesis.sample import generate_sample
from training.tasks.segmentation import SegmentationSettings, normalised


def main() -> None:
    """Print seconds of samples and of steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("atlases", type=Path)
    parser.add_argument("--size", type=int, default=128, help="voxels along each axis")
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    compute = choose(arguments.device)
    settings = read_settings(SegmentationSettings, CONFIGS / "segmentation.yaml")
    synthesis = replace(settings.synthesis, size=arguments.size)
    files = {subject_in(name): both for name, both in pairs(arguments.atlases).items()}
    subjects = [read_subject(name, *files[name]).to(compute.device) for name in files if name not in VALIDATION][:4]
    network = make_network(settings.network).to(compute.device).train()

    def seconds(work: Callable[[int], None], seed: int) -> float:
        began = time.perf_counter()
        work(seed)
        if compute.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    def make(seed: int) -> None:
        sample = generate_sample(subjects[seed % len(subjects)], synthesis, seed)
        made.append((normalised(sample, seed), sample.labels))

    def step(seed: int) -> None:
        image, labels = made[-1]
        with compute.precision():
            outputs = network.levels(image[None], settings.network.heads)  # type: ignore[operator]
        segmentation_loss(outputs, labels[None], settings.losses).backward()

    made: list[tuple[torch.Tensor, torch.Tensor]] = []
    times = []
    for seed in range(-1, arguments.samples):  # the first warms up
        times.append((seconds(make, seed), seconds(step, seed)))
    samples, steps = np.array(times[1:]).T
    shape = f"{arguments.size}³ at {synthesis.spacing:g} mm, {compute.name}, {arguments.threads} threads"
    print(f"{shape}, {arguments.samples} samples")
    print(f"a sample: median {np.median(samples):.2f} s, longest {samples.max():.2f} s")
    print(f"a step:   median {np.median(steps):.2f} s, longest {steps.max():.2f} s")
    print(f"a sample takes {np.median(samples) / np.median(steps):.2f} of a step")


if __name__ == "__main__":
    main()

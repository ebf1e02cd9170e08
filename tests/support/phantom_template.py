"""A template from the analytic phantom: a brain with every landmark, small enough for tests."""

from __future__ import annotations

import numpy as np
import torch

from feta.labels import Tissue
from training.anatomy.template import CALLOSUM, Template, log_odds, standard_signal
from training.phantom.phantom import draw_phantom
from training.phantom.tissues import draw_tissues

VOXEL = 1.2


def phantom_template(age: float = 23.0, stretch: float = 1.0) -> Template:
    """A healthy brain, of which every mm is ``stretch`` mm."""
    brain = draw_phantom(np.random.default_rng(4), age, False, VOXEL)
    axes = [np.arange(-half, half, VOXEL, dtype=np.float32) for half in (40.0, 46.0, 46.0)]
    z, y, x = np.meshgrid(*axes[::-1], indexing="ij")
    labels = draw_tissues(brain, (x, y, z))
    yc, zc, a, b = brain.callosum
    arch = np.hypot((y - yc) / a, (z - zc) / b)
    near = (np.abs(x) < 2.5) & (arch < 1.05) & (arch > 1 - 3.5 / b)
    labels[near & (labels == Tissue.WM)] = CALLOSUM
    image = np.array([0, 900, 300, 500, 1000, 350, 400, 450, 420], np.float32)[labels]
    to_mm = np.diag([VOXEL * stretch] * 3 + [1.0])
    to_mm[:3, 3] = np.array([axis[0] for axis in axes]) * stretch
    signal = torch.from_numpy(standard_signal(image, labels))[None]
    return Template(log_odds(labels), signal, np.linalg.inv(to_mm))

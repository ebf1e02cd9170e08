"""How bright fluid is in a stack of slices, of which nobody has labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Fluid's share of the intensities about a head lies above this percentile; coils make others brighter yet.
FLUID_PERCENTILE = 97.0


def fluid_intensity(near: npt.NDArray) -> float:
    """The intensity of fluid, above 0.

    Args:
        near: intensities of the voxels about a head, of any shape.
    """
    return max(float(np.percentile(near, FLUID_PERCENTILE)), 1e-6)

"""nnU-Net v2's normalisation of intensities (``default_normalization_schemes.py``), for one channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt

from inference.nnunet.errors import Unsupported

#: Least standard deviation, and least maximum of a rescaled image.
EPSILON = 1e-8
ZSCORE, CT, NONE, RESCALE = "ZScoreNormalization", "CTNormalization", "NoNormalization", "RescaleTo01Normalization"
RGB = "RGBTo01Normalization"
#: What CT normalisation needs to know of the training images.
PROPERTIES = ("mean", "std", "percentile_00_5", "percentile_99_5")
Image = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Normalisation:
    """How one channel is normalised.

    Attributes:
        scheme: nnU-Net's name of it.
        masked: the z-score is of the region that is not 0, and leaves the rest as it is.
        properties: of the training images' intensities, for CT.
    """

    scheme: str
    masked: bool
    properties: Mapping[str, float]

    def __call__(self, image: Image) -> Image:
        """Normalised copy of an image (any axes, float32) that is cropped to what is not 0."""
        if self.scheme == ZSCORE:
            return self._z_score(image)
        if self.scheme == CT:
            mean, spread, low, high = (self.properties[name] for name in PROPERTIES)
            return ((np.clip(image, low, high) - np.float32(mean)) / np.float32(max(spread, EPSILON))).astype(
                np.float32
            )
        if self.scheme == RESCALE:
            raised = image - image.min()
            return raised / np.float32(max(float(raised.max()), EPSILON))
        return image / np.float32(255) if self.scheme == RGB else image.copy()

    def _z_score(self, image: Image) -> Image:
        inside = filled(image != 0) if self.masked else np.ones(image.shape, bool)
        values = image[inside] if self.masked else image
        result = image.copy()
        result[inside] = ((values - values.mean()) / max(values.std(), EPSILON)).astype(np.float32).ravel()
        return result


def read_normalisation(chosen: Mapping[str, Any], properties: Mapping[str, Any]) -> Normalisation:
    """The normalisation of the only channel of a configuration.

    Raises:
        Unsupported: an unknown scheme.
        KeyError, ValueError: the plans are damaged.
    """
    (scheme,), (masked,) = chosen["normalization_schemes"], chosen["use_mask_for_norm"]
    if scheme not in (ZSCORE, CT, NONE, RESCALE, RGB):
        raise Unsupported(f"normalisation {scheme} is not known")
    known = {name: float(properties["0"][name]) for name in PROPERTIES} if scheme == CT else {}
    return Normalisation(scheme, bool(masked), known)


def filled(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """A mask with its holes filled: all but the background that reaches the array's faces by 6-connection.

    The same as scipy's ``binary_fill_holes``, which nnU-Net calls on the whole image, in a fraction of the time.
    The background around the mask's bounding box is one piece, so that a mask cropped to it has the same holes.
    """
    pieces, count = cc3d.connected_components(~mask, connectivity=6, return_N=True)
    open_to_outside = np.zeros(count + 1, bool)
    for axis in range(3):
        for end in (0, -1):
            open_to_outside[np.unique(np.take(pieces, end, axis))] = True
    open_to_outside[0] = False
    return ~open_to_outside[pieces]

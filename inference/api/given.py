"""What a call from Python may be given, as a volume: a file, an image of nibabel or SimpleITK, an array, a tensor.

Where the voxels lie is decided as for files: an affine is put into a header of NIfTI, and that is read. So an image and
the file that it came from give the same.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from feta.bids import single_volume
from feta.errors import FetaError
from feta.files import following_links
from feta.grid import StoredGeometry
from feta.nifti import Header
from feta.volumes import Volume, volume_of
from inference.api.geometry import checked_spacing, header_of, of_affine, of_header, of_simpleitk, of_spacing
from inference.derivatives.metaimage import is_metaimage, read_image


@dataclass(frozen=True)
class Given:
    """A volume, and how its array was stored.

    Attributes:
        source: its file, or what messages call it.
        volume: float32 (z, y, x).
        shape: of what was given.
        reverse: whether that is in (x, y, z) order.
    """

    source: Path
    volume: Volume
    shape: tuple[int, ...]
    reverse: bool = True

    def as_it_was(self, array: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """A copy of an array (z, y, x) of the volume, in the order and shape of what was given."""
        return np.array(array.T if self.reverse else array, order="C").reshape(self.shape)


def take(image: Any, spacing: Any = None, affine: Any = None) -> Given:
    """Read what was given; arguments as of ``LoadedModel.__call__``.

    Raises:
        FetaError: it can't be used, in one line.
    """
    itself = isinstance(image, (str, os.PathLike, sitk.Image)) or hasattr(image, "dataobj")
    if itself and (spacing is not None or affine is not None):
        name = "affine" if spacing is None else "spacing"
        raise FetaError(name, "is given, and the image says itself where its voxels lie", "leave it out")
    if isinstance(image, (str, os.PathLike)):
        return _file(Path(os.fsdecode(image)))
    if isinstance(image, sitk.Image):
        return _simpleitk(image)
    if hasattr(image, "dataobj"):
        return _nibabel(image)
    return _array(image, spacing, affine)


def _file(path: Path) -> Given:
    if path.is_dir():
        raise FetaError(path, "is a folder", "give one volume; feta-infer takes folders")
    with following_links():
        volume = read_image(path if is_metaimage(path) and path.exists() else single_volume(path))
    return Given(path, volume, volume.array.shape[::-1])


def _simpleitk(image: sitk.Image) -> Given:
    source = Path("SimpleITK image")
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise FetaError(source, "has several values a voxel", "give one volume of grey values")
    array, shape = _three_dimensional(sitk.GetArrayFromImage(image), source)
    header = Header(of_simpleitk(image, source), array.dtype, 0, 1.0, 0.0)
    return Given(source, volume_of(header, array, source), shape, reverse=False)


def _nibabel(image: Any) -> Given:
    """An image of nibabel, which is not imported: the program that made the image has done so."""
    name = getattr(image, "get_filename", lambda: None)()
    source = Path(name or "nibabel image")
    slope, intercept = 1.0, 0.0
    try:
        data = image.dataobj
        if hasattr(data, "get_unscaled"):  # still in its file: scaled as the reader of files does it
            slope, intercept = float(data.slope), float(data.inter)
            data = data.get_unscaled()
        values = np.asanyarray(data)
    except (OSError, EOFError, ValueError) as error:
        raise FetaError(source, f"its voxels cannot be read ({error})", "copy the file again") from error
    array, shape = _three_dimensional(values, source)
    header = header_of(of_header(image, array.shape), array.shape, source)
    header = replace(header, slope=slope, intercept=intercept)
    return Given(source, _volume(header, array, source), shape)


def _array(image: Any, spacing: Any, affine: Any) -> Given:
    source = Path("tensor" if hasattr(image, "detach") else "array")
    array, shape = _three_dimensional(_numpy(image, source), source)
    header = header_of(_geometry(spacing, affine), array.shape, source)
    return Given(source, _volume(header, array, source), shape)


def _geometry(spacing: Any, affine: Any) -> StoredGeometry:
    if affine is not None:
        return of_affine(affine, None if spacing is None else checked_spacing(spacing))
    if spacing is None:
        problem = "is needed, or an affine: an array doesn't say how large its voxels are"
        raise FetaError("spacing", problem, "give spacing=(x, y, z) in mm")
    return of_spacing(checked_spacing(spacing))


def _volume(header: Header, array: npt.NDArray, source: Path) -> Volume:
    """The volume of an array (x, y, z), of which it holds a copy: background is set to 0 in place."""
    return volume_of(header, np.array(array.T, order="C"), source)


def _numpy(image: Any, source: Path) -> npt.NDArray:
    """An array, or a tensor of torch wherever it lies; torch is not imported."""
    if np.ma.is_masked(image):  # what lies below a mask is no image, and nobody knows what its owner wants there
        raise FetaError(source, "has masked voxels", "give array.filled(0) for a masked brain, array.data without it")
    try:
        if hasattr(image, "detach"):
            tensor = image.detach().cpu()
            image = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
        return np.asarray(image)
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FetaError(source, f"cannot be read as an array of numbers ({reason})", "give a numpy array") from error


def _three_dimensional(array: npt.NDArray, source: Path) -> tuple[npt.NDArray, tuple[int, ...]]:
    """An array of real numbers without further axes of length 1 (channels, a batch), and the shape that it had."""
    if array.dtype.kind not in "biuf":
        raise FetaError(source, f"holds values of type {array.dtype}, not real numbers", "convert it to float32")
    size = array.shape
    inner = list(size)
    while len(inner) > 3 and 1 in (inner[0], inner[-1]):
        inner.pop(0 if inner[0] == 1 else -1)
    if len(inner) != 3:
        raise FetaError(source, f"has {len(size)} dimensions {size}, not three", "give one three-dimensional volume")
    if 0 in inner:
        raise FetaError(source, f"is empty: its shape is {size}")
    return array.reshape(inner), size

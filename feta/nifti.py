"""The header of a NIfTI file, read just far enough to guard what follows, and written again.

Layout: NIfTI-1 (nifti.nimh.nih.gov/nifti-1) and NIfTI-2 (the same with wider fields).
Where the voxels lie in space is SimpleITK's decision alone: it is given a clean header
rebuilt from the fields that were checked, and never sees a byte of the file itself.

nibabel, the field's reader, is the tests' oracle and not used here: the guards need the raw fields before anything
is allocated or repaired, which is most of this file with nibabel, too, and importing it costs every start of a
command more time than all headers of a cohort.
"""

from __future__ import annotations

import math
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from feta.errors import FetaError, HostError
from feta.grid import Grid, Matrix, StoredGeometry

#: Declared limit on a volume's size, held against the header before anything is allocated.
MAX_VOXELS = 1024**3 // 2
#: A fetal brain and its surroundings are far smaller; a larger image has its units wrong.
MAX_EXTENT_MM = 2000.0
#: Bytes that hold any header of either version.
HEADER_BYTES = 544
#: Where the voxels start in a file without extensions, by version.
FIRST_VOXEL = {1: 352, 2: 544}
#: A header may carry extensions before the voxels, of this size at most.
MAX_OFFSET = 16 << 20
MAX_SIDE = 32767
#: The highest code of a form that the standard knows.
_MAX_CODE = 5
_ORTHOGONAL = 1e-3
#: A shear (tangent of the angle) below 0.01 comes from rounded digits: the nearest rotation is meant.
_ROUNDED_SHEAR = 0.0099
#: Voxel sizes in pixdim and in the sform that differ by more than this share contradict each other.
SIZES_DIFFER = 0.01
_SIZES_ROUNDED = 1e-3
#: Forms whose corners lie farther apart than this are said to disagree, mm.
FORMS_DISAGREE_MM = 0.1
#: No image of a brain is smaller, mm.
MIN_EXTENT_MM = 1.0
#: The unit of lengths, by the lowest three bits of the field: its name and its millimetres.
_UNITS = {1: ("metres", 1000.0), 2: ("millimetres", 1.0), 3: ("micrometres", 0.001)}

_DTYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_OTHER_DTYPES = {1: "binary", 32: "complex", 128: "RGB", 1536: "float128", 1792: "complex", 2304: "RGBA"}

#: Byte offset and struct format of each field that is read, by version.
_LAYOUTS = {
    1: {
        "dim": (40, "8h"),
        "datatype": (70, "h"),
        "pixdim": (76, "8f"),
        "offset": (108, "f"),
        "scale": (112, "2f"),
        "units": (123, "B"),
        "codes": (252, "2h"),
        "qform": (256, "6f"),
        "sform": (280, "12f"),
    },
    2: {
        "datatype": (12, "h"),
        "dim": (16, "8q"),
        "pixdim": (104, "8d"),
        "offset": (168, "q"),
        "scale": (176, "2d"),
        "codes": (344, "2i"),
        "qform": (352, "6d"),
        "sform": (400, "12d"),
        "units": (500, "i"),
    },
}


@dataclass(frozen=True)
class Header:
    """What reading the voxels needs.

    Attributes:
        grid: where they lie, as SimpleITK sees it.
        dtype: how they are stored, byte order included.
        offset: bytes before the first voxel.
        slope, intercept: value = stored · slope + intercept; (1, 0) where the file has no scaling.
        warnings: what the user should know of the geometry, one line each.
        contradiction: how the header contradicts itself about the voxels' size; "" where it doesn't.
    """

    grid: Grid
    dtype: np.dtype
    offset: int
    slope: float
    intercept: float
    warnings: tuple[str, ...] = ()
    contradiction: str = ""

    @property
    def scaled(self) -> bool:
        """Whether stored values differ from the values meant."""
        return (self.slope, self.intercept) != (1.0, 0.0)

    @property
    def total_bytes(self) -> int:
        """Length of the file, inflated."""
        return self.offset + math.prod(self.grid.size) * self.dtype.itemsize


def parse_header(data: bytes, path: Path) -> Header:
    """Read and check the header of a single-file NIfTI volume.

    Args:
        data: the first HEADER_BYTES bytes of the file, inflated (or all of a shorter one).
        path: for messages.

    Raises:
        FetaError: not NIfTI, not three-dimensional, too large, or a geometry that SimpleITK refuses.
    """
    version, order = _version(data, path)
    raw = {name: struct.unpack_from(order + code, data, at) for name, (at, code) in _LAYOUTS[version].items()}
    raw["dim"] = _three_dimensions(raw["dim"], path)
    datatype = raw["datatype"][0]
    if datatype not in _DTYPES:
        kind = _OTHER_DTYPES.get(datatype, f"code {datatype}")
        raise FetaError(path, f"voxels are of type {kind}, not real numbers", "convert it to a grey-scale volume")
    offset = _offset(raw["offset"][0], version, path)
    slope, intercept = _scale(*raw["scale"])
    grid, warnings = _grid(raw, path)
    contradiction, rounded = _sizes(raw)
    dtype = np.dtype(order + _DTYPES[datatype])
    return Header(grid, dtype, offset, slope, intercept, (*warnings, *rounded), contradiction)


def _version(data: bytes, path: Path) -> tuple[int, str]:
    """Version (1 or 2) and byte order ("<" or ">")."""
    for version, length, magic in ((1, 348, data[344:348]), (2, 540, data[4:12])):
        for order in "<>":
            if len(data) < length + 4 or struct.unpack_from(order + "i", data)[0] != length:
                continue
            if magic == (b"n+1\0", b"n+2\0\r\n\x1a\n")[version - 1]:
                return version, order
            raise FetaError(path, "is not a single-file NIfTI volume", "convert it to .nii.gz")
    raise FetaError(path, "is not a NIfTI volume", "convert it to .nii.gz")


def _three_dimensions(dim: tuple[int, ...], path: Path) -> tuple[int, ...]:
    """The field without trailing dimensions of 1, as MIRTK and SVRTK write them; refuse what isn't 3-D then."""
    if not 1 <= dim[0] <= 7 or min(dim[1 : dim[0] + 1]) < 1:
        raise FetaError(path, f"header is damaged (dimensions {dim})", "copy the file again")
    size = dim[1 : dim[0] + 1]
    while len(size) > 3 and size[-1] == 1:
        size = size[:-1]
    if len(size) != 3:
        raise FetaError(path, f"has {len(size)} dimensions {size}, not three", "extract one three-dimensional volume")
    if math.prod(size) > MAX_VOXELS or max(size) > MAX_SIDE:
        raise FetaError(path, f"header declares {size} voxels, the limit is {MAX_VOXELS} in all", "crop or resample it")
    return (3, *size)


def _offset(value: float, version: int, path: Path) -> int:
    if not math.isfinite(value) or value != int(value) or not FIRST_VOXEL[version] <= value <= MAX_OFFSET:
        raise FetaError(path, f"header is damaged (voxels start at byte {value:g})", "copy the file again")
    return int(value)


def _scale(slope: float, intercept: float) -> tuple[float, float]:
    """A slope of 0 or NaN means that values are stored as they are (NIfTI-1 standard)."""
    if slope == 0 or not math.isfinite(slope):
        return 1.0, 0.0
    return slope, intercept if math.isfinite(intercept) else 0.0


def _grid(raw: dict[str, tuple], path: Path) -> tuple[Grid, list[str]]:
    """Where the voxels lie: SimpleITK's reading of a clean NIfTI-1 header with the same geometry; and warnings."""
    if not all(math.isfinite(s) and s > 0 for s in raw["pixdim"][1:4]):
        raise FetaError(path, f"voxel size {raw['pixdim'][1:4]} is not positive", "correct the header's pixdim")
    forms = zip(raw["codes"], (raw["qform"], raw["sform"]), strict=True)
    if not all(np.isfinite(_float32(form)).all() for code, form in forms if code > 0):
        raise _bad_affine(path)  # SimpleITK would take 0 for it, or something arbitrary
    warnings = []
    grid = _ask_simpleitk(_clean_header(raw))
    if grid is None or not is_orthogonal(grid):
        straight = _nearest_rotation(raw)
        grid = _ask_simpleitk(_clean_header(straight)) if straight else None
        if grid is None or not is_orthogonal(grid):
            raise _bad_affine(path)
        warnings.append("its affine is slightly sheared, as by rounded digits: the nearest rotation was taken")
    _check_extent(grid, raw, path)
    geometry = _stored(raw)
    if (apart := geometry.disagreement(grid.size) * _unit(raw)[1]) > FORMS_DISAGREE_MM:
        by_qform, by_sform = (float(np.abs(form - grid.affine()).max()) for form in forms_in_mm(geometry))
        qform = by_qform <= by_sform
        warnings.append(
            f"its qform and sform disagree by up to {apart:.3g} mm: programs show it in one place or the other; the "
            f"{'qform' if qform else 'sform'} was taken, and results carry both"
        )
    return grid.with_header(geometry), warnings


def forms_in_mm(geometry: StoredGeometry) -> tuple[Matrix, Matrix]:
    """4×4 from index (x, y, z) to physical LPS mm: by the qform, and by the sform, set or not."""
    unit = _UNITS.get(geometry.units & 0b111, _UNITS[2])[1]
    to_lps = np.diag([-unit, -unit, unit, 1.0])
    return to_lps @ geometry.qform(), to_lps @ geometry.sform()


def _stored(raw: dict[str, tuple]) -> StoredGeometry:
    return StoredGeometry(raw["codes"], raw["pixdim"], raw["qform"], raw["sform"], raw["units"][0])


def is_orthogonal(grid: Grid) -> bool:
    """Whether all numbers are finite, and the axes at right angles."""
    numbers = np.concatenate([grid.spacing, grid.origin, grid.direction])
    axes = np.reshape(grid.direction, (3, 3))
    return bool(np.isfinite(numbers).all()) and np.abs(axes.T @ axes - np.eye(3)).max() <= _ORTHOGONAL


def _nearest_rotation(raw: dict[str, tuple]) -> dict[str, tuple] | None:
    """The fields with the sform's axes at right angles (polar decomposition); None where they are far from it."""
    if raw["codes"][1] <= 0:
        return None
    rows = np.reshape(raw["sform"], (3, 4)).astype(np.float64)
    lengths = np.linalg.norm(rows[:, :3], axis=0)
    if not (lengths > 0).all():
        return None
    axes = rows[:, :3] / lengths
    cosine = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if cosine >= 1 or cosine / math.sqrt(1 - cosine**2) > _ROUNDED_SHEAR:
        return None
    left, _, right = np.linalg.svd(axes)
    rows[:, :3] = left @ right * lengths
    return {**raw, "sform": tuple(rows.ravel())}


def _unit(raw: dict[str, tuple]) -> tuple[str, float]:
    """The name of the header's unit of length, and its millimetres; millimetres where it says none."""
    return _UNITS.get(raw["units"][0] & 0b111, _UNITS[2])


def _check_extent(grid: Grid, raw: dict[str, tuple], path: Path) -> None:
    extent = max(n * s for n, s in zip(grid.size, grid.spacing, strict=True))
    if min(grid.spacing) > 0 and MIN_EXTENT_MM <= extent <= MAX_EXTENT_MM:
        return
    name, _ = _unit(raw)
    problem = f"extends over {extent:g} mm, since its voxels are {raw['pixdim'][1]:g} {name} wide"
    raise FetaError(path, problem, "correct the voxel size or its unit in the header")


def _sizes(raw: dict[str, tuple]) -> tuple[str, list[str]]:
    """How pixdim and the sform contradict each other about the voxels' size, or a warning where they nearly agree."""
    if raw["codes"][1] <= 0:
        return "", []
    columns = np.linalg.norm(np.reshape(raw["sform"], (3, 4))[:, :3], axis=0)
    off = float(np.abs(columns / raw["pixdim"][1:4] - 1).max())
    by_both = [" × ".join(f"{s:.4g}" for s in sizes) for sizes in (raw["pixdim"][1:4], columns)]
    said = f"voxels of {by_both[0]} by its pixdim, of {by_both[1]} by its sform"
    if _nearest_rotation(raw) is None:  # SimpleITK takes the qform; the sform may lead to a template
        return "", [f"{said}, which is sheared: lengths are by its pixdim"] if off > SIZES_DIFFER else []
    if off > SIZES_DIFFER:
        return said, []
    return "", [f"{said}: lengths may be off by {100 * off:.1g} %"] if off > _SIZES_ROUNDED else []


def write_header(geometry: StoredGeometry, size: tuple[int, int, int], dtype: np.dtype) -> bytes:
    """352 bytes of NIfTI-1 for a 3-D volume of this size (x, y, z) and type with another file's geometry."""
    header = bytearray(FIRST_VOXEL[1])
    code = next(number for number, name in _DTYPES.items() if np.dtype(name) == dtype)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *size, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, code, dtype.itemsize * 8)
    struct.pack_into("<3f", header, 108, FIRST_VOXEL[1], 1.0, 0.0)
    header[123] = geometry.units & 0xFF
    _put_forms(
        header, geometry.codes, {"pixdim": geometry.pixdim, "qform": geometry.quaternion, "sform": geometry.rows}
    )
    header[344:348] = b"n+1\0"
    return bytes(header)


def _clean_header(raw: dict[str, tuple]) -> bytes:
    """352 bytes of NIfTI-1 that hold the size and geometry, and nothing else of the file."""
    header = bytearray(FIRST_VOXEL[1])
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *raw["dim"][1:4], 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 2, 8)
    struct.pack_into("<f", header, 108, FIRST_VOXEL[1])
    header[123] = raw["units"][0] & 0xFF
    a, b = (min(max(code, 0), _MAX_CODE) for code in raw["codes"])
    _put_forms(header, (a, b), raw)
    header[344:348] = b"n+1\0"
    return bytes(header)


def _put_forms(header: bytearray, codes: tuple[int, int], fields: Mapping[str, tuple]) -> None:
    """Both forms with their codes, and pixdim, as NIfTI-1 has them."""
    struct.pack_into("<2h", header, 252, *(int(np.clip(code, -32768, 32767)) for code in codes))
    for name in ("pixdim", "qform", "sform"):
        at, values = _LAYOUTS[1][name][0], _float32(fields[name])
        header[at : at + values.nbytes] = values.tobytes()


def _float32(values: tuple[float, ...]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(values).astype("<f4")


def _ask_simpleitk(header: bytes) -> Grid | None:
    """Where SimpleITK sees the voxels of such a file; None where it refuses."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NiftiImageIO")
    loud = sitk.ProcessObject.GetGlobalWarningDisplay()
    try:
        with tempfile.TemporaryDirectory(prefix="feta-") as folder:
            file = Path(folder) / "header.nii"
            file.write_bytes(header)
            reader.SetFileName(str(file))
            sitk.ProcessObject.SetGlobalWarningDisplay(False)  # it would name the temporary file
            reader.ReadImageInformation()
    except OSError as error:
        raise HostError("TMPDIR", f"no temporary file can be written ({error.strerror})", "set TMPDIR") from error
    except RuntimeError:
        return None
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(loud)
    # Adding 0.0 turns −0.0 into 0.0.
    spacing, origin = (tuple(v + 0.0 for v in get()) for get in (reader.GetSpacing, reader.GetOrigin))
    return Grid(reader.GetSize(), spacing, origin, tuple(v + 0.0 for v in reader.GetDirection()))


def _bad_affine(path: Path) -> FetaError:
    return FetaError(path, "affine is sheared, singular or not finite", "resample it to orthogonal axes")

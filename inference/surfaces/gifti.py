"""Surfaces as GIFTI files, which Connectome Workbench, FreeView and nilearn read.

GIFTI Surface Data Format 1.0 (nitrc.org/projects/gifti); the names of structures and types are those of Caret and
Connectome Workbench. Coordinates are the image's own RAS mm, so that a viewer lays the surface over the image.
"""

from __future__ import annotations

import numpy as np
from nibabel.gifti import GiftiCoordSystem, GiftiDataArray, GiftiImage, GiftiMetaData
from nibabel.nifti1 import data_type_codes, intent_codes, xform_codes

from inference.surfaces.mesh import Mesh

_STRUCTURES = {"left": "CortexLeft", "right": "CortexRight"}
_SECONDARY = {"white": "GrayWhite", "pial": "Pial"}
_SCANNER = xform_codes["scanner"]


def gifti(mesh: Mesh, side: str, kind: str) -> bytes:
    """The content of a ``.surf.gii`` file.

    Args:
        mesh: in RAS mm.
        side: ``left`` or ``right``.
        kind: ``white`` or ``pial``.
    """
    of_points = {
        "AnatomicalStructurePrimary": _STRUCTURES[side],
        "AnatomicalStructureSecondary": _SECONDARY[kind],
        "GeometricType": "Anatomical",
    }
    points = GiftiDataArray(
        mesh.points.astype(np.float32),
        intent=intent_codes["pointset"],
        datatype=data_type_codes["float32"],
        coordsys=GiftiCoordSystem(_SCANNER, _SCANNER, np.eye(4)),
        meta=GiftiMetaData(of_points),
    )
    triangles = GiftiDataArray(
        mesh.triangles,
        intent=intent_codes["triangle"],
        datatype=data_type_codes["int32"],
        coordsys=None,
        meta=GiftiMetaData({"TopologicalType": "Closed"}),
    )
    content = GiftiImage(darrays=[points, triangles], meta=GiftiMetaData(of_points))
    return bytes(content.to_bytes())

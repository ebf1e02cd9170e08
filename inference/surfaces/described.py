"""Surfaces in tables and in the JSON file beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from inference.morphometry.measured import Kind, Measured
from inference.surfaces.surfaces import PIAL, SPHERE, SURFACES, WHITE, Found

SOURCE = "surface of the label map"
_NAMES = {WHITE: "white surface", PIAL: "pial surface"}


def surface_sizes(found: Mapping[tuple[str, str], Found]) -> tuple[Measured, ...]:
    """Area, and mean absolute curvature, of each surface."""
    return tuple(
        size
        for side, kind in SURFACES
        for size in _sizes(f"{kind}_{{}}_{side}", f"{_NAMES[kind]}, {{}}, {side}", found[side, kind])
    )


def _sizes(key: str, title: str, surface: Found) -> Iterator[Measured]:
    for name, words, kind in (
        ("area", "area", Kind.AREA),
        ("curvature", "mean |curvature|", Kind.CURVATURE),
    ):
        if isinstance(surface, str):
            yield Measured(key.format(name), title.format(words), kind, None, source=SOURCE, flag=surface)
        else:
            value = surface.shape.area if kind is Kind.AREA else surface.shape.absolute_curvature
            yield Measured(key.format(name), title.format(words), kind, value, source=SOURCE)


def surface_warnings(found: Mapping[tuple[str, str], Found]) -> tuple[str, ...]:
    """What a user must know: surfaces that there are none of, and those that pass through themselves."""
    missing: dict[str, list[str]] = {}
    said = []
    for (side, kind), surface in found.items():
        if isinstance(surface, str):
            missing.setdefault(surface, []).append(f"{side} {kind}")
        elif surface.self_intersections:
            said.append(f"the {side} {kind} surface meets itself: {surface.self_intersections} pairs of triangles")
    none = [f"no {', '.join(names)} surface: {reason}" for reason, names in missing.items()]
    return (*none, *said)


def surface_description(found: Mapping[tuple[str, str], Found], files: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """The content of the JSON file.

    Args:
        found: of ``make_surfaces``.
        files: the name of each surface's file.
    """
    return {
        "Description": "Closed surfaces of each hemisphere, made of the label map; for research only. The pial one "
        "runs across sulci whose banks touch in the label map: late in pregnancy its area is below the white one's",
        "Coordinates": "RAS mm of the image (NIFTI_XFORM_SCANNER_ANAT)",
        "Surfaces": {files[key]: _described(surface) for key, surface in found.items()},
    }


def _described(surface: Found) -> dict[str, Any]:
    if isinstance(surface, str):
        return {"NotMade": surface}
    shape = surface.shape
    return {
        "Vertices": len(surface.mesh.points),
        "Triangles": len(surface.mesh.triangles),
        "EulerCharacteristic": surface.euler,
        "Genus": (SPHERE - surface.euler) // 2,
        "SelfIntersections": surface.self_intersections,
        "AreaMm2": round(shape.area, 1),
        "EnclosedMl": round(shape.volume / 1000, 3),
        "MeanCurvaturePerMm": round(shape.mean_curvature, 5),
        "MeanAbsoluteCurvaturePerMm": round(shape.absolute_curvature, 5),
        "FilledForTopologyMl": round(surface.filled_ml, 4),
        "CutForTopologyMl": round(surface.cut_ml, 4),
    }

"""The tissues of the analytic brain at any set of points.

In formulas w, d, h are half the brain's width, half its length from front to back, and its height.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feta.labels import Tissue
from feta.measurements import Measurement
from training.phantom.phantom import TILT, Phantom
from training.phantom.signed_distance import Field, Points, Triple, both, ellipsoid, tube, union, without


def draw_tissues(brain: Phantom, points: Points) -> npt.NDArray[np.uint8]:
    """Labels 0–7 at points of the phantom's frame (any shape), before their topology is made exact."""
    labels = np.zeros(points[0].shape, np.uint8)
    hull = _hull(brain, (np.abs(points[0]), points[1], points[2]))
    head = _skull(brain, points, hull) < 0
    x, y, z = points
    if head.any():
        labels[head] = _draw_brain(brain, (x[head], y[head], z[head]), hull[head])
    return labels


def _draw_brain(brain: Phantom, points: Points, hull: Field) -> npt.NDArray[np.uint8]:
    """Labels 1–7 at points inside the skull.

    Tissues are painted from the outside in; what is painted later lies inside what was painted before.
    """
    labels = np.full(points[0].shape, Tissue.ECSF, np.uint8)
    mirrored = (np.abs(points[0]), points[1], points[2])
    stem, cerebellum = _hindbrain(brain, points)
    room = _below(brain, mirrored, cerebellum)
    narrow, wide = _folds(brain, points, mirrored)
    # Both surfaces are graphs over directions, so neither has a handle.
    pial = _carve(brain, mirrored, hull + narrow, room, 0.0)
    white = _carve(brain, mirrored, hull + brain.cortex + wide, room, brain.cortex)
    outer, inner = _arch(brain, points)
    # The bridge ends before the hemispheres' edges are rounded off, so that no fluid is trapped beside it.
    bridge = (mirrored[0] <= brain.fissure + brain.finest) & (outer < 0) & (room > 2.5)
    labels[pial < 0] = Tissue.GM
    # No cortex where the hemispheres meet: the callosum and what lies under it pass through.
    middle = bridge | ((pial < 0) & (outer < 0) & (mirrored[0] < 0.30 * brain.width))
    core = middle | (white < 0)
    labels[core] = Tissue.WM
    _, floor, end = _levels(brain)
    labels[core & (_deep_grey(brain, mirrored) < 0)] = Tissue.SGM
    labels[middle & (points[2] < np.where(inner < 0, floor, end))] = Tissue.SGM
    roof = middle & (inner >= 0) & (points[2] >= end)
    labels[roof] = Tissue.WM
    labels[core & ~roof & (_ventricles(brain, mirrored, inner) < 0)] = Tissue.VM
    labels[(stem < 0) & (labels != Tissue.VM)] = Tissue.BSM
    labels[(cerebellum < 0) & (labels == Tissue.ECSF)] = Tissue.CBM
    return labels


def _skull(brain: Phantom, points: Points, hull: Field) -> Field:
    """The inside of the skull: a vault around the cerebrum, the posterior fossa, and room around the temporal lobes."""
    w, d, h = brain.width, brain.length, brain.height
    margin = brain.subarachnoid
    clear = max(2.2 * brain.finest, 0.4 * margin)
    vault = ellipsoid(
        points,
        (0, brain.widest, 0),
        (w + margin, d - brain.widest + clear, h + clear),
        below=(w + margin, d + brain.widest + clear, 0.75 * h + clear),
    )
    y, z = brain.cerebellum
    side = brain.lengths[Measurement.TCD] / 2 + 3 + brain.finest
    fossa = ellipsoid(points, (0, y, z + 0.1 * h), (max(0.55 * w, side), 0.50 * d, 0.88 * h))
    return np.minimum(union(vault, fossa, 6.0), hull - clear)


def _hull(brain: Phantom, mirrored: Points) -> Field:
    """A cerebral hemisphere without sulci: the convexity, flat below, and the temporal lobe."""
    w, d, h = brain.width, brain.length, brain.height
    y0 = brain.widest
    convexity = ellipsoid(mirrored, (0, y0, 0), (w, d - y0, h), below=(w, d + y0, h))
    temporal = ellipsoid(mirrored, (0.58 * w, 0.06 * d, -0.52 * h), (0.33 * w, 0.46 * d, 0.42 * h))
    return union(both(convexity, -mirrored[2] - 0.42 * h, 4.0), temporal, 5.0)


def _folds(brain: Phantom, points: Points, mirrored: Points) -> tuple[Field, Field]:
    """How far pial and white surface lie under the hull, mm; zero at the widest point and on the base."""
    w, d, h = brain.width, brain.length, brain.height
    offset = (mirrored[0] - np.float32(0.45 * w), points[1] - np.float32(brain.widest), points[2])
    radius = np.sqrt((offset[0] / w) ** 2 + (offset[1] / d) ** 2 + (offset[2] / h) ** 2) + np.float32(1e-6)
    on_hull = tuple(o / radius for o in offset)
    # The two sides fold differently: the left one reads the waves far away.
    far_left = np.where(points[0] < 0, np.float32(500), np.float32(0))
    distance = brain.sulci.distance((on_hull[0] + far_left, on_hull[1], on_hull[2]))
    from_widest = (mirrored[0] - np.float32(w)) ** 2 + offset[1] ** 2 + points[2] ** 2
    depth = brain.fold_depth * (1 - np.exp(-from_widest / 36)) * np.clip((on_hull[2] / h + 0.30) / 0.25, 0, 1)
    depth *= np.clip((radius - 0.35) / 0.3, 0, 1)
    width = max(1.7, 1.6 * brain.finest)
    narrow = depth * np.exp(-((distance / width) ** 2))
    wide = depth * np.exp(-((np.maximum(distance - brain.cortex, 0) / width) ** 2))
    return narrow, wide


def _carve(brain: Phantom, mirrored: Points, solid: Field, room: Field, depth: float) -> Field:
    """Cut the fissure, the Sylvian fissure and what lies below out of a hemisphere, all ``depth`` deeper."""
    w, d, h = brain.width, brain.length, brain.height
    opening = brain.sylvian
    sylvian = ellipsoid(
        mirrored, (1.06 * w, 0.30 * d, -0.17 * h), ((0.13 + 0.16 * opening) * w, 0.36 * d, (0.07 + 0.10 * opening) * h)
    )
    solid = both(solid, brain.fissure - mirrored[0] + depth, 2.0)
    solid = both(solid, depth - room, 3.0)
    return without(solid, sylvian - depth, 3.0)


def _below(brain: Phantom, mirrored: Points, cerebellum: Field) -> Field:
    """Distance from what a hemisphere keeps clear of: tentorium, cerebellum, the cistern around the brainstem."""
    w, d, h = brain.width, brain.length, brain.height
    _, y, z = mirrored
    yc, _, half, _ = brain.callosum
    cistern = ellipsoid(mirrored, (0, yc - 0.3 * half, -1.02 * h), (0.36 * w, 0.50 * d, 0.62 * h))
    tentorium = both(z + 0.36 * h - 0.2 * (y + 0.2 * d), y + 0.25 * d, 6.0)
    return np.minimum(np.minimum(cistern, tentorium), cerebellum - max(1.6, 2.2 * brain.finest))


def _arch(brain: Phantom, points: Points) -> tuple[Field, Field]:
    """Outer and inner ellipse of the corpus callosum in the (y, z) plane."""
    yc, zc, a, b = brain.callosum
    thick, _, _ = _levels(brain)
    plane = (np.zeros_like(points[0]), points[1], points[2])
    outer = ellipsoid(plane, (0, yc, zc), (1, a, b))
    return outer, ellipsoid(plane, (0, yc, zc), (1, a - thick, b - thick))


def _levels(brain: Phantom) -> tuple[float, float, float]:
    """Thickness of the callosum, z of the floor of the ventricles in the midline, z at which the callosum ends."""
    _, zc, _, b = brain.callosum
    thick = max(2.4, 2.1 * brain.finest)
    return thick, zc + 0.3 * (b - thick), zc - max(2.0, 1.5 * brain.finest)


def _deep_grey(brain: Phantom, mirrored: Points) -> Field:
    """Thalamus and basal ganglia of both sides, joined in the midline."""
    w, d, h = brain.width, brain.length, brain.height
    yc, zc, _, _ = brain.callosum
    nuclei = ellipsoid(mirrored, (0.24 * w, yc + 0.02 * d, zc + 0.06 * h), (0.27 * w, 0.36 * d, 0.27 * h))
    return union(nuclei, ellipsoid(mirrored, (0, yc - 0.05 * d, zc), (0.2 * w, 0.24 * d, 0.2 * h)), 3.0)


def _ventricles(brain: Phantom, mirrored: Points, under_arch: Field) -> Field:
    """Lateral ventricles with their horns; in the midline their bodies and the cavum fill what the callosum spans."""
    w, d, h = brain.width, brain.length, brain.height
    yc, zc, half, b = brain.callosum
    thick, floor, _ = _levels(brain)
    r = max((0.075 * w + 0.6) * brain.ventricle_scale, 1.4 * brain.finest)
    thin = max(0.75 * r, 1.3 * brain.finest)
    atrium: Triple = (0.40 * w, -0.42 * d, zc + 0.22 * h)
    body = zc + 0.62 * (b - thick)
    lateral = tube(
        mirrored,
        [
            (0.15 * w, yc, body),
            (0.19 * w, yc - 0.6 * half, zc + 0.5 * (b - thick)),
            atrium,
            (0.40 * w, -0.62 * d, zc + 0.16 * h),
        ],
        [r, r, 1.45 * r, thin],
        3.0,
    )
    frontal = tube(mirrored, [(0.15 * w, yc, body), (0.17 * w, yc + 0.85 * half, zc + 0.5 * (b - thick))], [r, r])
    temporal = tube(
        mirrored, [atrium, (0.56 * w, -0.2 * d, -0.46 * h), (0.57 * w, 0.02 * d, -0.52 * h)], [1.3 * r, thin, thin]
    )
    dome = ellipsoid(mirrored, (0, yc, zc), (max(0.16 * w, 2.5 * brain.finest), half - thick, b - thick))
    middle = both(both(dome, under_arch), floor - mirrored[2])
    return union(union(union(lateral, frontal, 2.0), temporal, 2.0), middle, 1.0)


def _hindbrain(brain: Phantom, points: Points) -> tuple[Field, Field]:
    """Brainstem, which leaves the skull below, and the cerebellum behind it."""
    w = brain.width
    yv, zv = brain.cerebellum
    tall, wide = brain.lengths[Measurement.HV], brain.lengths[Measurement.TCD] / 2
    sine, cosine = np.float32(np.sin(TILT)), np.float32(np.cos(TILT))
    y, z = points[1] - np.float32(yv), points[2] - np.float32(zv)
    leaning: Points = (np.abs(points[0]), cosine * y - sine * z, sine * y + cosine * z)
    hemisphere = ellipsoid(leaning, (0.44 * wide, 0, 0), (0.56 * wide, 0.60 * tall, 0.58 * tall))
    # Nothing is blended here: a rounded crease would make the vermis taller than its height.
    cerebellum = union(hemisphere, ellipsoid(leaning, (0, 0, 0), (0.3 * wide, 0.52 * tall, tall / 2)))
    yc, zc, half, _ = brain.callosum
    r = max(0.155 * w, 2.2 * brain.finest)
    front = 0.52 * tall + 0.75 * r
    pons: Triple = (0, yv + float(cosine) * front, zv - float(sine) * front)
    foot: Triple = (0, pons[1] - 4.0 * tall * float(sine), pons[2] - 4.0 * tall * float(cosine))
    stem = tube(points, [(0, yc - 0.3 * half, zc - 0.1 * brain.height), pons, foot], [1.15 * r, 1.1 * r, 0.75 * r], 3.0)
    bulge = ellipsoid(points, (0, pons[1] + 0.3 * r, pons[2]), (1.35 * r, 1.2 * r, 1.5 * r))
    return union(stem, bulge, 2.0), cerebellum

"""The surfaces of a case, where they are asked for. All other results stand without them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from feta.errors import HostError
from feta.files import write_atomically
from feta.volumes import Volume
from inference.biometry.midline_alignment import AlignedLabels
from inference.morphometry.measured import Measured

Written = tuple[tuple[Measured, ...], tuple[str, ...]]


def write_surfaces(
    described: Path, files: Mapping[tuple[str, str], Path], labels: Volume, aligned: AlignedLabels | None
) -> Written:
    """Make and write the surfaces that a label map has.

    Args:
        described: ``.json``, written last: what was made and what wasn't.
        files: ``.surf.gii`` of each side and kind; one that isn't made is removed, since it would be of other results.
        labels: uint8 (z, y, x).
        aligned: the same, upright; None where it is empty.

    Returns:
        what the surfaces measure, and warnings, one line each.

    Raises:
        FetaError: a file can't be written.
    """
    # nibabel takes a moment to import, which a run without surfaces needn't pay.
    from inference.surfaces.described import surface_description, surface_sizes, surface_warnings
    from inference.surfaces.gifti import gifti
    from inference.surfaces.surfaces import SURFACES, Found, make_surfaces

    try:
        found: dict[tuple[str, str], Found] = make_surfaces(labels, aligned)
    except HostError:
        raise
    except Exception as error:
        said = f"could not be made ({type(error).__name__}: {' '.join(str(error).split())})"
        found = dict.fromkeys(SURFACES, said)
    for (side, kind), path in files.items():
        surface = found[side, kind]
        if isinstance(surface, str):
            path.unlink(missing_ok=True)
        else:
            write_atomically(path, gifti(surface.mesh, side, kind))
    content = surface_description(found, {key: path.name for key, path in files.items()})
    write_atomically(described, json.dumps(content, indent=1) + "\n")
    return surface_sizes(found), surface_warnings(found)

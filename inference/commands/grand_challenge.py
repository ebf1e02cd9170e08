"""``feta-infer grand-challenge``: one case the way Grand Challenge calls an algorithm.

It mounts ``/input`` with ``inputs.json``, an image at ``images/<socket>/<uuid>.mha`` and values as ``<socket>.json``,
and reads ``/output/images/<socket>/*.mha`` and ``/output/<socket>.json`` afterwards
(grand-challenge.org/documentation/create-your-own-algorithm, and its runtime environment).
"""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

from feta.age_columns import find_age_columns
from feta.bids import entries, some_names
from feta.cases import Case
from feta.errors import FetaError
from feta.files import read_text
from feta.participants import parse_age
from inference.derivatives.metaimage import is_metaimage
from inference.runs.outputs import CaseJob

INPUTS = "inputs.json"
#: Sockets that results are written to, unless others are named.
MAP_SOCKET, LENGTHS_SOCKET = "fetal-brain-tissue-segmentation", "fetal-brain-biometry"
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def grand_challenge_job(source: Path, output: Path, map_socket: str, lengths_socket: str) -> CaseJob:
    """The one case of a Grand Challenge job, and its two results.

    Args:
        source: ``/input``.
        output: ``/output``.
        map_socket: the label map goes to ``images/<it>/output.mha``.
        lengths_socket: the lengths go to ``<it>.json``.

    Raises:
        FetaError: there is no image, or several, or a socket can't name a file.
    """
    for socket in (map_socket, lengths_socket):
        if not _SLUG.fullmatch(socket):
            raise FetaError("grand-challenge", f"'{socket}' can't name a socket", "letters and dashes only")
    image = _image(source)
    age, problem = _age(source)
    said = problem or (None if age else "no gestational age among the inputs; a value 'gestational-age.json' tells it")
    case = Case(
        image.stem, image.stem, image, PurePosixPath("."), age, None, (f"{image.stem}: {said}",) if said else (),
        problem is not None,
    )  # fmt: skip
    return CaseJob(
        case, output / "images" / map_socket / "output.mha", sidecar=output / f"{lengths_socket}.json"
    )  # fmt: skip


def _image(source: Path) -> Path:
    """The one .mha below ``images``, in the folders that inputs.json names where there is one."""
    folders = _image_folders(source)
    found = [path for folder in folders if folder.is_dir() for path in entries(folder) if path.is_file()]
    read = [path for path in found if is_metaimage(path)]
    if len(read) == 1:
        return read[0]
    if read:
        remedy = "Grand Challenge gives one a job; define one image socket as input"
        raise FetaError(source, f"holds {len(read)} images ({some_names(p.name for p in read)})", remedy)
    others = f", but {some_names(path.name for path in found)}" if found else ""
    raise FetaError(source, f"holds no image images/<socket>/*.mha{others}", "define one image socket as input")


def _image_folders(source: Path) -> list[Path]:
    """The folders of the image sockets."""
    listed = _json(source / INPUTS) if (source / INPUTS).exists() else None
    sockets = [_socket(one) for one in listed] if isinstance(listed, list) else []
    places = [PurePosixPath(str(one.get("relative_path", ""))) for one in sockets]
    named = [place for place in places if place.parts[:1] == ("images",) and ".." not in place.parts]
    if named:
        return [source / place for place in named]
    images = source / "images"
    return [folder for folder in entries(images) if folder.is_dir()] if images.is_dir() else []


def _socket(value: Any) -> dict[str, Any]:
    """What an entry of inputs.json says of its socket; older ones call it an interface."""
    found = (value.get("socket") or value.get("interface")) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _age(source: Path) -> tuple[float | None, str | None]:
    """The gestational age that a value of the input tells, by its name, and why it can't be used."""
    ages: dict[str, tuple[float | None, str | None]] = {}
    for path in entries(source):
        if path.suffix != ".json" or path.name == INPUTS:
            continue
        value = _json(path)
        told = value if isinstance(value, dict) else {path.stem: value}
        keys = [str(key) for key in told]
        for at in find_age_columns(keys).places:
            ages[f"{path.name} {keys[at]}"] = parse_age(str(list(told.values())[at]))
    if len({age for age, _ in ages.values()}) > 1:
        return None, f"inputs tell different gestational ages ({', '.join(ages)}), none is used"
    return next(iter(ages.values()), (None, None))


def _json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        FetaError: it can't be read.
    """
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise FetaError(path, "is not JSON") from error

"""What lies in an input folder of the 2021 challenge: one volume, and its age in a meta.json."""

from __future__ import annotations

import json
from pathlib import Path

from feta.age_columns import find_age_columns
from feta.bids import is_t2w, some_names, subject_of, unread_volumes, volumes, without_twins
from feta.cases import CaseList, case_of
from feta.errors import FetaError
from feta.files import read_text
from feta.participants import Participant, parse_age, subject_key
from feta.tables import plain_name


def find_cases_2021(images: Path, meta: Path) -> CaseList:
    """Find the volumes of the 2021 layout: ``images/anat/*_T2w.nii.gz``, and one meta.json for them.

    Raises:
        FetaError: there is no volume at all.
    """
    found = [image for image in volumes(images / "anat") or volumes(images) if is_t2w(image)]
    if not found:
        unread = [*unread_volumes(images / "anat"), *unread_volumes(images)]
        others = f" that is read, but {some_names(path.name for path in unread)}" if unread else ""
        raise FetaError(images, f"holds no volume{others}", "expected anat/*_T2w.nii.gz")
    row: dict[str, object] | None = None
    warnings: tuple[str, ...] = ()
    kept, problems = without_twins(found)
    try:
        row = _read_meta(meta)
    except FetaError as error:
        if _is_there(meta):
            problems.append(FetaError(error.subject, f"{error.problem}; gestational ages are unknown", error.remedy))
        else:
            warnings = (f"{error}; gestational ages are unknown",)
    table = {subject_key(subject_of(p)): _from_meta(subject_of(p), row) for p in kept} if row is not None else None
    return CaseList(tuple(case_of(p, p.parent, table) for p in kept), warnings, tuple(problems))


def _meta_file(path: Path) -> Path:
    return path / "meta.json" if path.is_dir() else path


def _is_there(path: Path) -> bool:
    """Whether there is a meta.json, if only a link that leads nowhere."""
    file = _meta_file(path)
    return file.exists() or file.is_symlink()


def _read_meta(path: Path) -> dict[str, object]:
    """The keys and values of a 2021 meta.json, or of the one in a folder.

    Raises:
        FetaError: it can't be read or holds no object.
    """
    file = _meta_file(path)
    try:
        values = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise FetaError(file, "is not JSON") from error
    if not isinstance(values, dict):
        raise FetaError(file, "holds no object with keys 'Pathology' and 'Gestational age'")
    return dict(values)


def _from_meta(subject: str, row: dict[str, object]) -> Participant:
    columns = find_age_columns(list(row))
    told = {str(row[name]) for name in (list(row)[at] for at in columns.places) if row[name] is not None}
    ages = {parse_age(text) for text in told}
    age, problem = next(iter(ages), (None, None))
    if len(ages) > 1:
        age, problem = None, f"meta.json holds different ages ({', '.join(sorted(told))}), none is used"
    missing = f" ({columns.missing})" if columns.missing else ""
    said = problem or (None if age else f"no gestational age in meta.json{missing}")
    pathology = next((value for name, value in row.items() if plain_name(name) == "pathology"), None)
    return Participant(
        subject,
        age,
        pathology=pathology if isinstance(pathology, str) else None,
        warnings=(f"{subject}: {said}",) if said else (),
        age_is_impossible=problem is not None,
    )

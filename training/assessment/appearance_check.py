"""Whether simulated volumes look like real ones: contrast, noise and sharpness by tissue against real statistics."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from feta.errors import FetaError

#: What a reconstruction of ours is called in the table of real ones.
_METHODS = {"mial": "mialsrtk", "nmic": "niftymic", "svrtk": "svrtk", "irtk": "irtk"}
#: Real volumes of one method and field strength are enough from this number on; else those of all field strengths.
_ENOUGH = 10
#: Real range that a simulated median should lie in, percent.
_LOW, _HIGH = 5.0, 95.0

Rows = Sequence[Mapping[str, str]]


def compare_appearance(cohort: Path, table: Path, details: bool = False) -> Iterator[str]:
    """Compare a simulated cohort with real volumes of the same method and field strength; yields lines for people.

    Args:
        cohort: as ``feta-train data simulate`` makes it.
        table: statistics of real volumes (FetMRQC_SR's QC_IQMs.csv).
        details: every statistic, not only those out of range.

    Raises:
        FetaError: the table or the cohort can't be used.
    """
    real, simulated = read_real(table), measure_cohort(cohort)
    inside = total = 0
    for (site, method, field), found in simulated.items():
        chosen = comparable(real, method, field)
        yield f"{site}: {len(found)} simulated, {len(chosen)} real ({_METHODS.get(method, 'all methods')})"
        yield f"  {'':26}{'simulated':>22}    {'real: 5 %  median   95 %':>26}"
        for name in found[0]:
            mine, theirs = _column(found, name), _column(chosen, name)
            if not len(theirs):
                continue
            low, middle, high = np.percentile(theirs, [_LOW, 50, _HIGH])
            fits = bool(low <= np.median(mine) <= high)
            inside, total = inside + fits, total + 1
            if details or not fits:
                spread = f"{np.median(mine):8.3f} ({mine.min():.3f}–{mine.max():.3f})"
                yield f"{' ' if fits else '!'} {name:26}{spread:>24}    {low:8.3f} {middle:8.3f} {high:8.3f}"
    yield f"{inside} of {total} medians lie within the real volumes' {_LOW:g}th to {_HIGH:g}th percentile"


def read_real(table: Path) -> Rows:
    """Rows of the table of real volumes.

    Raises:
        FetaError: it can't be read, or is another table.
    """
    try:
        with table.open(newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise FetaError(table, "cannot be read as a table") from error
    if not rows or not {"rec", "field_strength", "seg_cnr"} <= set(rows[0]):
        raise FetaError(table, "has no columns rec, field_strength and seg_cnr", "name FetMRQC_SR's QC_IQMs.csv")
    return rows


def comparable(real: Rows, method: str, field: str) -> Rows:
    """Real volumes of a method and a field strength, or of the method alone where those are few.

    Args:
        real: all.
        method: ours, such as ``mial``; one that the table does not know compares with every method.
        field: such as ``1.5T``.
    """
    known = [row for row in real if row["rec"] == _METHODS.get(method)] or list(real)
    same = [row for row in known if row["field_strength"] == field.removesuffix("T")]
    return same if len(same) >= _ENOUGH else known


def measure_cohort(cohort: Path) -> dict[tuple[str, str, str], list[dict[str, str]]]:
    """Statistics of every volume of a cohort, by site, reconstruction and field strength.

    Raises:
        FetaError: it holds no volume, or one without a label map.
    """
    from feta.cases import find_cases
    from feta.participants import read_participants
    from feta.volumes import read_label_map, read_volume
    from training.assessment.image_quality import image_quality

    cases = find_cases(cohort / "input").all_usable()
    if not cases:
        raise FetaError(cohort, "holds no T2w volume in input", "name the folder of a simulated cohort")
    people = read_participants(cohort / "input" / "participants.tsv")
    found = defaultdict(list)
    for case in cases:
        person = people[case.subject]
        image = read_volume(case.image)
        labels = read_label_map(cohort / "truth" / case.folder / f"{case.name}_dseg.nii.gz", image.grid)
        values = {name: repr(value) for name, value in image_quality(image, labels).items()}
        found[str(person.site), str(person.reconstruction), str(person.field_strength)].append(values)
    return dict(found)


def _column(rows: Rows, name: str) -> npt.NDArray[np.float64]:
    """Numbers of a column, without those that the table says could not be computed."""
    kept = [row[name] for row in rows if row.get(name) not in (None, "") and row.get(f"{name}_nan") != "TRUE"]
    return np.array(kept, np.float64)

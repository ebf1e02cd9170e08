"""Estimated image quality of every volume of a folder, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from evaluation.analysis.quality_features import FEATURES, quality_features
from evaluation.analysis.quality_model import QualityModel
from evaluation.ranking.leaderboard import Row, as_csv
from evaluation.submissions.case_files import locate_files
from evaluation.submissions.find import Submission, case_key, find_submission
from evaluation.submissions.intake import RejectedError, private_folder
from evaluation.submissions.label_maps import check_label_map, take_label_map
from feta.cases import Case, find_cases
from feta.errors import FetaError
from feta.files import write_atomically
from feta.tables import parse_number, read_table
from feta.volumes import read_volume

COLUMNS = ("case", "subject", "quality", *FEATURES, "problem")


def estimate_folder(
    images: Path,
    maps: Path,
    model: QualityModel,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Row]:
    """A row for each volume: its estimated quality and features, or why there is none.

    Args:
        images: as for ``feta-evaluate validate``.
        maps: their label maps, predicted or true, in one of a submission's layouts.

    Raises:
        FetaError: either folder can't be used at all.
    """
    cases = find_cases(images).cases
    found = find_submission(maps)
    counts = Counter(case.subject for case in cases)
    rows = []
    for done, case in enumerate(cases):
        progress(done, len(cases))
        rows.append(_row(case, found, model, only_case=counts[case.subject] == 1))
    progress(len(cases), len(cases))
    return rows


def write_estimates(path: Path, rows: list[Row]) -> None:
    """Write the table as CSV."""
    write_atomically(path, as_csv(COLUMNS, rows))


def read_estimates(path: Path) -> dict[str, float]:
    """Case → estimated quality, of a table that ``write_estimates`` wrote.

    Raises:
        FetaError: it can't be read, or has no columns "case" and "quality".
    """
    table = read_table(path)
    if not {"case", "quality"} <= set(table.header):
        raise FetaError(path, "has no columns 'case' and 'quality'", "make it with feta-evaluate quality estimate")
    case, quality = table.header.index("case"), table.header.index("quality")
    found = {row[case]: parse_number(row[quality]) for row in table.rows if len(row) > max(case, quality)}
    return {name: value for name, value in found.items() if value is not None}


def _row(case: Case, found: Submission, model: QualityModel, *, only_case: bool) -> Row:
    row: Row = {"case": case_key(case.name), "subject": case.subject}
    located = locate_files(found, case_key(case.name), case.subject, only_case=only_case)
    try:
        image = read_volume(case.image)
        with private_folder() as folder:
            copy = take_label_map(located.root, located.label_map.found(), folder, image.grid)
            labels, _ = check_label_map(copy, image.grid)
        features = quality_features(image, labels)
    except RejectedError as error:
        return row | {"problem": error.line}
    except FetaError as error:
        return row | {"problem": str(error)}
    values = dict(zip(FEATURES, features.tolist(), strict=True))
    return row | {"quality": float(model.estimate(features))} | values

"""Image quality from 0 to 4 without a rater: a straight line in five features, calibrated on rated volumes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.analysis.quality_features import FEATURES, FEWEST_VOXELS, MERGED, features_of
from feta.errors import FetaError
from feta.files import read_text, write_atomically
from feta.tables import Table, parse_number, read_table

Floats = npt.NDArray[np.float64]
WORST, BEST = 0.0, 4.0
#: Ridge regression's penalty, as a share of the features' variance: small, the features are few.
PENALTY = 0.01
#: Features are held within these percentiles of the calibration: what is beyond was never seen.
SEEN = (1.0, 99.0)


@dataclass(frozen=True)
class QualityModel:
    """rating = intercept + Σ weight · (feature held within low…high − mean) / spread, held within 0…4.

    Attributes:
        low, high, mean, spread, weight: (5,) in the order of FEATURES.
    """

    intercept: float
    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    weight: tuple[float, ...]

    def estimate(self, features: Floats) -> Floats:
        """(…, 5) → (…) quality from 0 (worst) to 4 (best)."""
        held = np.clip(features, self.low, self.high)
        rating = self.intercept + ((held - self.mean) / self.spread) @ np.asarray(self.weight)
        return np.clip(rating, WORST, BEST)


@dataclass(frozen=True)
class Rated:
    """V rated volumes: (V, 5) features, (V,) ratings, and the group that each belongs to."""

    features: Floats
    ratings: Floats
    sites: tuple[str, ...]
    methods: tuple[str, ...]
    left_out: int


def read_rated(path: Path) -> Rated:
    """The published table of ratings and statistics (columns as FetMRQC_SR writes them).

    Raises:
        FetaError: it can't be read, lacks a column, or holds too few volumes.
    """
    table = read_table(path)
    rows = _records(table, path)
    usable = [row for row in rows if row is not None]
    if len(usable) < 20 * len(FEATURES):
        raise FetaError(path, f"holds {len(usable)} volumes with all statistics", "too few to calibrate on")
    features, ratings, sites, methods = zip(*usable, strict=True)
    return Rated(np.array(features), np.array(ratings), tuple(sites), tuple(methods), len(rows) - len(usable))


def fit(features: Floats, ratings: Floats) -> QualityModel:
    """Ridge regression of (V,) ratings on (V, 5) features."""
    low, high = np.percentile(features, SEEN, axis=0)
    held = np.clip(features, low, high)
    mean, spread = held.mean(axis=0), held.std(axis=0)
    z = (held - mean) / spread
    weight = np.linalg.solve(z.T @ z + PENALTY * len(z) * np.eye(z.shape[1]), z.T @ (ratings - ratings.mean()))
    columns = (tuple(float(v) for v in values) for values in (low, high, mean, spread, weight))
    return QualityModel(float(ratings.mean()), *columns)


def leaving_out(rated: Rated, groups: Sequence[str]) -> dict[str, dict[str, float]]:
    """Group → how well a model calibrated on all other groups rates it; "all" takes these ratings together."""
    estimates = np.empty(len(rated.ratings))
    members = {group: np.array([g == group for g in groups]) for group in sorted(set(groups))}
    for member in members.values():
        estimates[member] = fit(rated.features[~member], rated.ratings[~member]).estimate(rated.features[member])
    members = {"all": np.ones(len(estimates), dtype=bool), **members}
    return {group: _agreement(estimates[m], rated.ratings[m]) for group, m in members.items()}


def calibrate(rated: Rated) -> dict[str, Any]:
    """The model on all volumes and its agreement with raters, plain JSON values."""
    model = asdict(fit(rated.features, rated.ratings))
    return {
        "what": "Image quality from 0 to 4 by features of a volume and its label map; see quality_model.py.",
        "provenance": "Fitted to the ratings and statistics published with FetMRQC_SR (Sanchez et al. 2025).",
        "licence": "Apache-2.0",
        "volumes": len(rated.ratings),
        "left_out": rated.left_out,
        "features": list(FEATURES),
        **{key: [round(v, 6) for v in value] if isinstance(value, tuple) else round(value, 6)
           for key, value in model.items()},
        "leaving_one_site_out": leaving_out(rated, rated.sites),
        "leaving_one_method_out": leaving_out(rated, rated.methods),
    }  # fmt: skip


def write_model(path: Path, calibrated: Mapping[str, Any]) -> None:
    """Write it as JSON."""
    write_atomically(path, json.dumps(calibrated, indent=1) + "\n")


def read_model(path: Path | None = None) -> QualityModel:
    """A calibrated model; by default the one that comes with the program.

    Raises:
        FetaError: the file is no such model, or is of other features.
    """
    own = files("evaluation.analysis") / "quality_model.json"
    try:
        content = json.loads(read_text(path) if path else own.read_text(encoding="utf-8"))
        columns = {key: tuple(map(float, content[key])) for key in ("low", "high", "mean", "spread", "weight")}
        if content["features"] != list(FEATURES) or {len(c) for c in columns.values()} != {len(FEATURES)}:
            raise FetaError(path or str(own), "is of other features", "calibrate it again")
        return QualityModel(float(content["intercept"]), **columns)
    except (ValueError, KeyError, TypeError) as error:
        raise FetaError(path or str(own), f"is no quality model ({error!r})", "calibrate it again") from error


def _records(table: Table, path: Path) -> list[tuple[Floats, float, str, str] | None]:
    """Features, rating, site and method of each volume; None where a tissue or the rating is missing."""
    wanted = {(t, s): f"seg_sstats_{t}_{s}" for t in MERGED for s in ("median", "stdv", "mad", "n")}
    missing = [c for c in ("qcglobal", "site", "rec", *wanted.values()) if c not in table.header]
    if missing:
        raise FetaError(path, f"has no column {missing[0]!r}", "give the table that FetMRQC_SR published (QC_IQMs.csv)")
    at = {column: i for i, column in enumerate(table.header)}
    records: list[tuple[Floats, float, str, str] | None] = []
    for row in table.rows:
        numbers = {key: parse_number(row[at[column]]) for key, column in wanted.items()}
        rating = parse_number(row[at["qcglobal"]])
        known = {key: value for key, value in numbers.items() if value is not None}
        if rating is None or len(known) < len(wanted) or any(known[t, "n"] < FEWEST_VOXELS for t in MERGED):
            records.append(None)
            continue
        stats = {t: {s: known[t, s] for s in ("median", "stdv", "mad")} for t in MERGED}
        records.append((features_of(stats), rating, row[at["site"]], row[at["rec"]]))
    return records


def _agreement(estimates: Floats, ratings: Floats) -> dict[str, float]:
    from scipy.stats import spearmanr

    return {
        "volumes": len(ratings),
        "pearson": round(float(np.corrcoef(estimates, ratings)[0, 1]), 3),
        "spearman": round(float(spearmanr(estimates, ratings).statistic), 3),
        "mean_error": round(float(np.abs(estimates - ratings).mean()), 3),
    }

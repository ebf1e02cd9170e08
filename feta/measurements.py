"""The five lengths of the FeTA biometry task, in mm.

Columns are read by name, never by position: their order changed between
releases of the challenge's data.
"""

from __future__ import annotations

from enum import StrEnum


class Measurement(StrEnum):
    """Name of a length, as the header of a biometry table spells it."""

    LCC = "LCC"
    HV = "HV"
    BBIP = "bBIP"
    SBIP = "sBIP"
    TCD = "TCD"


#: In the order in which tables are written.
MEASUREMENTS: tuple[Measurement, ...] = tuple(Measurement)

MEASUREMENT_NAMES: dict[Measurement, str] = {
    Measurement.LCC: "corpus callosum length",
    Measurement.HV: "vermis height",
    Measurement.BBIP: "brain biparietal diameter",
    Measurement.SBIP: "skull biparietal diameter",
    Measurement.TCD: "transverse cerebellar diameter",
}

#: Value of the two voxels that mark each length in a ``*_meas.nii.gz`` image.
LANDMARK_LABELS: dict[Measurement, int] = {m: i for i, m in enumerate(MEASUREMENTS, start=1)}

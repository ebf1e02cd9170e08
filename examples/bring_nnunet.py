"""Your nnU-Net on many scans: ``python examples/bring_nnunet.py RESULTS FOLDER OUTPUT``. Not a medical device.

RESULTS is the folder that nnU-Net v2's training left, with ``plans.json`` and ``fold_0``. Where the brain lies and its
lengths are found as with our own network; ``topology=False`` leaves the labels as yours gives them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from feta.errors import FetaError
from inference import load


def main(results: str, folder: str, output: str) -> None:
    """Write a label map a scan; a scan that can't be used is said, and the others go on."""
    model = load(weights=results, topology=False)
    for scan in sorted(Path(folder).glob("*.nii.gz")):
        try:
            found = model(scan)
        except FetaError as error:
            print(error, file=sys.stderr)
            continue
        found.save(Path(output) / scan.name)
        print(scan.name, *(f"{key} {size.value:.1f} {size.unit}" for key, size in found.volumes.items() if size.value))
        for line in found.warnings:
            print("  warning:", line)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except FetaError as error:
        sys.exit(str(error))

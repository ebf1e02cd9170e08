"""Which value is which label: a table for each kind of program that shows label maps, made from `feta.labels`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from feta.errors import FetaError
from feta.files import read_text, write_together
from feta.labels import TISSUE_COLOURS, TISSUE_NAMES, TISSUES, Tissue

BIDS, ITK_SNAP, SLICER, FREESURFER = "dseg.tsv", "labels-itksnap.txt", "labels-slicer.ctbl", "labels-freesurfer.txt"
#: Which of the standard labels each of ours is part of (BIDS 1.10, derivatives, "Common image-derived labels": cortical
#: grey matter, white matter, CSF, subcortical grey matter, brainstem, cerebellum).
BIDS_LABELS = {
    Tissue.ECSF: 3,
    Tissue.GM: 8,
    Tissue.WM: 2,
    Tissue.VM: 3,
    Tissue.CBM: 11,
    Tissue.SGM: 9,
    Tissue.BSM: 10,
}


def label_tables() -> dict[str, str]:
    """The text of each table by its file's name."""
    return {BIDS: _bids(), ITK_SNAP: _itk_snap(), SLICER: _slicer(), FREESURFER: _freesurfer()}


def write_label_tables(root: Path) -> None:
    """Write the tables into the root of a run's results, unless they are there. Atomic.

    Raises:
        FetaError: one can't be written.
    """
    write_changed({root / name: text for name, text in label_tables().items()})


def write_changed(texts: Mapping[Path, str]) -> None:
    """Write files together, but for those that are there with just that text. Atomic.

    Raises:
        FetaError: one can't be written.
    """
    changed = {path: text for path, text in texts.items() if not _holds(path, text)}
    if changed:
        write_together(changed)


def _holds(path: Path, text: str) -> bool:
    """Whether a file is there and has just this text."""
    try:
        return read_text(path) == text
    except FetaError:
        return False


def _colours() -> Iterator[tuple[Tissue, str, tuple[int, int, int]]]:
    """Each tissue with its name as one word, and its colour, 0–255."""
    for tissue in TISSUES:
        red, green, blue = (round(255 * part) for part in TISSUE_COLOURS[tissue])
        yield tissue, TISSUE_NAMES[tissue].replace(" ", "-"), (red, green, blue)


def _bids() -> str:
    """``index name abbreviation color mapping``, tabs between, as BIDS has the table of a ``_dseg`` file."""
    lines = ["index\tname\tabbreviation\tcolor\tmapping", "0\tbackground\tBG\t#000000\t0"]
    for tissue, _, (red, green, blue) in _colours():
        colour = f"#{red:02x}{green:02x}{blue:02x}"
        lines.append(f"{tissue.value}\t{TISSUE_NAMES[tissue]}\t{tissue.name}\t{colour}\t{BIDS_LABELS[tissue]}")
    return _text(lines)


def _itk_snap() -> str:
    """``IDX R G B A VIS MSH "LABEL"``, as ITK-SNAP imports label descriptions."""
    lines = ["# ITK-SnAP Label Description File", "# FeTA labels", '0 0 0 0 0 0 0 "background"']
    lines += [f'{t.value} {r} {g} {b} 1 1 1 "{TISSUE_NAMES[t]}"' for t, _, (r, g, b) in _colours()]
    return _text(lines)


def _slicer() -> str:
    """``value name R G B A``, as 3D Slicer loads colour tables."""
    lines = ["# 3D Slicer colour table: FeTA labels", "0 background 0 0 0 0"]
    lines += [f"{t.value} {name.replace('-', '_')} {r} {g} {b} 255" for t, name, (r, g, b) in _colours()]
    return _text(lines)


def _freesurfer() -> str:
    """``value name R G B A``, as FreeSurfer reads colour look-up tables: its A is how transparent it is."""
    lines = ["# FreeSurfer colour look-up table: FeTA labels", "0 Unknown 0 0 0 0"]
    lines += [f"{t.value} {_capitals(name)} {r} {g} {b} 0" for t, name, (r, g, b) in _colours()]
    return _text(lines)


def _capitals(name: str) -> str:
    """``Deep-Grey-Matter``, as FreeSurfer writes names."""
    return "-".join(word[:1].upper() + word[1:] for word in name.split("-"))


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"

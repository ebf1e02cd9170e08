"""``feta-train data variants``: a labelled folder of brains on the way from healthy to ill and beyond, to train on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from feta.bids import subject_in
from feta.errors import FetaError
from training.commands.common import (
    CONFIGS,
    VALIDATION,
    Atlases,
    Config,
    Count,
    Everything,
    Labelled,
    Seed,
    Threads,
    require_folder,
)
from training.engine.log import report

if TYPE_CHECKING:
    from training.anatomy.registration import RegistrationSettings
    from training.anatomy.variants import SourceBrain, VariantPlan, VariantSettings
    from training.anatomy.velocity_field import Deformation

#: Registrations are kept here in the output folder: each pair of brains is needed several times.
_FLOWS = ".flows"


def variants(
    atlases: Atlases,
    out: Labelled,
    count: Count = 60,
    seed: Seed = 1,
    config: Config = CONFIGS / "variants.yaml",
    threads: Threads = 1,
    everything: Everything = False,
    only: Annotated[
        str | None, typer.Option(help="Make them of those brains only whose names fit, such as 'sub-crl*'.")
    ] = None,
) -> None:
    """Bend labelled brains towards others of near age and the other kind, dilate ventricles, deform at random."""
    require_folder(atlases)
    # Imported here: `feta-train --help` must answer at once.
    import torch

    from feta.settings import read_settings
    from training.anatomy.variants import VariantSettings, draw_plan
    from training.data.leakage import leaks
    from training.data.provenance import read_source_subjects
    from training.data.subject import pairs

    torch.set_num_threads(threads)
    settings = read_settings(VariantSettings, config)
    files = {subject_in(name): found for name, found in pairs(atlases).items()}
    (sources,) = read_source_subjects([atlases])
    left_out = () if everything else VALIDATION
    apart = [name for name in files if not leaks(name, sources.get(name, ()), left_out)]
    if not apart:
        raise FetaError(atlases, "holds no brain that is not held out", "make variants of them with --everything")
    brains = _sources(atlases, apart, only or "*")
    began, made = time.monotonic(), 0
    for number in range(1, count + 1):
        name = f"sub-var{number:04d}"
        if (out / name / "anat" / f"{name}_T2w_dseg.nii.gz").exists():
            continue
        rng = np.random.default_rng([seed, number])
        plan = draw_plan(rng, brains, settings)
        parents = {source.name for source in (plan.base, plan.partner) if source}
        lineage = parents.union(*(sources.get(parent, ()) for parent in parents))
        told = _write(out, name, plan, rng, files, settings, lineage)
        _list(out)  # each time: training must know a variant's source subjects, though others were never finished
        made += 1
        left = (time.monotonic() - began) / made * (count - number)
        report(f"[{number}/{count}] {name}: {told}, {left / 60:.0f} min left")
    _list(out)
    typer.echo(f"Labelled volumes: {out}")


def _sources(atlases: Path, names: Sequence[str], only: str) -> list[SourceBrain]:
    """The brains that variants may come from, in the order of their names."""
    from feta.participants import read_participants
    from training.anatomy.variants import SourceBrain

    table = atlases / "participants.tsv"
    known = read_participants(table)
    told = [known[name] for name in sorted(names) if name in known]
    chosen = [p for p in told if fnmatchcase(p.subject, only)]
    if told and not chosen:
        raise FetaError(atlases, f"holds no brain whose name fits --only {only!r}", f"such as {told[0].subject}")
    sources = [
        SourceBrain(p.subject, p.age, p.pathology) for p in chosen if p.age is not None and p.pathology is not None
    ]
    if not sources:
        raise FetaError(table, "gives no labelled brain an age and a pathology", "add both columns")
    return sources


def _write(
    out: Path,
    name: str,
    plan: VariantPlan,
    rng: np.random.Generator,
    files: dict[str, tuple[Path, Path]],
    settings: VariantSettings,
    source_subjects: Iterable[str],
) -> str:
    """Write one variant, its label map last: a subject that has one is finished. Returns what it is."""
    from feta.volumes import Volume, read_label_map, read_volume, write_label_map, write_volume
    from training.anatomy.variants import warp_variant
    from training.data.provenance import write_source_subjects

    flow = None
    if plan.partner is not None:
        flow = _flow(out / _FLOWS, (plan.base.name, plan.partner.name), files, settings.registration)
    image = read_volume(files[plan.base.name][0])
    labels = read_label_map(files[plan.base.name][1], image.grid)
    seen, found, share = warp_variant(image, labels, flow, plan, rng, settings)
    folder = out / name / "anat"
    folder.mkdir(parents=True, exist_ok=True)
    write_volume(folder / f"{name}_T2w.nii.gz", Volume(np.round(seen.array), seen.grid))
    told = {
        "base": plan.base.name,
        "partner": plan.partner.name if plan.partner else None,
        "way": round(share * plan.way, 3),
        "dilation": round(plan.dilation**share, 3),
        "age": plan.base.age,
        "pathology": _kind(plan, share),
    }
    write_source_subjects(folder / f"{name}_T2w.nii.gz", source_subjects, **told)
    write_label_map(folder / f"{name}_T2w_dseg.nii.gz", found)
    return f"{told['base']} towards {told['partner']} by {told['way']}, ventricles × {told['dilation']}"


def _kind(plan: VariantPlan, share: float) -> str:
    """Pathology of the brain that the variant is nearer to."""
    return plan.partner.pathology if plan.partner and share * plan.way > 0.5 else plan.base.pathology


def _flow(
    folder: Path,
    names: tuple[str, str],
    files: dict[str, tuple[Path, Path]],
    settings: RegistrationSettings,
) -> Deformation:
    """The flow from the first brain to the second, searched for once: the way back is the flow backwards."""
    from training.anatomy.registration import register
    from training.anatomy.velocity_field import Deformation
    from training.data.subject import read_subject
    from training.imaging.lattice import Lattice

    first, second = sorted(names)
    path = folder / f"{first}_{second}.npz"
    if not path.exists():
        moving, fixed = (read_subject(name, *files[name]) for name in (first, second))
        found = register(moving, fixed, settings)
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "part.npz"  # a file that a killed run began must not be taken for a whole one
        np.savez_compressed(part, origin=found.lattice.origin, velocity=found.velocity, spacing=found.lattice.spacing)
        part.replace(path)
    with np.load(path) as kept:
        velocity, origin, spacing = kept["velocity"], kept["origin"], float(kept["spacing"])
    z, y, x = velocity.shape[:3]
    return Deformation(Lattice(origin, spacing, (z, y, x)), velocity if names[0] == first else -velocity)


def _list(out: Path) -> None:
    """participants.tsv of all that is there."""
    rows = ["participant_id\tPathology\tGestational age\tBase\tPartner\tWay\tDilation"]
    for path in sorted(out.glob("sub-var*/anat/*_T2w.json")):
        told = json.loads(path.read_text())
        cells = [told[key] for key in ("pathology", "age", "base", "partner", "way", "dilation")]
        rows.append("\t".join([subject_in(path.name), *("n/a" if c is None else str(c) for c in cells)]))
    (out / "participants.tsv").write_text("\n".join(rows) + "\n")

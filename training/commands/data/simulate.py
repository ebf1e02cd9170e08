"""``feta-train data simulate``: a cohort whose ground truth is known."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.commands.common import ANATOMY, AnatomyWeights, Findings, Jobs, Seed

if TYPE_CHECKING:
    from training.scanner.case_plan import Maker


class Size(StrEnum):
    """How fine the volumes are."""

    FULL = "full"
    SMALL = "small"


#: Finest voxel of a small cohort, mm: 64 voxels along each axis.
_SMALL_VOXEL = 2.0


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder that gets input and truth; finished cases in it are kept.")],
    phantom: Annotated[bool, typer.Option("--phantom", help="Anatomy from closed formulas, not learned.")] = False,
    anatomy: AnatomyWeights = ANATOMY,
    config: Annotated[Path | None, typer.Option(help="Settings (YAML) of sites and individuals.")] = None,
    findings: Findings = None,
    sites: Annotated[int, typer.Option(min=1, help="Hospitals, each with its own scanner.")] = 3,
    cases: Annotated[int, typer.Option(min=1, help="Cases a site.")] = 4,
    seed: Seed = 1,
    size: Annotated[
        Size, typer.Option(help="full: each site's own voxels; small: 2 mm, in seconds a case.")
    ] = Size.FULL,
    voxel: Annotated[float | None, typer.Option(min=0.4, max=3.0, help="Voxel size for all sites, mm.")] = None,
    jobs: Jobs = None,
) -> None:
    """Simulate a cohort: T2w volumes as five hospitals would make them, with their label maps and lengths."""
    from training.scanner.processes import prepare, usual_jobs

    workers = jobs or usual_jobs()
    if min(workers, sites * cases) > 1:
        prepare(["training.phantom.case" if phantom else "training.scanner.case", "training.scanner.cohort_writer"])
    # Imported here: `feta-train --help` must answer at once.
    from feta.errors import FetaError
    from feta.volumes import fingerprint
    from training.findings.settings import read_findings
    from training.scanner.case_plan import plan_cases
    from training.scanner.cohort_settings import COHORT, read_cohort_settings
    from training.scanner.cohort_writer import write_cohort
    from training.scanner.sites import draw_sites

    file = config or COHORT
    if not phantom and not anatomy.exists():
        raise FetaError(anatomy, "is missing, so that there is no learned anatomy", "add --phantom, or name the file")
    places = draw_sites(read_cohort_settings(file).sites, sites, voxel, _SMALL_VOXEL if size is Size.SMALL else 0.0)
    plans = plan_cases(places, cases, seed)
    settings = {
        "anatomy": "phantom" if phantom else fingerprint(anatomy),
        "settings": fingerprint(file),
        "sites": sites,
        "cases": cases,
        "seed": seed,
        "size": size.value,
        "voxel": voxel,
    }
    if findings is not None:
        if phantom:
            raise FetaError(findings, "can't be grown into phantoms", "leave out --phantom or --findings")
        read_findings(findings)  # a bad setting is told before any case is drawn
        settings["findings"] = fingerprint(findings)
    written = write_cohort(out, plans, _maker(phantom, anatomy, file, findings), settings, workers)
    for done, (plan, drawn) in enumerate(written, start=1):
        state = "drawn" if drawn else "was there"
        typer.echo(f"[{done}/{len(plans)}] {plan.stem} ({plan.site.name}, {plan.age} weeks): {state}")
    typer.echo(f"Cohort: {out / 'input'} and {out / 'truth'}")


def _maker(phantom: bool, anatomy: Path, config: Path, findings: Path | None) -> Maker:
    from training.phantom.case import PhantomMaker
    from training.scanner.case import IndividualMaker

    return PhantomMaker(config) if phantom else IndividualMaker(anatomy, config, findings)

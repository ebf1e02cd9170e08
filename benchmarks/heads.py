"""How often the brain's pose is found, and how well its mask: simulated heads of all sites, and validation atlases.

    python -m benchmarks.heads FOLDER [--cases 5] [--phantoms 1] [--seed 101] [--voxel 1.2] [--atlases DIR]
                               [--weights weights] [--only NAME]

Simulated heads are drawn once from the anatomy that never saw the validation subjects, and kept in FOLDER with the
pose that they were drawn in. With --atlases the six validation atlases are measured too: turned, unmasked, and both.
A pose is astray where it is off by more than 20 degrees. Dice is that of the brain's mask with the true brain.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from feta.bids import subject_in
from feta.volumes import Volume, read_label_map, read_volume, write_label_map, write_volume
from inference.geometry.frames import LPS_TO_RAS, index_to_ras, rotation_degrees
from inference.geometry.orientation import CanonicalVolume
from inference.networks.device import choose
from inference.networks.weights import load_network, read_model
from inference.segmentation.pose_search import PoseFinder
from training.anatomy.head_model import HeadModel
from training.anatomy.individual import draw_individual
from training.anatomy.model import Anatomy
from training.assessment.robustness import random_rotation, rotate, unmasked
from training.commands.common import HELD_OUT, VALIDATION
from training.data.subject import pairs
from training.phantom.case import PhantomHead
from training.phantom.phantom import draw_phantom
from training.scanner.case import DrawHead, scan_case
from training.scanner.case_plan import CasePlan, plan_cases
from training.scanner.cohort_settings import CohortSettings, read_cohort_settings
from training.scanner.sites import draw_sites

ASTRAY_DEGREES = 20.0


@dataclass(frozen=True)
class Case:
    """A head, its labels and its rotation (3, 3) from canonical to physical RAS."""

    name: str
    group: str
    image: Volume
    labels: Volume
    rotation: npt.NDArray[np.float64]


def draw_missing(folder: Path, cases: int, phantoms: int, seed: int, voxel: float, only: str) -> None:
    """Draw the simulated heads that are not there yet: for each site (or only some) some individuals and phantoms."""
    settings = read_cohort_settings()
    anatomy = Anatomy.load(HELD_OUT)

    def individual(rng: np.random.Generator, plan: CasePlan) -> HeadModel:
        return draw_individual(rng, plan.age, plan.pathological, anatomy, settings.individuals)

    def phantom(rng: np.random.Generator, plan: CasePlan) -> HeadModel:
        return PhantomHead(draw_phantom(rng, plan.age, plan.pathological, plan.site.voxel))

    chosen = [site for site in settings.sites if only in site.name]
    sites = draw_sites(chosen, len(chosen), voxel)
    for kind, draw, count, offset in (("individual", individual, cases, 0), ("phantom", phantom, phantoms, 50_000)):
        for plan in plan_cases(sites, count, seed + offset) if count else ():
            state = "unmasked" if not plan.site.masked else "masked"
            stem = f"{kind}-{state}_{plan.site.name}-{plan.subject}-{plan.age}w"
            if not (folder / f"{stem}.npy").exists():
                began = time.monotonic()
                _draw(folder, stem, plan, draw, settings)
                print(f"drawn {stem} in {time.monotonic() - began:.0f} s", flush=True)


def _draw(folder: Path, stem: str, plan: CasePlan, draw: DrawHead, settings: CohortSettings) -> None:
    heads: list[HeadModel] = []

    def kept(rng: np.random.Generator, plan: CasePlan) -> HeadModel:
        heads.append(draw(rng, plan))
        return heads[0]

    case = scan_case(plan, kept, settings)
    from_head = np.concatenate([heads[0].landmarks[m] for m in case.landmarks])
    in_image = np.concatenate(list(case.landmarks.values()))
    write_volume(folder / f"{stem}_T2w.nii.gz", case.image)
    write_label_map(folder / f"{stem}_T2w_dseg.nii.gz", case.labels)
    np.save(folder / f"{stem}.npy", _rotation(from_head, in_image @ LPS_TO_RAS[:3, :3]))


def _rotation(source: npt.NDArray, target: npt.NDArray) -> npt.NDArray[np.float64]:
    """The rotation (3, 3) that carries points onto points (Kabsch)."""
    left, _, right = np.linalg.svd((target - target.mean(0)).T @ (source - source.mean(0)))
    return np.asarray(left @ np.diag([1, 1, np.sign(np.linalg.det(left @ right))]) @ right)


def simulated(folder: Path) -> Iterator[Case]:
    """The heads of a folder."""
    for path in sorted(folder.glob("*.npy")):
        image = read_volume(path.with_name(f"{path.stem}_T2w.nii.gz"))
        labels = read_label_map(path.with_name(f"{path.stem}_T2w_dseg.nii.gz"))
        yield Case(path.stem.split("_")[1], subject_in(path.stem), image, labels, np.load(path))


def atlases(root: Path, seed: int) -> Iterator[Case]:
    """The validation atlases as they are, turned, unmasked, and both."""
    found = {subject_in(name): files for name, files in pairs(root).items()}
    for i, name in enumerate(VALIDATION):
        pair = read_volume(found[name][0]), read_label_map(found[name][1])
        ras = LPS_TO_RAS[:3, :3]
        for turned in (False, True):
            for masked in (True, False):
                draw = np.random.default_rng([seed, i, turned, masked])
                turn = random_rotation(draw) if turned else np.eye(3)
                made = pair if masked else unmasked(pair, draw)
                made = rotate(made, turn) if turned else made
                # `rotate` samples the old voxels at turned places: the content turns the other way.
                group = f"atlas {'masked' if masked else 'unmasked'}{', turned' if turned else ''}"
                yield Case(name, group, *made, ras @ turn.T @ ras)


def measure(find_pose: PoseFinder, case: Case) -> tuple[float, float, float]:
    """Degrees that the pose is off by, Dice of the brain's mask (NaN where none is looked for), seconds."""
    began = time.monotonic()
    canonical = CanonicalVolume.of(case.image)
    pose = find_pose(canonical)
    seconds = time.monotonic() - began
    off = rotation_degrees((canonical.to_ras @ pose.to_ras)[:3, :3].T @ case.rotation)
    if pose.brain is None:
        return off, float("nan"), seconds
    brain = case.labels.array > 0
    to_volume = np.linalg.inv(canonical.to_ras) @ index_to_ras(case.image.grid)
    mask = pose.brain.on(to_volume, case.image.grid.size)[0].numpy()
    return off, float(2 * (mask & brain).sum() / max(1, mask.sum() + brain.sum())), seconds


def main() -> None:
    """Print a line for each case and a table of groups."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=int, default=5)
    parser.add_argument("--phantoms", type=int, default=1)
    parser.add_argument("--seed", type=int, default=101)
    parser.add_argument("--voxel", type=float, default=1.2)
    parser.add_argument("--only", default="", help="sites whose names hold this")
    parser.add_argument("--atlases", type=Path)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--no-brain-extraction", action="store_true")
    parser.add_argument("--draw-only", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    draw_missing(arguments.folder, arguments.cases, arguments.phantoms, arguments.seed, arguments.voxel, arguments.only)
    if arguments.draw_only:
        return
    model, compute = read_model(arguments.weights), choose("cpu")
    network = load_network(model.segmentation[0])
    find_pose = PoseFinder.of(model, network, compute, brain_extraction=not arguments.no_brain_extraction)
    rows: dict[str, list[tuple[float, float, float]]] = {}
    cases = chain(simulated(arguments.folder), atlases(arguments.atlases, arguments.seed) if arguments.atlases else ())
    for case in cases:
        found = measure(find_pose, case)
        rows.setdefault(case.group, []).append(found)
        print(f"{case.group}, {case.name}: {found[0]:.0f} degrees, Dice {found[1]:.3f}, {found[2]:.1f} s", flush=True)
    print("\n| heads | cases | astray | median degrees | mean Dice | worst |\n|---|---|---|---|---|---|")
    for group, values in rows.items():
        off, dice, _ = np.transpose(values)
        astray = f"{(off > ASTRAY_DEGREES).sum()} | {np.median(off):.1f}"
        print(f"| {group} | {len(values)} | {astray} | {dice.mean():.3f} | {dice.min():.3f} |")


if __name__ == "__main__":
    main()

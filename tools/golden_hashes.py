"""Hashes of what the three commands make, to show that a change of the code changes no result.

``python tools/golden_hashes.py [--checkout DIR] [--keep DIR]`` prints a line ``sha256-prefix  name`` for each result;
``--compare FILE`` holds them against an earlier output. Everything goes through the three commands (``python -m
inference``, ``training``, ``evaluation``) in the checkout: one thread, one process at a time, a small simulated cohort.
Hashes hold for one machine and one set of installed packages: compare two checkouts on the same one.
"""

from __future__ import annotations

import argparse
import csv
import fnmatch
import gzip
import hashlib
import io
import json
import os
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: How a command is called: words before the restructuring of the command line, and after. What is not named here is
#: called by its old name, which stays as an alias. The checkout's own ``--help`` says which of the two it knows.
COMMANDS: dict[str, tuple[str, str]] = {
    "simulate": ("simulate", "data simulate"),
    "individuals": ("individuals", "data individuals"),
    "variants": ("variants", "data variants"),
    "heads": ("heads", "data heads"),
    "segmentation": ("segmentation", "fit segmentation"),
    "locator": ("locator", "fit locator"),
    "autoencoder": ("autoencoder", "fit autoencoder"),
    "extraction": ("extraction", "fit brain-extraction"),
    "heatmaps": ("heatmaps", "fit landmarks"),
}
#: The word that a checkout with the new command line has in ``feta-train --help``.
NEW_WORD = "data"
#: Settings that runs here change: dotted names before and after. None of them is one of the synthesis.
SETTINGS: dict[str, tuple[str, str]] = {
    "widths": ("network.widths", "network.widths"),
    "blocks": ("network.blocks", "network.blocks"),
    "heads": ("network.heads", "network.heads"),
    "stem": ("network.stem", "network.stem"),
    "batch": ("loop.batch", "loop.batch"),
    "seed": ("loop.seed", "loop.seed"),
    "optimiser": ("loop.optimiser", "loop.optimiser"),
    "pool": ("pool", "pool"),
}

#: Fields of files that differ from run to run or by where things lie, and why they are left out; ``*`` is any name.
FIELDS_LEFT_OUT: dict[str, dict[str, str]] = {
    "run.json": {
        "versions": "of the installed packages and of the project",
        "device": "name of the processor",
        "started": "time of day",
        "seconds": "time it took",
        "cases.*.seconds": "time it took",
    },
    "*_dseg.json": {
        "seconds": "time it took",
        "key.version": "of the project",
        "files": "checksums of compressed files, whose content is hashed itself",
    },
    "*_seg_result.json": {
        "seconds": "time it took",
        "key.version": "of the project",
        "files": "checksums of compressed files, whose content is hashed itself",
    },
    "results.json": {
        "versions": "of the installed packages and of the project",
        "command": "the call, whose words change",
    },
    "log.csv": {"minutes": "time it took"},
    "model.yaml": {"minutes": "time that the run took", "*.minutes": "likewise", "*.*.minutes": "likewise"},
    "checkpoint.pt": {
        "seconds": "time it took",
        "made_of.settings": "its keys are grouped anew, its values are seen in the weights",
    },
}
#: Files that are not hashed, and why.
FILES_LEFT_OUT: dict[str, str] = {
    "curves.png": "drawn from log.csv",
    "run.lock": "empty",
    "*.html": "holds versions and the call; its figures come from results.json",
    ".measurements/*": "the evaluator's cache, keyed by its own version",
}

ONE_THREAD = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)
#: Variables that would let a command take something else than the checkout's own.
NOT_PASSED_ON = ("PYTHONPATH", "PYTHONSAFEPATH", "FETA_WEIGHTS", "FETA_PLAIN", "FETA_BACKEND", "FETA_SHARED")
#: Ages of this cohort are 22 to 23 weeks: small brains, which take little time, and both kinds for variants.
SEED = 4786
PREFIX = 16


def cpu_seconds() -> float:
    """Of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Failed(Exception):
    """A command did not end as it should, or left something out."""


class Golden:
    """Runs commands of a checkout and gathers hashes of what they make.

    Args:
        checkout: the repository.
        work: an empty folder.
        new: whether the checkout knows the new command line.
    """

    def __init__(self, checkout: Path, work: Path, new: bool) -> None:
        self.checkout, self.work, self.new = checkout, work, new
        self.hashes: dict[str, str] = {}
        self.failed: list[str] = []
        self.shown: Callable[[str], bool] = lambda name: True
        self._began, self._part = time.monotonic(), ""

    def command(self, module: str, *arguments: object, allowed: Sequence[int] = (0,), **variables: str) -> str:
        """Run a command and give what it prints.

        Args:
            module: inference, training or evaluation.
            arguments: of the command; the first of training's is looked up in ``COMMANDS``.
            allowed: exit statuses.
            variables: of the environment, besides the usual.

        Raises:
            Failed: another exit status.
        """
        words = [str(argument) for argument in arguments]
        if module == "training":
            words[:1] = COMMANDS.get(words[0], (words[0],) * 2)[self.new].split()
        began, used = time.monotonic(), cpu_seconds()
        call = [sys.executable, "-m", module, *words]
        ended = subprocess.run(
            call, cwd=self.checkout, env=self._environment() | variables, capture_output=True, text=True, check=False
        )
        spent = f"{time.monotonic() - began:5.1f} s, {cpu_seconds() - used:5.1f} of CPU"
        self.tell(f"{spent}: {self._part} ({module} {words[0]})")
        if ended.returncode not in allowed:
            shown = " ".join(["python", *call[1:]])
            raise Failed(f"{shown}\nexit status {ended.returncode}\n{ended.stdout[-2000:]}{ended.stderr[-6000:]}")
        return ended.stdout

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
        return kept | dict.fromkeys(ONE_THREAD, "1") | {
            "PYTHONHASHSEED": "0",
            "CUDA_VISIBLE_DEVICES": "",
            # A fresh one: numba does not see that a function in another file has changed.
            "NUMBA_CACHE_DIR": str(self.work / ".numba"),
            "MPLBACKEND": "Agg",
            "COLUMNS": "160",
            "NO_COLOR": "1",
            "TERM": "dumb",
            "TZ": "UTC",
        }  # fmt: skip

    def tell(self, line: str) -> None:
        """Progress, for people."""
        print(f"[{time.monotonic() - self._began:6.1f} s] {line}", file=sys.stderr, flush=True)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What goes wrong inside is told and noted as failed; the rest goes on."""
        self._part = name
        try:
            yield
        except Exception as error:  # whatever it is, the other parts are still worth having
            self.failed.append(name)
            print(f"{name} FAILED: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            self._say(name, "FAILED")

    def add(self, name: str, content: bytes) -> None:
        """Hash bytes under a name."""
        self._say(name, hashlib.sha256(content).hexdigest()[:PREFIX])

    def _say(self, name: str, value: str) -> None:
        self.hashes[name] = value
        if self.shown(name):
            print(f"{value}  {name}", flush=True)

    def text(self, name: str, content: str) -> None:
        """Hash text, but for where the work folder and the checkout lie."""
        self.add(name, self.plain(content).encode())

    def plain(self, content: str) -> str:
        """Text with short names for the work folder and the checkout."""
        return content.replace(str(self.work), "WORK").replace(str(self.checkout), "CHECKOUT")

    def file(self, name: str, path: Path) -> None:
        """Hash one file's content."""
        for suffix, content in contents(path, self.plain):
            self.add(f"{name}{suffix}", content)

    def files(self, name: str, folder: Path) -> None:
        """Hash every file of a folder, each under its own name.

        Raises:
            Failed: there is none.
        """
        found = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _skipped(path, folder)]
        if not found:
            raise Failed(f"{self.plain(str(folder))} holds no file")
        for path in found:
            self.file(f"{name}/{path.relative_to(folder).as_posix()}", path)

    def config(self, name: str) -> Path:
        """A settings file of the checkout, by its path below training/configs, wherever it may have gone to."""
        root = self.checkout / "training" / "configs"
        if (root / name).exists():
            return root / name
        found = sorted(path for path in root.rglob(Path(name).name) if path.as_posix().endswith(name))
        found = found or sorted(root.rglob(Path(name).name))
        if len(found) != 1:
            raise Failed(f"training/configs: {len(found)} files are called {name}")
        return found[0]

    def settings(self, name: str, base: Path | None = None, **changes: object) -> Path:
        """Write a settings file: another one, or nothing, with some of ``SETTINGS`` changed."""
        import yaml

        content: dict[str, Any] = yaml.safe_load(base.read_text()) if base else {}
        for known, value in changes.items():
            *outer, last = SETTINGS[known][self.new].split(".")
            place = content
            for key in outer:
                place = place.setdefault(key, {})
            place[last] = value
        path = self.work / "settings" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
        return path


def _skipped(path: Path, folder: Path) -> bool:
    inside = path.relative_to(folder).as_posix()
    return any(
        fnmatch.fnmatch(path.name, p) or fnmatch.fnmatch(inside, p) or fnmatch.fnmatch(inside, f"*/{p}")
        for p in FILES_LEFT_OUT
    )


# What is hashed of a file.


def contents(path: Path, plain: Callable[[str], str]) -> Iterator[tuple[str, bytes]]:
    """What of a file counts, as (end of its name, bytes).

    Args:
        path: the file.
        plain: takes paths of this machine out of a text.
    """
    dropped = [field for name, of in FIELDS_LEFT_OUT.items() if fnmatch.fnmatch(path.name, name) for field in of]
    if path.name.endswith(".nii.gz"):
        yield "", _voxels(path)
    elif path.suffix == ".json":
        yield "", _dumped(_without(json.loads(plain(path.read_text())), dropped))
    elif path.suffix == ".jsonl":
        yield "", b"\n".join(_dumped(_without(json.loads(line), dropped)) for line in path.read_text().splitlines())
    elif path.suffix in (".yaml", ".yml"):
        import yaml

        yield "", _dumped(_without(yaml.safe_load(path.read_text()), dropped))
    elif path.suffix in (".csv", ".tsv", ".txt", ".md"):
        yield "", _table(plain(path.read_text()), dropped).encode()
    elif path.suffix in (".png", ".jpg"):
        yield "", _pixels(path)
    elif path.suffix == ".npz":
        yield "", _arrays(path)
    elif path.suffix == ".pt":
        yield from _checkpoint(path, dropped)
    else:
        yield "", path.read_bytes()


def _voxels(path: Path) -> bytes:
    """Type, grid and affine from a NIfTI file's header, and all its voxels; no texts of the header."""
    data = gzip.decompress(path.read_bytes())
    start = int(struct.unpack_from("<f", data, 108)[0])
    return data[40:56] + data[70:74] + data[76:108] + data[112:120] + data[123:124] + data[252:328] + data[start:]


def _pixels(path: Path) -> bytes:
    from PIL import Image

    with Image.open(path) as image:
        pixels = image.convert("RGBA")
    return f"{pixels.size} ".encode() + pixels.tobytes()


def _arrays(path: Path) -> bytes:
    import numpy as np

    with np.load(path) as kept:
        return b"".join(
            f"{name} {kept[name].dtype} {kept[name].shape} ".encode() + kept[name].tobytes() for name in sorted(kept)
        )


def _checkpoint(path: Path, dropped: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Each part of a run's checkpoint: weights, averaged weights, the optimiser's moments, what the run is made of."""
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    for part, content in _without(state, dropped).items():
        whole = hashlib.sha256()
        for name, value in sorted(_flat(content, part)):
            whole.update(f"{name} ".encode())
            if isinstance(value, torch.Tensor):
                whole.update(f"{value.dtype} {tuple(value.shape)} ".encode())
                whole.update(value.contiguous().view(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b"")
            else:
                whole.update(repr(value).encode())
        yield f" {part}", whole.digest()


def _flat(content: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Names and values of nested mappings and lists."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _flat(value, f"{name}.{key}")
    elif isinstance(content, list | tuple):
        for number, value in enumerate(content):
            yield from _flat(value, f"{name}.{number:06d}")
    else:
        yield name, content


def _dumped(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, ensure_ascii=False).encode()


def _without(content: Any, dropped: Sequence[str], name: str = "") -> Any:
    """Nested content without fields whose dotted name fits; a list's entries are numbered in it."""

    def kept(inner: str) -> bool:
        parts = inner.split(".")
        return not any(
            len(parts) == len(pattern.split(".")) and all(map(fnmatch.fnmatchcase, parts, pattern.split(".")))
            for pattern in dropped
        )

    def under(key: object) -> str:
        return f"{name}.{str(key).replace('.', '_')}".strip(".")

    if isinstance(content, Mapping):
        return {key: _without(value, dropped, under(key)) for key, value in content.items() if kept(under(key))}
    if isinstance(content, list):
        return [_without(value, dropped, under(number)) for number, value in enumerate(content)]
    return content


def _table(text: str, dropped: Sequence[str]) -> str:
    """A table's text without some columns."""
    if not dropped:
        return text
    rows = list(csv.reader(io.StringIO(text)))
    kept = [at for at, column in enumerate(rows[0]) if column not in dropped] if rows else []
    return "\n".join(",".join(row[at] for at in kept) for row in rows)


# What is run.


def cohorts(golden: Golden) -> None:
    """Small simulated cohorts of all five sites: the analytic phantom, and the learned anatomy on coarse voxels."""
    places = ("--sites", 5, "--cases", 1, "--seed", SEED, "--jobs", 1)
    for name, options in (("phantom", ("--phantom", "--size", "small")), ("learned", ("--voxel", 3))):
        with golden.part(f"cohorts/{name}"):
            golden.command("training", "simulate", golden.work / name, *options, *places)
            golden.files(f"cohorts/{name}", golden.work / name)
    with golden.part("cohorts/atlases"):
        _atlases(golden.work / "phantom", golden.work / "atlases")
        _merged(golden.work / "atlases", golden.work / "merged")


#: Subjects of the labelled folder, by the case of the phantom cohort; one has the name of a validation subject.
ATLASES = {"sub-001": "sub-a1", "sub-002": "sub-crl24", "sub-003": "sub-a3", "sub-004": "sub-a4"}


def _atlases(cohort: Path, out: Path) -> None:
    """A labelled folder as the challenge lays it out."""
    table = (cohort / "truth" / "participants.tsv").read_text().splitlines()
    rows = [table[0]]
    for case, subject in ATLASES.items():
        folder = out / subject / "anat"
        folder.mkdir(parents=True)
        (image,) = (cohort / "input" / case / "anat").glob("*_T2w.nii.gz")
        (labels,) = (cohort / "truth" / case / "anat").glob("*_dseg.nii.gz")
        shutil.copyfile(image, folder / f"{subject}_T2w.nii.gz")
        shutil.copyfile(labels, folder / f"{subject}_T2w_dseg.nii.gz")
        rows += [row.replace(case, subject) for row in table if row.startswith(case)]
    (out / "participants.tsv").write_text("\n".join(rows) + "\n")


def _merged(atlases: Path, out: Path) -> None:
    """One of them with ventricles and white matter in one, and no external CSF."""
    import SimpleITK as sitk

    folder = out / "sub-m1" / "anat"
    folder.mkdir(parents=True)
    image, labels = (atlases / "sub-a1" / "anat" / f"sub-a1_T2w{end}.nii.gz" for end in ("", "_dseg"))
    shutil.copyfile(image, folder / "sub-m1_T2w.nii.gz")
    changed = sitk.ChangeLabel(sitk.ReadImage(str(labels)), {1: 0, 4: 3})
    sitk.WriteImage(changed, str(folder / "sub-m1_T2w_dseg.nii.gz"))
    (out / "labels.yaml").write_text("0: [0, 1]\n2: [2]\n3: [3, 4]\n5: [5]\n6: [6]\n7: [7]\n")


def data(golden: Golden) -> None:
    """The other folders and tables that are made to train on, and what is made of a cohort."""
    work = golden.work
    with golden.part("data/individuals"):
        few = ("--count", 1, "--seed", 3, "--spacing", 1.6)
        golden.command("training", "individuals", work / "individuals", *few)
        golden.files("data/individuals", work / "individuals")
    with golden.part("data/heads"):
        golden.command("training", "heads", work / "heads", "--count", 1, "--seed", 3, "--spacing", 3)
        golden.files("data/heads", work / "heads")
    for name in ("variants", "across/variants", "across/to_healthy_variants", "across/to_ill_wide_variants"):
        with golden.part(f"data/{name}"):
            out = work / name.replace("/", "-")
            if name != "variants":  # searched for once: it takes most of the time
                shutil.copytree(work / "variants" / ".flows", out / ".flows")
            options = ("--config", golden.config(f"{name}.yaml"), "--everything")
            golden.command("training", "variants", work / "atlases", out, "--count", 1, "--seed", 4, *options)
            golden.files(f"data/{name}", out)
    with golden.part("data/degrade"):
        golden.command("training", "degrade", work / "phantom" / "input", work / "blurred")
        golden.files("data/degrade", work / "blurred")
    with golden.part("data/picture"):
        golden.command("training", "picture", work / "phantom", work / "picture.png")
        golden.file("data/picture.png", work / "picture.png")
    with golden.part("data/landmarks"):
        said = golden.command("training", "landmarks", work / "atlases", work / "landmarks")
        golden.text("data/landmarks", said)
        golden.files("data/landmarks", work / "landmarks")
    with golden.part("data/age-line"):
        golden.text("data/age-line", golden.command("training", "age-line", "--count", 40))
    with golden.part("data/ga-baseline"):
        lengths = work / "phantom" / "truth" / "derivatives" / "biometry" / "biometry.tsv"
        golden.text("data/ga-baseline", golden.command("training", "ga-baseline", lengths, work / "ga.json"))
        golden.file("data/ga-baseline/ga.json", work / "ga.json")
    with golden.part("data/appearance-check"):
        golden.text(
            "data/appearance-check",
            golden.command("training", "appearance-check", work / "phantom", _statistics(work), "--details"),
        )


def _statistics(work: Path) -> Path:
    """A made-up table of real volumes' statistics, of columns that the comparison looks for."""
    tissues = [f"seg_{kind}" for t in ("CSF", "GM", "WM", "BS", "CBM") for kind in (f"snr_{t}", f"sstats_{t}_median")]
    names = ["mean", "std", "median", "percentile_5", "filter_laplace", "filter_sobel", "seg_cnr", "seg_cjv", *tissues]

    def values(n: int) -> list[str]:
        return [f"{(n + k) % 7 / 3:.3f}" for k in range(len(names))]

    rows = [["mialsrtk" if n % 2 else "niftymic", "1.5" if n % 3 else "3", *values(n)] for n in range(12)]
    path = work / "statistics.csv"
    path.write_text("\n".join(",".join(row) for row in (["rec", "field_strength", *names], *rows)) + "\n")
    return path


def train(golden: Golden) -> None:
    """One or two steps of each network, on each of the settings files that are shipped."""
    work, config = golden.work, golden.config
    # A shallow network on a coarser grid: what the samples are is seen in its gradients, and it takes little time.
    shape: dict[str, object] = {"blocks": [1, 1, 1], "heads": 2}
    shallow = shape | {"widths": [4, 8, 8], "stem": 2}
    small = golden.settings("small", **shallow, batch=6)
    many = golden.settings("many", **shallow, batch=32)
    # Losses of topology, and validation, take the labels' own grid.
    thin = shape | {"widths": [2, 4, 4], "batch": 2}
    whole = golden.settings("whole", **thin)
    sam = golden.settings("sam", **thin, optimiser="sam", seed=3)
    sgd = golden.settings("sgd", **thin, optimiser="sgd")
    coarse = ("--over", config("coarse.yaml"))
    also, everything = ("--also", work / "individuals"), "--everything"

    def fit(name: str, network: str, *options: object, steps: int = 1, run: str = "") -> None:
        with golden.part(f"train/{name}"):
            folder = work / "runs" / (run or name)
            fixed = ("--steps", steps, "--minutes", "inf", "--threads", 1)
            golden.command("training", network, work / "atlases", folder, *fixed, *options)
            golden.files(f"train/{name}", folder)

    fit("segmentation", "segmentation")
    fit("coarse", "segmentation", *coarse, "--over", many, *also, everything)
    for name in ("cl_dice", "euler", "own_images", "plain_images", "atlases_alone"):
        last = whole if name in ("cl_dice", "euler") else small
        over = (*coarse, "--over", config(f"ablations/{name}.yaml"), "--over", last)
        fit(f"ablations/{name}", "segmentation", *over, *also, everything)
    for name in ("coarse", "fine", "to_healthy", "to_ill"):
        over = (*coarse, "--over", config("across/coarse.yaml"))
        over += ("--over", config(f"across/{name}.yaml")) if name != "coarse" else ()
        fit(f"across/{name}", "segmentation", *over, "--over", small, *also, everything)
    fit("unet2d", "segmentation", *coarse, "--over", config("unet2d.yaml"), "--over", small, everything)
    fit("swin_unetr", "segmentation", *coarse, "--over", config("swin_unetr.yaml"), everything)
    fit("sam", "segmentation", *coarse, "--over", sam, "--only", "sub-a*", "--also", work / "merged")
    fold = (*coarse, "--over", sgd, "--fold", 1, "--folds", 2)
    fit("fold", "segmentation", *fold)
    fit("fold resumed", "segmentation", *fold, run="fold", steps=2)
    started = ("--over", small, "--from", work / "runs" / "coarse")
    fit("started", "segmentation", *coarse, *started, everything)
    fit("locator", "locator")
    fit("extraction", "extraction", "--heads", work / "heads", *also, everything)
    fit("heatmaps", "heatmaps", "--measured", work / "individuals", everything)
    fit("autoencoder", "autoencoder", "--network", golden.checkout / "weights", everything)
    fit("anatomy", "anatomy")
    _tiny(golden, fit)


def _tiny(golden: Golden, fit: Callable[..., None]) -> None:
    """A folder of weights of small networks that have learned nothing, by which every command is quick."""
    work, weights = golden.work, golden.work / "tiny"
    runs, everything = work / "runs", "--everything"
    fine = ("--over", golden.config("coarse.yaml"), "--over", golden.config("across/fine.yaml"))
    shape: dict[str, object] = {"widths": [4, 8, 8], "blocks": [1, 1, 1]}

    def config(name: str, widths: Sequence[int], **more: object) -> tuple[object, ...]:
        path = golden.settings(f"tiny-{name}", golden.config(f"{name}.yaml"), widths=list(widths), batch=1, **more)
        return "--config", path, everything

    fit("tiny segmentation", "segmentation", *fine, "--over", golden.settings("tiny", **shape, heads=1), everything)
    fit("tiny locator", "locator", *config("locator", (8, 8, 8)))
    fit("tiny extraction", "extraction", *config("extraction", (4, 4, 4, 4)))
    fit("tiny heatmaps", "heatmaps", *config("landmarks", (4, 4, 4, 4)))
    answers = ("--network", runs / "tiny segmentation")
    fit("tiny autoencoder", "autoencoder", *answers, *config("autoencoder", (4, 4, 4), pool=1))
    with golden.part("train/export"):
        of = ("--segmentation-run", runs / "tiny segmentation", "--locator-run", runs / "tiny locator")
        golden.command("training", "export", weights, *of)
        golden.command("training", "export-extraction", weights, runs / "tiny extraction")
        golden.command("training", "export-heatmaps", weights, runs / "tiny heatmaps")
        golden.command("training", "export-autoencoder", weights, runs / "tiny autoencoder")
        golden.files("train/export", weights)
    with golden.part("train/export --int8"):
        golden.command("training", "export", work / "int8", *of, "--int8")
        golden.files("train/export --int8", work / "int8")


def infer(golden: Golden) -> None:
    """The submission with the shipped weights, in each of its forms and with each of its options."""
    work, cpu = golden.work, ("--device", "cpu")
    masked, around = ((work / "learned" / "input" / s / "anat") for s in ("sub-001", "sub-002"))
    with golden.part("infer/folder"):
        bids = _part(work / "learned", "sub-002", work / "whole")
        golden.command("inference", bids, work / "infer", *cpu, "--landmarks")
        golden.files("infer/folder", work / "infer")
    with golden.part("infer/case"):
        out = work / "case"
        out.mkdir()
        (image,) = masked.glob("*.nii.gz")
        ages = ("--participants", work / "learned" / "input" / "participants.tsv")
        files = [f"--{kind}={out / name}" for kind, name in CASE_FILES.items()]
        options = ("--no-flips", "--no-topology", "--biometry", "geometry")
        golden.command("inference", "case", "--image", image, *ages, *files, *cpu, *options)
        golden.files("infer/case", out)
    with golden.part("infer/challenge-2024"):
        bids = _part(work / "learned", "sub-001", work / "bids")
        options = ("--no-flips", "--autoencoder", "--ga-baseline", work / "ga.json")
        golden.command("inference", "challenge-2024", bids, "--team", "ours", *cpu, *options)
        golden.files("infer/challenge-2024", bids / "derivatives")
    with golden.part("infer/challenge-2021"):
        meta = work / "meta"
        meta.mkdir()
        (meta / "meta.json").write_text(json.dumps({"Pathology": "Neurotypical", "Gestational age": 22.7}))
        (work / "input_img").mkdir()
        shutil.copytree(around, work / "input_img" / "anat")
        places = ("--images", work / "input_img", "--meta", meta, "--output", work / "output")
        golden.command("inference", "challenge-2021", *places, *cpu, "--no-flips", "--no-extraction")
        golden.files("infer/challenge-2021", work / "output")
    _infer_tiny(golden)


#: What ``feta-infer case`` writes.
CASE_FILES = {"seg": "seg.nii.gz", "biom": "biom.csv", "landm": "landm.nii.gz"}


def _part(cohort: Path, subject: str, out: Path) -> Path:
    """A BIDS tree of one subject of a cohort."""
    shutil.copytree(cohort / "input" / subject, out / subject)
    shutil.copyfile(cohort / "input" / "participants.tsv", out / "participants.tsv")
    return out


def _infer_tiny(golden: Golden) -> None:
    """What other options and folders of weights do, by networks that have learned nothing."""
    work, cpu = golden.work, ("--device", "cpu")
    (image,) = (work / "phantom" / "input" / "sub-001" / "anat").glob("*.nii.gz")
    for name, weights, options in (
        ("fast", "tiny", ("--fast",)),
        ("autoencoder", "tiny", ("--autoencoder", "--biometry", "heatmap")),
        ("int8", "int8", ("--no-topology", "--biometry", "regression")),
        ("nnunet", "nnunet", ("--biometry", "age")),
        ("nnunet residual", "nnunet-residual", ("--no-topology", "--no-flips")),
    ):
        with golden.part(f"infer/tiny {name}"):
            if name.startswith("nnunet"):
                _nnunet(work / weights, residual="residual" in name)
            out = work / f"infer-{name.replace(' ', '-')}"
            variables = {"FETA_WEIGHTS": str(work / "tiny")}
            call = (image, out, "--ga", "23.4", "--weights", work / weights, *cpu, "--no-qc", *options)
            golden.text(f"infer/tiny {name}", golden.command("inference", *call, **variables))
            golden.files(f"infer/tiny {name}", out)


def _nnunet(folder: Path, residual: bool) -> None:
    """A results folder of nnU-Net v2 with random weights, as its trainer leaves it."""
    import torch
    from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
    from torch import nn

    shape: dict[str, Any] = {
        "n_stages": 2,
        "features_per_stage": [4, 8],
        "kernel_sizes": [[1, 3, 3], [3, 3, 3]],
        "strides": [[1, 1, 1], [1, 2, 2]],
        "n_blocks_per_stage" if residual else "n_conv_per_stage": [1, 2],
        "n_conv_per_stage_decoder": [1],
        "conv_bias": True,
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "nonlin_kwargs": {"inplace": True},
    }
    names: dict[str, Any] = {
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "nonlin": "torch.nn.LeakyReLU",
        "dropout_op": None,
        "dropout_op_kwargs": None,
    }
    kind = ResidualEncoderUNet if residual else PlainConvUNet
    resampling = {
        f"resampling_fn_{what}{end}": value
        for what, seg in (("data", False), ("seg", True), ("probabilities", False))
        for end, value in (
            ("", "resample_data_or_seg_to_shape"),
            ("_kwargs", {"is_seg": seg, "order": 3 if what == "data" else 1, "order_z": 0, "force_separate_z": None}),
        )
    }
    configuration = {
        "preprocessor_name": "DefaultPreprocessor",
        "patch_size": [24, 32, 32],
        "spacing": [2.5, 2.0, 2.0],
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [True],
        **resampling,
        "architecture": {
            "network_class_name": f"dynamic_network_architectures.architectures.unet.{kind.__name__}",
            "arch_kwargs": shape | names,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
    }
    properties = {"mean": 300.0, "std": 120.0, "percentile_00_5": 20.0, "percentile_99_5": 700.0}
    plans = {
        "dataset_name": "Dataset001_Made",
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": properties},
        "configurations": {"3d_fullres": configuration},
    }
    tissues = ("background", "csf", "gm", "wm", "lv", "cb", "sgm", "bs")
    dataset = {
        "channel_names": {"0": "T2w"},
        "labels": {name: number for number, name in enumerate(tissues)},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    torch.manual_seed(1)
    network = kind(
        input_channels=1, num_classes=8, deep_supervision=False, conv_op=nn.Conv3d, norm_op=nn.InstanceNorm3d,
        nonlin=nn.LeakyReLU, **shape,
    )  # fmt: skip
    checkpoint = {
        "network_weights": network.state_dict(),
        "current_epoch": 1,
        "init_args": {"plans": plans, "configuration": "3d_fullres", "fold": 0, "dataset_json": dataset},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": (0, 1, 2),
    }
    (folder / "fold_0").mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    torch.save(checkpoint, folder / "fold_0" / "checkpoint_final.pth")


def evaluate(golden: Golden) -> None:
    """Scores, leaderboards and checks of three made-up teams."""
    work = golden.work
    truth, teams = work / "phantom" / "truth", work / "teams"
    with golden.part("evaluate/teams"):
        _teams(work / "phantom", teams)
    for name, options, variables in (
        ("score", ("--ga-baseline", work / "ga.json"), {}),
        ("score reference", ("--euler", "reference", "--scheme", "per-case", "--seed", 2), {}),
        ("score numpy", ("--scheme", "per-label", "--no-cache"), {"FETA_PLAIN": "1", "FETA_BACKEND": "numpy"}),
    ):
        with golden.part(f"evaluate/{name}"):
            out = work / name.replace(" ", "-")
            call = ("score", truth, teams, out, "--jobs", 1, *options)
            # Status 1: a case of a team is missing.
            golden.text(f"evaluate/{name}", golden.command("evaluation", *call, allowed=(1,), **variables))
            golden.files(f"evaluate/{name}", out)
    for team in ("far", "lacking"):
        for form in ("table", "json"):
            with golden.part(f"evaluate/validate {team} {form}"):
                call = ("validate", teams / team, work / "phantom" / "input", "--format", form)
                said = golden.command("evaluation", *call, allowed=(0, 1))
                golden.text(f"evaluate/validate {team} {form}", said)
    maps = [next((folder / "sub-003" / "anat").glob("*_dseg.nii.gz")) for folder in (truth, teams / "far")]
    for form, euler in (("table", "table"), ("json", "reference")):
        with golden.part(f"evaluate/compare-maps {form}"):
            said = golden.command("evaluation", "compare-maps", *maps, "--format", form, "--euler", euler)
            golden.text(f"evaluate/compare-maps {form}", said)
    with golden.part("evaluate/estimate-quality"):
        call = ("estimate-quality", work / "phantom" / "input", truth, work / "quality.csv")
        golden.text("evaluate/estimate-quality", golden.command("evaluation", *call))
        golden.file("evaluate/estimate-quality/quality.csv", work / "quality.csv")
    with golden.part("evaluate/compare"):
        call = ("compare", work / "score", work / "score-reference", work / "editions")
        golden.text("evaluate/compare", golden.command("evaluation", *call))
        golden.files("evaluate/compare", work / "editions")
    with golden.part("evaluate/analyse"):
        call = ("analyse", work / "score", work / "analysis", "--quality", work / "quality.csv", "--quick")
        golden.text("evaluate/analyse", golden.command("evaluation", *call))
        golden.files("evaluate/analyse", work / "analysis")


#: Made-up teams: voxels by which label maps are shifted, factor on the lengths.
TEAMS = {"near": ((1, 0, 0), 1.02), "far": ((2, -1, 1), 0.93), "lacking": ((0, 0, 1), 1.1)}


def _teams(cohort: Path, out: Path) -> None:
    """Submissions made of the truth, with a tissue, a length, a case and a grid that are not as they should be."""
    import SimpleITK as sitk

    table = (cohort / "truth" / "derivatives" / "biometry" / "biometry.tsv").read_text().splitlines()
    columns = table[0].split("\t")[1:]
    lengths = {cells[0]: list(map(float, cells[1:])) for cells in (row.split("\t") for row in table[1:])}
    for team, (shift, factor) in TEAMS.items():
        for path in sorted((cohort / "truth").glob("sub-*/anat/*_dseg.nii.gz")):
            subject = path.parts[-3]
            if (team, subject) == ("lacking", "sub-002"):
                continue
            image = sitk.ReadImage(str(path))
            moved = sitk.CyclicShift(image, shift)
            if (team, subject) == ("far", "sub-003"):
                moved = sitk.ChangeLabel(moved, {7: 0})
            if (team, subject) == ("lacking", "sub-004"):
                moved.SetSpacing([1.5 * mm for mm in moved.GetSpacing()])
            folder = out / team / subject / "anat"
            folder.mkdir(parents=True)
            sitk.WriteImage(moved, str(folder / path.name))
            cells = [f"{factor * mm:.3f}" for mm in lengths[subject]]
            if (team, subject) == ("far", "sub-001"):
                cells[1] = ""
            name = path.name.replace("_dseg.nii.gz", "_biom.csv")
            (folder / name).write_text("\t".join(["", *columns]) + "\n" + "\t".join([subject, *cells]) + "\n")


def assess(golden: Golden) -> None:
    """Tables of what weights are worth, by networks that have learned nothing."""
    work = golden.work
    tiny, one = ("--weights", work / "tiny"), ("--subjects", "sub-a1", "--threads", 1)
    for name in ("validate", "stress", "topology-report"):
        with golden.part(f"assess/{name}"):
            out = work / f"{name}.csv"
            said = golden.command("training", name, work / "atlases", out, *tiny, *one)
            golden.text(f"assess/{name}", SECONDS.sub("", said))
            golden.file(f"assess/{name}.csv", _without_seconds(out))
    with golden.part("assess/biometry-fit"):
        fitted = work / "fitted"
        fitted.mkdir()
        call = (work / "phantom", "--out", fitted / "biometry.json", *tiny, "--jobs", 1)
        golden.text("assess/biometry-fit", golden.command("training", "biometry-fit", *call))
        golden.files("assess/biometry-fit", fitted)
    with golden.part("assess/biometry-report"):
        call = (work / "phantom", "--out", work / "report.csv", "--calibration", fitted, *tiny, "--jobs", 1)
        golden.text("assess/biometry-report", golden.command("training", "biometry-report", *call))
        golden.file("assess/biometry-report/report.csv", work / "report.csv")
    with golden.part("assess/reproduce"):
        call = (work / "atlases", work / "reproduced.csv", "--subject", "sub-a1", "--threads", 1)
        golden.text("assess/reproduce", golden.command("training", "reproduce", *call))
        golden.file("assess/reproduce/reproduced.csv", work / "reproduced.csv")


#: Seconds at the end of the topology report's lines, and of its table's rows.
SECONDS = re.compile(r"(?:, \d+\.\d s|(?<=\|) \d+\.\d \|)$", re.MULTILINE)


def _without_seconds(path: Path) -> Path:
    """The same table without the rows that say how long something took."""
    rows = [row for row in path.read_text().splitlines() if ",seconds," not in row]
    path.write_text("\n".join(rows) + "\n")
    return path


#: Parts in their order, with those that they need.
PARTS: dict[Callable[[Golden], None], tuple[str, ...]] = {
    cohorts: (),
    data: ("cohorts",),
    train: ("cohorts", "data"),
    infer: ("cohorts", "data", "train"),
    evaluate: ("cohorts", "data"),
    assess: ("cohorts", "data", "train"),
}


def knows_new_words(checkout: Path) -> bool:
    """Whether ``feta-train --help`` names the new group of commands."""
    call = [sys.executable, "-m", "training", "--help"]
    said = subprocess.run(call, cwd=checkout, capture_output=True, text=True, check=False, env=_bare())
    return re.search(rf"^\W*{NEW_WORD}\b", said.stdout, re.MULTILINE) is not None


def check_packages(checkout: Path) -> None:
    """Make sure that packages come from the checkout, not from another one that is installed.

    Raises:
        Failed: they do not.
    """
    script = "import inference, training, evaluation\nfor p in (inference, training, evaluation): print(p.__file__)"
    call = [sys.executable, "-c", script]
    said = subprocess.run(call, cwd=checkout, capture_output=True, text=True, check=False, env=_bare())
    places = said.stdout.split()
    if len(places) != 3 or not all(Path(place).resolve().is_relative_to(checkout) for place in places):
        raise Failed(f"{checkout}: its packages are not those that are imported there\n{said.stdout}{said.stderr}")


def _bare() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON} | {"COLUMNS": "160"}


def read_lines(path: Path) -> dict[str, str]:
    """Hashes by name, as an earlier output has them."""
    pairs = [line.split(maxsplit=1) for line in path.read_text().splitlines() if line.strip()]
    return {name: value for value, name in pairs}


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Lines that two outputs do not share, ``-`` for the earlier one's and ``+`` for the later one's."""
    lines = []
    for name in dict.fromkeys((*before, *now)):
        if before.get(name) != now.get(name):
            lines += [f"- {before[name]}  {name}"] if name in before else []
            lines += [f"+ {now[name]}  {name}"] if name in now else []
    return lines


def main() -> int:
    """Run everything; 1 if something failed or differs."""
    names = [part.__name__ for part in PARTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkout", type=Path, default=Path(__file__).resolve().parents[1], help="the repository")
    parser.add_argument("--keep", type=Path, help="folder for what is made; it stays there")
    parser.add_argument("--compare", type=Path, help="an earlier output; only lines that differ are printed")
    parser.add_argument("--only", choices=names, action="append", help="this part and what it needs; may be repeated")
    parser.add_argument("--words", choices=("auto", "old", "new"), default="auto", help="names of the commands")
    given = parser.parse_args()
    checkout = given.checkout.resolve()
    check_packages(checkout)
    before = read_lines(given.compare) if given.compare else {}
    new = knows_new_words(checkout) if given.words == "auto" else given.words == "new"
    wanted = set(given.only or names)

    def shown(name: str) -> bool:
        return name.split("/")[0] in wanted

    with tempfile.TemporaryDirectory(prefix="golden-") as temporary:
        work = (given.keep or Path(temporary)).resolve()
        if given.keep and work.exists() and any(work.iterdir()):
            parser.error(f"{given.keep} is not empty")
        work.mkdir(parents=True, exist_ok=True)
        golden = Golden(checkout, work, new)
        golden.shown = (lambda name: False) if given.compare else shown
        golden.tell(f"commands by their {'new' if new else 'old'} names")
        needed = wanted.union(*(needs for part, needs in PARTS.items() if part.__name__ in wanted))
        for part in PARTS:
            if part.__name__ in needed:
                part(golden)
    golden.tell(f"{cpu_seconds():.0f} s of CPU, {len(golden.hashes)} hashes, {len(golden.failed)} failed")
    if not given.compare:
        return 1 if golden.failed else 0
    now = {name: value for name, value in golden.hashes.items() if shown(name)}
    lines = differences({name: value for name, value in before.items() if shown(name)}, now)
    print(*lines, sep="\n")
    golden.tell(f"{len(lines)} lines differ from {given.compare.name}")
    return 1 if lines or golden.failed else 0


if __name__ == "__main__":
    sys.exit(main())

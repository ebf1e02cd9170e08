"""What README, model card and documentation promise: their size, figures, links, and names of files that are there."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evaluation.ranking.schemes import SCHEMES
from evaluation.submissions.reasons import Reason
from feta.labels import TISSUES, Tissue
from tools.site.commands import page as reference
from tools.site.commands import programs

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [
    *DOCS,
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "weights/MODEL_CARD.md", "wheels/README.md")),
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE_BLOCK = re.compile(r"^ *```.*?^ *```", re.M | re.S)


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def rows(page: str) -> list[list[str]]:
    """Cells of all tables of a page."""
    lines = (ROOT / page).read_text().splitlines()
    return [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in lines if re.match(r"\|(?!-)", line)]


@pytest.mark.parametrize("page", ["README.md", "weights/MODEL_CARD.md"])
def test_a_page_to_be_read_whole_has_at_most_100_lines(page: str) -> None:
    assert len((ROOT / page).read_text().splitlines()) <= 100


@pytest.mark.parametrize("page", ["README.md", "weights/MODEL_CARD.md", "docs/index.md", "docs/for-you/clinician.md"])
def test_not_a_medical_device_is_said(page: str) -> None:
    assert "not a medical device" in (ROOT / page).read_text().lower()


@pytest.mark.parametrize("page", ["README.md", "weights/MODEL_CARD.md"])
def test_figures_are_those_that_the_bench_wrote_and_the_unseen_atlas_comes_first(page: str) -> None:
    measured = {row[0]: row for row in rows("docs/results/bench.md")}
    told = [row for row in rows(page) if row[0] in measured and row[0]]
    assert len(told) >= 2
    assert told[0][0].startswith("atlas_wu2021")
    for name, volumes, dice, worst, hd95, worst_hd95, *case in told:
        _, n, d, _, w, h, wh, *_, worst_case = measured[name]
        assert [volumes, dice, worst, hd95, worst_hd95] == [n, d, w, h, wh]
        assert case in ([], [worst_case])


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    """Anchors and links within docs/ are checked again by `make docs`; these pages are read on their own, too."""
    text = CODE_BLOCK.sub("", page.read_text())
    targets = [target.partition("#")[0] for target in LINK.findall(text) if "://" not in target]
    made = {"feta-infer.md", "feta-evaluate.md", "feta-train.md", "folders.svg"}  # by python -m tools.site
    missing = [t for t in targets if t and Path(t).name not in made and not (page.parent / t).exists()]
    assert missing == []


@pytest.mark.parametrize("page", DOCS, ids=named)
def test_files_of_the_repository_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text()
    first = "feta|inference|evaluation|training|weights|docs|examples|benchmarks|tests|tools|wheels"
    paths = re.findall(rf"`((?:{first})/[\w./-]+\.(?:py|yaml|md|json|jpg|def|sbatch))`", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_walks_of_the_architecture_name_files_that_exist() -> None:
    """Short names stand beside the last long one."""
    text = (ROOT / "docs/explanation/architecture.md").read_text().partition("## What lives where")[0]
    folder = ROOT
    for name in re.findall(r"`([\w/]+\.(?:py|yaml))`", text):
        folder = (ROOT / name).parent if "/" in name else folder
        assert (ROOT / name if "/" in name else folder / name).exists(), name


@pytest.fixture(scope="module")
def known() -> set[str]:
    """The headings of the generated pages: every command."""
    texts = [reference(name, forms) for name, forms in programs().items()]
    return {line[3:] for text in texts for line in text.splitlines() if line.startswith("## ")}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_of_ours_is_one(page: Path, known: set[str]) -> None:
    """The first words of each call in a block of code: programs, their commands, modules, targets of make."""
    targets = set(re.findall(r"^([.a-z]+):.*##", (ROOT / "Makefile").read_text(), re.M))
    for block in CODE_BLOCK.findall(page.read_text()):
        for line in block.splitlines():
            if call := re.search(r"(?:^|/|\s)(feta-(?:evaluate|train))((?: [a-z][a-z-]*)+)", line.split("#")[0]):
                words = f"{call[1]}{call[2]}".split()
                assert any(" ".join(words[:n]) in known for n in range(2, len(words) + 1)), line
            if call := re.match(r"make ([.a-z]+)", line):
                assert call[1] in targets, line
            if call := re.search(r"python -m (benchmarks\.\w+)", line):
                assert (ROOT / f"{call[1].replace('.', '/')}.py").exists(), line


@pytest.fixture(scope="module")
def taken() -> dict[str, set[str]]:
    """The options that each command takes, hidden ones too, by the words that call it."""

    def walk(words: str, command: Any) -> Iterator[tuple[str, set[str]]]:
        yield words, {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        for name, child in getattr(command, "commands", {}).items():
            yield from walk(f"{words} {name}", child)

    found: dict[str, set[str]] = {}
    for forms in programs().values():
        for _, words, command in forms:  # of feta-infer's plain call and the BIDS app's the words are the same
            for called, options in walk(words, command):
                found.setdefault(called, {"--help"}).update(options)
    return found


#: Whom an image's name stands for in a call of it.
STANDS_FOR = {"feta-inference": "feta-infer", "feta-evaluation": "feta-evaluate", "feta-training": "feta-train"}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_option_that_a_page_gives_to_a_command_is_one_of_its(page: Path, taken: dict[str, set[str]]) -> None:
    """In blocks and within lines of text; what stands before a container's image is for the engine."""
    text = page.read_text()
    lines = [line for block in CODE_BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    lines += [" ".join(span.split()) for span in re.findall(r"`(feta-[^`]+)`", CODE_BLOCK.sub("", text))]
    for line in lines:
        call = re.search(r"(?:^|[/\s])(feta-[a-z]+)((?: [a-z][a-z-]*)*)(.*)", line.split(" #")[0])
        if not call:
            continue
        words = [STANDS_FOR.get(call[1], call[1]), *call[2].split()]
        known = [name for n in range(1, len(words) + 1) if (name := " ".join(words[:n])) in taken]
        given = set(re.findall(r"(?<!\S)(--[a-z][\w-]*)", call[3]))
        assert not known or given <= taken[known[-1]], line


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_an_example_is_called_with_what_it_takes(page: Path) -> None:
    for name, words in re.findall(r"python (examples/\w+\.py)((?: [\w/.]+)*)", page.read_text()):
        usage = re.search(rf"``python {name}((?: [A-Z]+)*)``", (ROOT / name).read_text())
        assert usage, name
        assert len(words.split()) == len(usage[1].split()), f"{name}{words}"


@pytest.fixture(scope="module")
def extras() -> set[str]:
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])


def test_nobody_is_sent_to_an_index_for_this_project(extras: set[str]) -> None:
    """It is on none: pip would find nothing there, or somebody else's package. Its folder is installed, by extras."""
    code = [path for name in ("feta", "inference", "evaluation", "training") for path in (ROOT / name).rglob("*.*")]
    for path in (*PAGES, *(p for p in code if p.suffix in (".py", ".yaml"))):
        text = path.read_text()
        assert not re.search(r"pip install [\"']?feta", text), path
        for named in re.findall(r"pip install \"\.\[([a-z,]+)\]\"|installed_by\(\"([a-z]+)\"\)", text):
            assert set("".join(named).split(",")) <= extras, path


def test_installing_a_part_names_every_extra(extras: set[str]) -> None:
    told = {name for row in rows("docs/how-to/install.md") for name in re.findall(r"`([a-z]+)`", row[0])}
    assert told == extras


def test_metrics_name_every_reason_scheme_and_label() -> None:
    text = (ROOT / "docs/reference/metrics.md").read_text()
    assert [reason.value for reason in Reason if f"`{reason}`" not in text] == []
    assert [scheme for scheme in SCHEMES if f"`{scheme}`" not in text] == []
    values = {row[0]: row[1] for row in rows("docs/reference/files.md") if row[0].isdigit()}
    assert list(values) == [str(int(tissue)) for tissue in Tissue]
    assert len(values) == len(TISSUES) + 1


def test_pages_need_nothing_from_elsewhere() -> None:
    settings = (ROOT / "mkdocs.yml").read_text()
    assert "font: false" in settings
    assert not re.search(r"https?://", settings)
    pictures = [target for page in PAGES for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text())]
    assert pictures
    assert [target for target in pictures if "://" in target] == []

"""``python -m tools.site FOLDER``: what mkdocs makes the site of.

FOLDER gets ``source/``, the pages with all that is generated, and ``mkdocs.yml``, the settings with the navigation.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path, PurePosixPath

import yaml

from tools.site import commands, folders
from tools.site.links import relinked
from tools.site.order import navigation

ROOT = Path(__file__).resolve().parents[2]
#: Files outside docs/ that are pages as well.
ALSO = {
    "weights/MODEL_CARD.md": "results/model-card.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
}
#: Stands in a page where the table of the folders goes.
FOLDERS_HERE = "<!-- folders -->"


def main(target: Path) -> None:
    """Assemble the pages and the settings."""
    shutil.rmtree(target, ignore_errors=True)
    source = target / "source"
    shutil.copytree(ROOT / "docs", source)
    from_docs = {path.relative_to(ROOT).as_posix(): path.relative_to(ROOT / "docs").as_posix() for path in _docs()}
    pages = from_docs | ALSO
    texts: dict[str, str] = {}
    for file, page in pages.items():
        path = ROOT / file
        if path.suffix == ".md":
            text = path.read_text(encoding="utf-8").replace(FOLDERS_HERE, folders.table(ROOT))
            texts[page] = relinked(text, PurePosixPath(file), PurePosixPath(page), pages, ROOT)
    for name, forms in commands.programs().items():
        texts[f"reference/{name}.md"] = commands.page(name, forms)
    for page, text in texts.items():
        (source / page).parent.mkdir(parents=True, exist_ok=True)
        (source / page).write_text(text, encoding="utf-8")
    (source / "explanation" / "folders.svg").write_text(folders.picture(ROOT), encoding="utf-8")
    settings = {
        "INHERIT": os.path.relpath(ROOT / "mkdocs.yml", target),
        "docs_dir": "source",
        "site_dir": "site",
        "nav": navigation(texts.items()),
    }
    (target / "mkdocs.yml").write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _docs() -> list[Path]:
    return [path for path in sorted((ROOT / "docs").rglob("*")) if path.is_file()]


if __name__ == "__main__":
    main(Path(sys.argv[1]))

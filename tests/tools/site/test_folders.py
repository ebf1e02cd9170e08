"""The picture of the folders shows each, and nothing imports what stands before it."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.support.import_graph import Code
from tools.site import folders

ROOT = Path(__file__).resolve().parents[3]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def picture() -> ET.Element:
    return ET.fromstring(folders.picture(ROOT))


def folders_with_code() -> set[str]:
    found = {path.parent for package in folders.PACKAGES for path in (ROOT / package).rglob("*.py")}
    return {path.relative_to(ROOT).as_posix() for path in found}


def test_every_folder_with_code_is_a_box(picture: ET.Element) -> None:
    names = [text.text for group in picture.iter(f"{SVG}g") for text in group.iter(f"{SVG}text")]
    expected = [path.partition("/")[2] for path in folders_with_code() if "/" in path]
    assert sorted(map(str, names)) == sorted(expected)


def test_a_folder_imports_only_from_those_that_stand_after_it() -> None:
    rooms = Code.read(ROOT, folders.PACKAGES).rooms()
    for package, found in folders.read(ROOT).items():
        order = [folder.path for folder in found]  # from below
        for place, path in enumerate(order):
            inside = {other for other in rooms[path] if other in order}
            assert inside <= set(order[:place]), f"{package}: {path}"


def test_no_box_leaves_its_block_or_covers_another(picture: ET.Element) -> None:
    boxes = [rect.attrib for group in picture.iter(f"{SVG}g") for rect in group.iter(f"{SVG}rect")]
    spans = sorted((int(b["y"]), int(b["x"]), int(b["x"]) + int(b["width"])) for b in boxes)
    for (y, _, right), (next_y, left, _) in itertools.pairwise(spans):
        assert next_y > y or left >= right
    assert all(right <= 760 for _, _, right in spans)


def test_the_table_says_of_each_folder_what_its_own_file_says() -> None:
    table = folders.table(ROOT)
    assert set(re.findall(r"^\| \**`(\S+)/`", table, re.M)) == folders_with_code()
    assert "| `evaluation/ranking/` | From scores to ranks" in table

"""The reader behind the layers' test, on a small package made for it: it must be able to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.import_graph import Code, circles, reachable

FILES = {
    "shop/__init__.py": '"""A shop."""\n',
    "shop/cli.py": "from shop.sales import till\n",
    "shop/sales/__init__.py": '"""Sales."""\n',
    "shop/sales/till.py": "import json\n\ndef pay():\n    from shop.stock.shelf import Shelf\n",
    "shop/stock/__init__.py": '"""Stock."""\n',
    "shop/stock/shelf.py": "from importlib import import_module\nimport numpy.linalg\n",
    "tools/__init__.py": '"""Tools."""\n',
    "tools/saw.py": "",
}
TABLE = {
    "tools": "",
    "shop/__init__.py": "",
    "shop/stock": "",
    "shop/sales": "shop/stock",
    "shop/cli.py": "shop/sales",
}


def read(root: Path, **changed: str) -> Code:
    """The made-up package with some files written differently; '__' stands for '/'."""
    for name, text in {**FILES, **{name.replace("__", "/") + ".py": text for name, text in changed.items()}}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Code.read(root, ("shop", "tools"))


def test_what_keeps_to_the_table_is_fine(tmp_path: Path) -> None:
    code = read(tmp_path)
    assert code.trespasses(TABLE) == []
    assert circles(code.files()) == circles(code.rooms()) == []
    assert code.rooms() == {
        "tools": set(),
        "shop/__init__.py": set(),
        "shop/stock": set(),
        "shop/sales": {"shop/stock"},
        "shop/cli.py": {"shop/sales"},
    }
    assert code.outer("shop") == {"shop", "json", "importlib", "numpy"}


@pytest.mark.parametrize(
    "text",
    [
        "import shop.sales.till\n",
        "from shop.sales.till import pay\n",
        "from shop.sales import till\n",
        "from ..sales.till import pay\n",
        "from ..sales import till\n",
        "def late():\n    import shop.sales.till\n",
        "import importlib\nimportlib.import_module('shop.sales.till')\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import shop.sales.till\n",
    ],
)
def test_an_import_upwards_is_found_however_it_is_written(tmp_path: Path, text: str) -> None:
    code = read(tmp_path, shop__stock__shelf=text)
    (wrong,) = code.trespasses(TABLE)
    assert wrong.startswith("shop/stock/shelf.py:")
    assert wrong.endswith("imports shop.sales.till")
    assert circles(code.files()) == [["shop.sales.till", "shop.stock.shelf"]]
    assert circles(code.rooms()) == [["shop/sales", "shop/stock"]]


def test_a_file_of_no_folder_in_the_table_is_found(tmp_path: Path) -> None:
    assert read(tmp_path, shop__new__file="").trespasses(TABLE) == ["shop/new is not in the table"]
    assert read(tmp_path, shop__other="")
    assert "shop/other.py is not in the table" in read(tmp_path, shop__other="").trespasses(TABLE)


def test_a_circle_of_folders_needs_no_circle_of_files(tmp_path: Path) -> None:
    code = read(tmp_path, shop__stock__order="from shop.sales.till import pay\n")
    assert circles(code.files()) == []
    assert circles(code.rooms()) == [["shop/sales", "shop/stock"]]


def test_walls_are_seen_through_others(tmp_path: Path) -> None:
    graph = read(tmp_path).files()
    assert reachable(graph, "shop.cli") == {"shop.sales.till", "shop.stock.shelf"}
    assert reachable(graph, "shop.stock.shelf") == set()


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({}, []),
        ({"a": "b", "b": "c", "c": ""}, []),
        ({"a": "b", "b": "c", "c": "a"}, [["a", "b", "c"]]),
        ({"a": "bc", "b": "d", "c": "d", "d": ""}, []),
        ({"a": "b", "b": "ac", "c": "d", "d": "c"}, [["c", "d"], ["a", "b"]]),
        ({"a": "b", "b": "cd", "c": "a", "d": "e", "e": "b"}, [["a", "b", "c", "d", "e"]]),
    ],
)
def test_circles(graph: dict[str, str], expected: list[list[str]]) -> None:
    assert circles(graph) == expected

"""The navigation follows the folders, so that nobody lists pages."""

from __future__ import annotations

from tools.site.order import navigation, title


def test_sections_come_in_the_order_of_the_site_and_new_ones_last() -> None:
    pages = [
        ("results/b.md", "# B"),
        ("zebra/z.md", "# Z"),
        ("how-to/y.md", "# Y"),
        ("how-to/a.md", "# A `code`"),
        ("tutorials/1.md", "# One"),
        ("index.md", "# A long heading"),
        ("explanation/e.md", "# E"),
    ]
    assert navigation(pages) == [
        {"Home": "index.md"},
        {"Tutorials": [{"One": "tutorials/1.md"}]},
        {"How-to": [{"A code": "how-to/a.md"}, {"Y": "how-to/y.md"}]},
        {"Explanation": [{"E": "explanation/e.md"}]},
        {"Results": [{"B": "results/b.md"}]},
        {"Zebra": [{"Z": "zebra/z.md"}]},
    ]


def test_a_page_without_a_heading_is_called_by_its_file() -> None:
    assert title("text\n\n## smaller\n", "how-to/many-scans.md") == "Many scans"

"""The page of a case as a browser gets it: whole, offline, and with every name as text."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from feta.grid import transformed
from feta.volumes import Volume
from inference.morphometry.growth_curve import TRANSCRIBED
from inference.report import case_page as module
from inference.report.case_page import PageVerdict, render_case, write_case_page
from inference.report.convention import Convention
from inference.report.private import names_case, without_private
from tests.support.case_pages import ATTACK, HEAD, LINES, STAND_IN, block, case_page, scripts, sizes
from tests.support.heads import TO_CANONICAL, tissue_at
from tests.support.html_page import Page


@pytest.fixture(scope="module", autouse=True)
def viewer() -> object:
    """A viewer that does nothing, wherever the tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "viewer_bundle", lambda: STAND_IN)
        yield


@pytest.fixture(scope="module")
def text(viewer: object) -> str:
    return render_case(case_page())


def test_only_the_pages_own_scripts_run_and_nothing_is_fetched(text: str) -> None:
    page = Page(text)
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts(text)}
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert len(hashes) == 2
    assert set(rules["script-src"].split()) == hashes
    assert rules["default-src"] == rules["connect-src"] == rules["base-uri"] == "'none'"
    assert set(rules["img-src"].split()) == {"data:", "blob:"}
    addresses = [a[name] for _, a in page.tags for name in ("src", "href", "srcset", "action", "data") if name in a]
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert {tag for tag, _ in page.tags}.isdisjoint({"iframe", "object", "embed", "form", "base"})
    assert "url(" not in text
    assert "@import" not in text


def test_names_and_warnings_are_text() -> None:
    hostile = [replace(m, title=ATTACK, flag=ATTACK, source=ATTACK) for m in sizes()]
    text = render_case(case_page(measured=hostile, warnings=[ATTACK], subject=ATTACK))
    text_of_name = render_case(replace(case_page(), name=ATTACK))
    for page in (Page(text), Page(text_of_name)):
        assert len([s for s in page.all("script") if "type" not in s]) == 2
        assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
        assert page.all("img") == [image for image in page.all("img") if image["src"].startswith("data:")]


def test_a_name_that_is_no_utf8_is_shown_as_escapes(tmp_path: Path) -> None:
    write_case_page(tmp_path / "a.html", replace(case_page(), name="sub-\udce9"))
    assert "sub-\\udce9" in (tmp_path / "a.html").read_text("utf-8")


def test_what_is_read_off_the_page_is_the_brain(text: str, tmp_path: Path) -> None:
    """Against the anatomy that the head was made of, by another reader of NIfTI."""
    (tmp_path / "labels.nii.gz").write_bytes(base64.b64decode(block(text, "labels")))
    image = sitk.ReadImage(str(tmp_path / "labels.nii.gz"))
    assert image.GetMetaData("intent_code") == "1002", "NIFTI_INTENT_LABEL"
    labels = sitk.GetArrayFromImage(image)
    index = np.random.default_rng(1).integers(0, labels.shape, (4000, 3))
    # SimpleITK's LPS to the brain frame's RAS.
    points = np.array([image.TransformIndexToPhysicalPoint([int(n) for n in i[::-1]]) for i in index]) * (-1, -1, 1)
    agree = labels[tuple(index.T)] == tissue_at(points)
    assert agree.mean() > 0.95
    assert len(set(labels[tuple(index.T)])) >= 5


def test_the_page_says_how_coarse_it_is_and_what_it_is_not(text: str) -> None:
    said = Page(text).text
    for words in ("Not a medical device", "voxels of 1.5 mm", "8 bit", TRANSCRIBED, STAND_IN.licence, "29.5 weeks"):
        assert words in said


def test_voxels_are_never_finer_than_half_a_millimetre() -> None:
    fine = replace(HEAD.image.grid, spacing=(0.3, 0.3, 0.3))
    page = case_page()
    text = render_case(
        replace(page, volume=Volume(HEAD.image.array, fine), labels=Volume(HEAD.labels.array, fine), measured=())
    )
    assert "voxels of 0.5 mm" in Page(text).text


def test_a_large_head_of_noise_stays_below_eight_megabytes(tmp_path: Path) -> None:
    grid = replace(HEAD.image.grid, size=(120, 120, 120), spacing=(1.2, 1.2, 1.2))
    noise = np.random.default_rng(0).integers(0, 255, grid.shape).astype(np.float32)
    labels = Volume(np.ones(grid.shape, np.uint8), grid)
    text = render_case(case_page(volume=Volume(noise, grid), labels=labels, picture=bytes(700_000)))
    # With the real viewer, which takes less than 2.5 MB.
    assert len(text) < 8_000_000 - 2_500_000


def case_page_data(text: str) -> dict:
    return json.loads(block(text, "data"))


def test_lines_are_where_they_were_measured_and_the_crosshair_tells_the_files_millimetres(text: str) -> None:
    data = case_page_data(text)
    assert set(data["lines"]) == set(LINES)
    to_ras = np.vstack([data["toFile"], [0, 0, 0, 1]])
    for key, line in LINES.items():
        ends = transformed(to_ras, np.array(data["lines"][key])) * (-1, -1, 1)
        np.testing.assert_allclose(ends, [line.start, line.end], atol=0.05)


@pytest.mark.parametrize("convention", list(Convention))
def test_the_convention_is_said_and_kept(convention: Convention) -> None:
    text = render_case(case_page(convention=convention))
    assert case_page_data(text)["radiological"] is (convention is Convention.RADIOLOGICAL)
    side = {"radiological": "right", "neurological": "left"}[convention]
    assert f"the fetus's {side} is on the left of the picture" in Page(text).text


def test_no_side_is_named_where_none_is_known() -> None:
    text = render_case(case_page(sides_known=False))
    assert case_page_data(text)["sides"] is False
    assert "eft and right are unknown" in Page(text).text
    assert "on the left of the picture" not in Page(text).text


def test_without_the_viewer_there_are_still_pictures_and_the_page_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "viewer_bundle", lambda: None)
    text = render_case(case_page())
    page = Page(text)
    assert "Still pictures only" in page.text
    assert "nilearn" in page.text
    assert not any(s.get("id") for s in page.all("script"))
    assert len(page.all("img")) == 1


def test_an_empty_label_map_is_said_and_the_whole_image_shown() -> None:
    empty = Volume(np.zeros_like(HEAD.labels.array), HEAD.labels.grid)
    text = render_case(case_page(labels=empty, measured=()))
    assert "No brain was found" in Page(text).text
    assert not [box for box in Page(text).all("input") if "data-tissue" in box]


def test_what_to_check_comes_in_plain_words_with_the_most_urgent_first(text: str) -> None:
    said = Page(text).text
    first = f"{sizes()[0].title}: {sizes()[0].value:.1f} mm, below the 3rd centile (z −2.6)."
    assert first in said
    assert said.index(first) < said.index("That the outlines follow")
    assert "age is unknown" in Page(render_case(case_page(age=None))).text


def test_a_page_can_be_freed_of_all_that_names_its_case() -> None:
    warnings = ["sub-0815: listed twice", "/data/0815/x.nii: odd", "bBIP: the image is unclear"]
    text = render_case(case_page(warnings=warnings))
    assert "0815" in text
    left = Page(without_private(text)).text
    assert "0815" not in left
    assert "bBIP: the image is unclear" in left
    assert "Fetal brain" in left


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("sub-0815 is odd", True),
        ("0815 twice", True),
        ("SES-B1X is", True),
        ("in /a/b", True),
        ("unclear image", False),
    ],
)
def test_parts_of_names_are_names(line: str, named: bool) -> None:
    assert names_case(line, ["sub-0815_ses-b1x_T2w"]) is named


def test_frames_and_volumes_may_be_turned_together(text: str) -> None:
    """The viewer's volume follows the brain, not the storage."""
    half_turn = np.diag([-1.0, -1.0, 1.0, 1.0])
    grid = HEAD.image.grid
    turned = replace(
        grid,
        origin=tuple(half_turn[:3, :3] @ grid.origin),  # type: ignore[arg-type]
        direction=tuple((half_turn[:3, :3] @ np.reshape(grid.direction, (3, 3))).ravel()),
    )
    again = render_case(
        replace(
            case_page(),
            volume=Volume(HEAD.image.array, turned),
            labels=Volume(HEAD.labels.array, turned),
            frame=TO_CANONICAL @ half_turn,
        )
    )
    assert block(again, "labels") == block(text, "labels")


def test_the_verdict_stands_on_the_page_with_its_reasons_expected_dice_and_age() -> None:
    verdict = PageVerdict("check", ("<b>cerebellum</b> is doubtful",), (("cerebellum", 0.58, 0.4, 0.7),), "27.3 weeks")
    text = render_case(case_page(verdict=verdict))
    for word in ("Verdict: check", "&lt;b&gt;cerebellum", "cerebellum 0.58 (0.40–0.70)", "about 27.3 weeks old"):
        assert word in text
    assert "<b>cerebellum" not in text


def test_a_page_of_weights_whose_errors_nobody_measured_says_so() -> None:
    text = render_case(case_page(verdict=PageVerdict("unjudged")))
    assert "Verdict: unjudged" in text
    assert "Nobody measured the errors" in text


def test_a_reason_that_names_the_case_is_left_out_of_what_is_shared() -> None:
    page = case_page(verdict=PageVerdict("check", ("sub-0815_T2w.nii.gz: has voxels of 1 × 1 × 4 mm",)))
    assert "1 × 1 × 4 mm" not in without_private(render_case(page))


def test_a_page_without_a_verdict_has_no_word_of_it(text: str) -> None:
    assert "Verdict" not in text

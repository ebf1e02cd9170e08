"""Which findings are drawn, what their settings may be, and that nothing moves where they are off."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from feta.errors import FetaError
from feta.labels import Tissue
from feta.measurements import Measurement
from training.anatomy.individual import draw_individual
from training.anatomy.model import Anatomy
from training.anatomy.plan import draw_plan
from training.cli import app
from training.commands.common import HELD_OUT
from training.findings.draw import draw_findings
from training.findings.lesions import Kind, Lesion, Place, paint_lesions
from training.findings.settings import FINDINGS, FindingsSettings, read_findings
from training.findings.ventricles import Ventriculomegaly
from training.imaging.lattice import Lattice
from training.scanner.cohort_settings import read_cohort_settings

INDIVIDUALS = read_cohort_settings().individuals


def test_the_shipped_settings_are_the_defaults() -> None:
    assert read_findings(FINDINGS) == FindingsSettings()


def test_every_finding_is_drawn_within_its_range() -> None:
    rng, settings = np.random.default_rng(0), FindingsSettings()
    drawn = []
    for _ in range(400):
        plan = draw_plan(rng, 30.0, False, INDIVIDUALS)
        drawn.append((plan, draw_findings(rng, plan, settings)))
    assert {found.name for _, found in drawn} == set(vars(settings))
    assert 0.1 < np.mean([found.lesions > 0 for _, found in drawn]) < 0.5
    one_sided = []
    for plan, found in drawn:
        assert found.names
        if isinstance(found.shape, Ventriculomegaly):
            widths = sorted((found.shape.left, found.shape.right))
            one_sided.append(widths[0] == 0)
            assert 10 <= widths[1] <= min(30.0, 0.4 * plan.lengths[Measurement.BBIP])
    assert 0.2 < np.mean(one_sided) < 0.6


def test_without_findings_the_generator_draws_what_it_always_drew() -> None:
    """Plans and labels of two fetuses as commit 17c9091 draws them, by a hash of their numbers."""
    digest = hashlib.sha256()
    for seed, ill in ((1, False), (2, True)):
        plan = draw_plan(np.random.default_rng(seed), 27.0, ill, INDIVIDUALS)
        numbers = [plan.maturity, plan.brain_length, plan.ventricles, *plan.lengths.values()]
        digest.update(json.dumps([round(v, 9) for v in numbers]).encode())
    assert digest.hexdigest()[:16] == "4650d104a899144d"


def test_an_individual_without_findings_is_what_it_always_was() -> None:
    """The label map of a fetus with the findings of before, on a coarse grid, as commit 17c9091 draws it."""
    head = draw_individual(np.random.default_rng(7), 24.0, True, Anatomy.load(HELD_OUT), INDIVIDUALS)
    places = Lattice(np.array([-45.0, -50.0, -45.0]), 3.0, (31, 34, 31)).positions()
    labels = head.at(torch.from_numpy(places).float())[0]
    assert hashlib.sha256(labels.tobytes()).hexdigest()[:16] == "46571537b0e7adab"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ventriculomegaly: {atrium: [12.0, 10.0]}", "atrium must be two numbers"),
        ("ventriculomegaly: {atrium: [12.0]}", "atrium must be two numbers"),
        ("chiari: {}", "unknown setting chiari"),
        ("dandy_walker: {weight: -1.0}", "weight must not be negative"),
        ("lesions: {most: many}", "lesions.most"),
    ],
)
def test_a_bad_setting_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "findings.yaml"
    file.write_text(text)
    with pytest.raises(FetaError, match=told) as caught:
        read_findings(file)
    assert "\n" not in str(caught.value)


def test_no_weight_at_all_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "findings.yaml"
    file.write_text("\n".join(f"{name}: {{weight: 0.0}}" for name in vars(FindingsSettings())))
    with pytest.raises(FetaError, match="one finding at least"):
        read_findings(file)


def test_phantoms_have_no_findings(tmp_path: Path) -> None:
    out = CliRunner().invoke(app, ["data", "simulate", str(tmp_path / "o"), "--phantom", "--findings", str(FINDINGS)])
    assert isinstance(out.exception, FetaError)
    assert "can't be grown into phantoms" in str(out.exception)


def test_lesions_are_dark_or_bright_within_and_leave_the_rest() -> None:
    places = Lattice(np.array([-10.0, -10.0, -10.0]), 1.0, (21, 21, 21)).positions()
    labels = np.full(places.shape[:3], Tissue.WM, np.uint8)
    labels[:, :, 10:] = Tissue.ECSF
    image = np.full(labels.shape, 500, np.float32)
    dark = Lesion(Kind.HAEMORRHAGE, Place.WHITE_MATTER, (-5.0, 0.0, 0.0), (3.0, 3.0, 3.0), 0.2)
    paint_lesions(image, labels, places, (dark,), 1000.0)
    away = np.linalg.norm(places - np.array(dark.centre), axis=-1)
    assert image[away < 2] == pytest.approx(200)
    assert (image[away > 4] == 500).all()
    assert (image[labels == Tissue.ECSF] == 500).all()
    assert asdict(dark)["kind"] == "haemorrhage"

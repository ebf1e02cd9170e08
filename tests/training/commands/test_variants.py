"""Variants are other brains with the same topology, a pure function of the seed, and never of a validation subject."""

from pathlib import Path

import gudhi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from feta.errors import FetaError
from feta.grid import Grid
from feta.labels import Tissue
from feta.volumes import Volume, read_label_map
from tests.support.tiny_subjects import write_balls
from training.anatomy.variants import SourceBrain, VariantPlan, VariantSettings, draw_plan, warp_variant
from training.commands.data import variants as variants_command
from training.commands.data.variants import variants

SOURCES = [SourceBrain(f"sub-{kind}{week}", week, kind) for kind in ("healthy", "ill") for week in (21, 22, 25, 30)]
QUIET = VariantSettings(amplitudes=(0.0, 0.0))
BASE = SourceBrain("sub-a", 25.0, "healthy")
GRID = Grid((34, 34, 34), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


def _phantom() -> tuple[Volume, Volume]:
    """A ball of white matter with a ring of ventricle in it, in a shell of grey matter and one of fluid."""
    axis = np.arange(34) - 16.5
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    radius = np.sqrt(x**2 + y**2 + z**2)
    labels = np.zeros(radius.shape, np.uint8)
    for tissue, reach in ((Tissue.ECSF, 15), (Tissue.GM, 12.5), (Tissue.WM, 10)):
        labels[radius < reach] = tissue
    labels[np.hypot(np.hypot(x, y) - 5, z) < 2.6] = Tissue.VM
    return Volume((100.0 * labels).astype(np.float32), GRID), Volume(labels, GRID)


def _betti(mask: np.ndarray) -> list[int]:
    box = tuple(slice(ends.min(), ends.max() + 1) for ends in mask.nonzero())
    cells = gudhi.CubicalComplex(vertices=np.where(np.pad(mask[box], 1), 0.0, 1.0))
    cells.compute_persistence(homology_coeff_field=2, min_persistence=0)
    return [int(n) for n in cells.persistent_betti_numbers(0.0, 0.0)][:3]


@given(st.integers(0, 2**31))
@examples(max_examples=60, deadline=None)
def test_a_plan_goes_to_a_brain_of_near_age_and_the_other_kind(seed: int) -> None:
    plan = draw_plan(np.random.default_rng(seed), SOURCES, VariantSettings())
    assert plan.partner is not None
    assert plan.partner.pathology != plan.base.pathology
    assert abs(plan.partner.age - plan.base.age) <= 1.5
    assert -0.5 <= plan.way <= 1.5
    assert plan.dilation == 1.0 or 0.6 <= plan.dilation <= 8.0


def test_a_brain_without_such_a_partner_goes_nowhere() -> None:
    plan = draw_plan(np.random.default_rng(0), [BASE], VariantSettings())
    assert (plan.partner, plan.way) == (None, 0.0)


@pytest.mark.parametrize("seed", [1, 2])
def test_topology_stays(seed: int) -> None:
    image, labels = _phantom()
    settings = VariantSettings(amplitudes=(1.5, 0.6))
    plan = VariantPlan(BASE, None, 0.0, 1.5)
    found = warp_variant(image, labels, None, plan, np.random.default_rng(seed), settings)[1].array
    assert (found != labels.array).mean() > 0.01
    shell, ball_around_a_ring, ring = [1, 0, 1], [1, 1, 1], [1, 1, 0]
    expected = {
        Tissue.ECSF: shell,
        Tissue.GM: shell,
        Tissue.WM: ball_around_a_ring,
        Tissue.VM: ring,
    }
    assert {tissue: _betti(found == tissue) for tissue in expected} == expected


def test_without_any_flow_a_variant_is_its_base() -> None:
    image, labels = _phantom()
    seen, found, share = warp_variant(
        image, labels, None, VariantPlan(BASE, None, 0.0, 1.0), np.random.default_rng(0), QUIET
    )
    assert share == 1.0
    assert np.array_equal(found.array, labels.array)
    assert np.allclose(seen.array, image.array, atol=1e-2)


@pytest.mark.parametrize(("dilation", "least", "most"), [(0.5, 0.4, 0.9), (3.0, 1.3, 3.1)])
def test_ventricles_swell_or_shrink_and_the_brain_hardly(dilation: float, least: float, most: float) -> None:
    image, labels = _phantom()
    plan = VariantPlan(BASE, None, 0.0, dilation)
    found = warp_variant(image, labels, None, plan, np.random.default_rng(0), QUIET)[1].array
    assert least < (found == Tissue.VM).sum() / (labels.array == Tissue.VM).sum() < most
    assert (found > 0).sum() == pytest.approx((labels.array > 0).sum(), rel=0.1)


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_balls(tmp_path_factory.mktemp("balls"), ("sub-a", "sub-b", "sub-crl24"), side=20, spacing=2.0)
    kinds = {"sub-a": "Neurotypical", "sub-b": "Pathological", "sub-crl24": "Pathological"}
    rows = ["participant_id\tPathology\tGestational age", *(f"{name}\t{kind}\t24" for name, kind in kinds.items())]
    (root / "participants.tsv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    path = tmp_path / "quick.yaml"
    path.write_text("registration: {blurs: [2.0], steps: 2}\n")
    return path


def test_a_folder_of_variants_goes_on_where_it_stopped(balls: Path, quick: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    variants(balls, out, count=2, seed=5, config=quick)
    maps = sorted(out.glob("sub-var*/anat/*_T2w_dseg.nii.gz"))
    first = [read_label_map(path).array for path in maps]
    kept = maps[0].stat().st_mtime_ns
    maps[1].unlink()
    variants(balls, out, count=2, seed=5, config=quick)
    assert maps[0].stat().st_mtime_ns == kept
    assert all(np.array_equal(read_label_map(path).array, old) for path, old in zip(maps, first, strict=True))
    assert len(first) == 2


def test_a_killed_call_leaves_a_table_of_what_is_there(
    balls: Path, quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training leaves out variants of held-out subjects by this table."""

    def killed(line: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(variants_command, "report", killed)
    with pytest.raises(KeyboardInterrupt):
        variants(balls, tmp_path / "out", count=2, seed=1, config=quick)
    (row,) = (tmp_path / "out" / "participants.tsv").read_text().splitlines()[1:]
    assert row.startswith("sub-var0001\t")


def test_validation_subjects_are_in_no_variant(balls: Path, quick: Path, tmp_path: Path) -> None:
    variants(balls, tmp_path / "out", count=3, seed=1, config=quick)
    told = (tmp_path / "out" / "participants.tsv").read_text()
    assert "sub-crl24" not in told
    assert told.count("sub-var") == 3


def test_only_brains_whose_names_fit_are_in_variants(balls: Path, quick: Path, tmp_path: Path) -> None:
    variants(balls, tmp_path / "out", count=4, seed=1, config=quick, only="sub-b*")
    told = (tmp_path / "out" / "participants.tsv").read_text()
    assert told.count("\tsub-b\t") == 4
    assert "sub-a" not in told
    with pytest.raises(FetaError, match=r"no brain whose name fits --only 'sub-x\*'"):
        variants(balls, tmp_path / "none", count=1, config=quick, only="sub-x*")


def test_a_table_without_ages_is_one_clear_line(balls: Path, quick: Path, tmp_path: Path) -> None:
    root = write_balls(tmp_path / "bare", ("sub-a",), side=20, spacing=2.0)
    (root / "participants.tsv").write_text("participant_id\nsub-a\n")
    with pytest.raises(FetaError, match="an age and a pathology"):
        variants(root, tmp_path / "out", count=1, config=quick)

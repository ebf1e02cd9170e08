"""``feta-evaluate`` as it is called: outputs, messages, exit statuses."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation import cli
from evaluation.commands.common import FINE, SOME_FAILED, UNUSABLE
from tests.support.small_brains import write_extras, write_team, write_truth

NAME = "sub-001_rec-mial"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Call the entry point in this process; gives its exit status."""
    monkeypatch.setattr(sys, "argv", ["feta-evaluate", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


@pytest.fixture
def cohort(tmp_path: Path) -> tuple[Path, Path, Path]:
    write_truth(tmp_path / "truth", 3)
    write_team(tmp_path / "teams" / "a team", 3)
    write_team(tmp_path / "teams" / "=shifted", 3, shift=1.2, factor=0.9)
    return tmp_path / "truth", tmp_path / "teams", tmp_path / "out"


def test_score(cohort: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    assert run(monkeypatch, "score", *cohort, "--jobs", 1) == FINE
    said = capsys.readouterr()
    assert "a team" in said.out
    assert "report.html" in said.err
    with (cohort[2] / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["team", "site", "subject", "case", "label", "metric", "value", "reason"]
    assert len(rows) == 2 * 3 * 7 * 7
    results = json.loads((cohort[2] / "results.json").read_text())
    assert "score" in json.dumps(results)
    for name in ("biometry.csv", "leaderboard_segmentation.csv", "leaderboard_biometry.csv", "report.html"):
        assert (cohort[2] / name).stat().st_size > 0


def test_scores_alone(
    cohort: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert run(monkeypatch, "score", *cohort, "--jobs", 1, "--tables") == FINE
    assert capsys.readouterr().out == f"2 submissions, 3 cases: {cohort[2]}\n"
    assert not (cohort[2] / "report.html").exists()


@pytest.mark.usefixtures("no_plots")
def test_score_of_a_team_with_tables_and_pages_is_that_of_its_results_alone(
    cohort: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def scored(out: Path) -> tuple[bytes, str, str]:
        assert run(monkeypatch, "score", *cohort[:2], out, "--jobs", 1, "--no-cache") == FINE
        said = capsys.readouterr()
        return (out / "scores.csv").read_bytes(), said.out, said.err.replace(str(out), "OUT")

    before = scored(cohort[2])
    for team in cohort[1].iterdir():
        write_extras(team)
    assert scored(cohort[2].with_name("again")) == before


@pytest.mark.usefixtures("no_plots")
def test_json(cohort: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    assert run(monkeypatch, "score", *cohort, "--jobs", 1, "--format", "json", "--no-cache") == FINE
    json.loads(capsys.readouterr().out)
    assert not (cohort[2] / ".measurements").exists()


@pytest.mark.usefixtures("no_plots")
def test_pictures_only_on_demand(cohort: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, "score", *cohort, "--jobs", 1)
    plain = (cohort[2] / "report.html").read_text().count("data:image/png")
    run(monkeypatch, "score", *cohort, "--jobs", 1, "--pictures")
    assert (cohort[2] / "report.html").read_text().count("data:image/png") == plain + 6


@pytest.mark.usefixtures("no_plots")
def test_something_missing(cohort: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    (cohort[1] / "a team" / "sub-002" / "anat" / "sub-002_rec-mial_T2w_biom.csv").unlink()
    assert run(monkeypatch, "score", *cohort, "--jobs", 1) == SOME_FAILED


@pytest.mark.parametrize("option", ["--ga-baseline", "--inter-rater", "--policy"])
def test_a_file_that_cannot_be_used_is_found_before_anything_is_measured(
    cohort: tuple[Path, Path, Path], option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr("evaluation.scoring.score.run_all", lambda *_: pytest.fail("measured"))
    (tmp_path / "file").write_text('{"TCD": 3}')
    assert run(monkeypatch, "score", *cohort, option, tmp_path / "file") == UNUSABLE
    assert str(tmp_path / "file") in capsys.readouterr().err


@pytest.mark.usefixtures("no_plots")
def test_unranked_rows(cohort: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "line.json").write_text(json.dumps({m: [1.0, 1.5] for m in ("LCC", "HV", "bBIP", "sBIP", "TCD")}))
    (tmp_path / "rater.json").write_text('{"mape": 5.38}')
    references = ["--ga-baseline", tmp_path / "line.json", "--inter-rater", tmp_path / "rater.json"]
    assert run(monkeypatch, "score", *cohort, "--jobs", 1, *references) == FINE
    with (cohort[2] / "leaderboard_biometry.csv").open() as file:
        unranked = [row for row in csv.DictReader(file) if row["site"] == "all" and not row["rank"]]
    assert [row["team"] for row in unranked] == ["GA baseline", "inter-rater"]
    assert unranked[1]["mape"] == "5.38"


@pytest.mark.usefixtures("no_plots")
def test_an_unreadable_true_map_is_told_by_the_status(
    cohort: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (cohort[0] / f"sub-001/anat/{NAME}_dseg.nii.gz").write_bytes(b"no map")
    assert run(monkeypatch, "score", *cohort, "--jobs", 1) == SOME_FAILED
    assert f"warning: {NAME}: its label maps are left out for every team" in capsys.readouterr().err
    with (cohort[2] / "biometry.csv").open() as file:
        assert all(row["reason"] == "" for row in csv.DictReader(file))


@pytest.fixture
def larger(tmp_path: Path) -> tuple[Path, Path, Path]:
    write_truth(tmp_path / "truth", 6)
    for team in ("a team", "b"):
        write_team(tmp_path / "teams" / team, 6, shift=0.6 * len(team))
    return tmp_path / "truth", tmp_path / "teams", tmp_path / "out"


@pytest.mark.usefixtures("no_plots")
def test_a_release(
    larger: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    release = larger[2] / "release"
    for _ in range(2):
        assert run(monkeypatch, "score", *larger, "--jobs", 1, "--release", release, "--edition", 2026) == FINE
    assert f"may be published: {release}" in capsys.readouterr().err
    found = {path.relative_to(release).as_posix() for path in release.rglob("*.*")}
    assert found == {
        "contents.json", "index.html", "leaderboard_biometry.csv", "leaderboard_segmentation.csv", "teams/b.html",
        next(name for name in found if name.startswith("teams/a_team-")),
    }  # fmt: skip
    assert json.loads((larger[2] / "results.json").read_text())["edition"] == 2026


@pytest.mark.parametrize(
    ("options", "policy", "said"),
    [
        (["--release", "truth/r"], "", "lies in"),
        (["--release", "teams/r"], "", "lies in"),
        (["--release", "."], "", "which would be published"),
        (["--release", "out"], "", "which would be published"),
        (["--release", "r", "--release-policy", "policy.yaml"], "fewest_cases: 7", "6 cases are too few to publish"),
        (["--release", "r", "--release-policy", "policy.yaml"], "teams: [nobody]", "there is no team 'nobody'"),
        (["--release", "r", "--release-policy", "policy.yaml"], "pictures: true", "pictures"),
        (["--release-policy", "policy.yaml"], "", "add --release FOLDER"),
        (["--release", "r", "--tables"], "", "makes no ranks"),
    ],
)
def test_what_hinders_a_release_is_found_before_anything_is_measured(
    larger: tuple[Path, Path, Path], options: list[str], policy: str, said: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr("evaluation.scoring.score.run_all", lambda *_: pytest.fail("measured"))
    root = larger[0].parent
    (root / "policy.yaml").write_text(policy or "by_site: true")
    arguments = [each if each.startswith("--") else str(root / each) for each in options]
    assert run(monkeypatch, "score", *larger, *arguments) == UNUSABLE
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("place", ["truth/out", "teams/out", "truth"])
def test_output_among_the_input(
    cohort: tuple[Path, Path, Path], place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert run(monkeypatch, "score", *cohort[:2], cohort[0].parent / place) == UNUSABLE
    assert "choose a folder of its own" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [("nothing", "teams", "out"), ("truth", "nothing", "out"), ("truth", "truth", "out")]
)
def test_unusable(
    cohort: tuple[Path, Path, Path], arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    root = cohort[0].parent
    assert run(monkeypatch, "score", *(root / a for a in arguments), "--jobs", 1) == UNUSABLE
    assert capsys.readouterr().err.count("feta-evaluate: ") == 1


@pytest.mark.parametrize("arguments", [(), ("score",), ("score", "a", "b", "c", "--scheme", "none"), ("unknown",)])
def test_unusable_call(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, *arguments) == UNUSABLE


def test_unwritable_output(cohort: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    cohort[2].write_text("a file")
    assert run(monkeypatch, "score", *cohort) == UNUSABLE


def test_compare_maps(
    cohort: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    truth = cohort[0] / f"sub-001/anat/{NAME}_dseg.nii.gz"
    prediction = cohort[1] / f"=shifted/sub-001/anat/{NAME}_T2w_dseg.nii.gz"
    assert run(monkeypatch, "compare-maps", truth, prediction) == FINE
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[0][:9] == ["label", "tissue", "dice", "vs", "hd95", "ed", "b0", "b1", "b2"]
    assert len(lines) == 9
    assert run(monkeypatch, "compare-maps", truth, truth, "--format", "json") == FINE
    printed = json.loads(capsys.readouterr().out)
    assert [row["dice"] for row in printed["labels"]] == [1] * 7
    assert printed["mean"]["hd95"] == 0


def test_compare_maps_that_do_not_fit(
    cohort: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    truth = cohort[0] / f"sub-001/anat/{NAME}_dseg.nii.gz"
    assert run(monkeypatch, "compare-maps", truth, cohort[0] / "participants.tsv") == UNUSABLE
    assert "participants.tsv" in capsys.readouterr().err


def test_validate(
    cohort: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert run(monkeypatch, "validate", cohort[1] / "a team", cohort[0]) == FINE
    assert capsys.readouterr().out == "3 cases, 0 problems, 0 notes\n"
    (cohort[1] / "a team" / "sub-001" / "anat" / f"{NAME}_T2w_dseg.nii.gz").write_bytes(b"")
    assert run(monkeypatch, "validate", cohort[1] / "a team", cohort[0], "--format", "json") == SOME_FAILED
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 1
    assert run(monkeypatch, "validate", cohort[1] / "a team", cohort[1]) == UNUSABLE


def test_runs_as_a_module_without_a_writable_home(tmp_path: Path) -> None:
    """As in a read-only container: numba finds no cache folder but a temporary one."""
    code = "import numpy as np; from evaluation.metrics import numba_backend; "
    code += "print(numba_backend.components_and_cavities(np.ones((2, 2, 2), np.uint8), [1]).tolist())"
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    environment |= {"TMPDIR": str(tmp_path), "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == "[[1, 0]]\n"
    assert (tmp_path / f"feta-numba-{os.getuid()}").stat().st_mode & 0o777 == 0o700


def test_the_old_variable_is_warned_of_in_one_line(cohort: tuple[Path, Path, Path]) -> None:
    """Once, and not again by each process that measures."""
    call = [sys.executable, "-m", "evaluation", "score", *map(str, cohort), "--jobs", "2", "--format", "json"]
    environment = os.environ | {"FETA_PLAIN": "1"}
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=True)
    json.loads(done.stdout)
    warned = [line for line in done.stderr.splitlines() if "FETA_PLAIN" in line]
    assert warned == [
        "feta-evaluate: FETA_PLAIN=1 is called FETA_BACKEND=numpy now; the old name goes with the next release"
    ]
    assert "Warning" not in done.stderr


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize(
    ("folders", "options", "warned"),
    [(("s2021", "s2024"), [], True), (("s", "t"), [], False), (("s", "t"), ["--years", "2021", "2024"], True)],
)
def test_editions_of_before_2022_are_warned_of(
    larger: tuple[Path, Path, Path], folders: tuple[str, str], options: list[str], warned: bool,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    places = [larger[2].parent / name for name in folders]
    for place in places:
        assert run(monkeypatch, "score", *larger[:2], place, "--jobs", 1, "--cache", larger[2]) == FINE
    capsys.readouterr()
    assert run(monkeypatch, "compare-editions", *places, larger[2] / "page", *options) == FINE
    assert ("came from EvaluateSegmentation" in capsys.readouterr().err) == warned
    assert ("came from EvaluateSegmentation" in (larger[2] / "page" / "editions.html").read_text()) == warned


@pytest.mark.parametrize(
    ("old", "new", "arguments"),
    [
        ("compare", "compare-editions", ["a", "b", "out"]),
        ("calibrate-quality", "quality calibrate", ["ratings.csv", "model.json"]),
        ("estimate-quality", "quality estimate", ["images", "maps", "out.csv"]),
    ],
)
def test_an_old_name_is_hidden_and_does_the_same_with_a_line_of_warning(
    old: str, new: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    paths = [tmp_path / name for name in arguments]
    ended = run(monkeypatch, *new.split(), *paths)
    expected = capsys.readouterr()
    assert run(monkeypatch, old, *paths) == ended
    said = capsys.readouterr()
    warning, rest = said.err.split("\n", 1)
    assert f"'{old}' is called '{new}' now" in warning
    assert (said.out, rest) == (expected.out, expected.err)
    assert run(monkeypatch, "--help") == FINE
    assert f" {old} " not in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    ["", "score", "compare-maps", "validate", "run", "status", "analyse", "compare-editions", "quality",
     "quality calibrate", "quality estimate"],
)  # fmt: skip
def test_help_fits_on_a_screen(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert run(monkeypatch, *command.split(), "--help") == FINE
    assert len(capsys.readouterr().out.splitlines()) <= 40


def test_imports_no_torch() -> None:
    modules = "evaluation.cli, evaluation.scoring.score, evaluation.report.write"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"

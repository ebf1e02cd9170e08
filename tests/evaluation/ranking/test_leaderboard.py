"""Leaderboards, reference rows, the files written, and what a terminal shows."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import evaluation.ranking
from evaluation.choices import RankingScheme
from evaluation.ranking.baselines import ga_baseline, inter_rater
from evaluation.ranking.groups import AGE_EDGES, band, by_attribute
from evaluation.ranking.leaderboard import SEGMENTATION_COLUMNS, as_csv, as_typed, segmentation_leaderboards
from evaluation.ranking.results import as_json, compute_results
from evaluation.ranking.schemes import SCHEMES
from evaluation.report.terminal import print_leaderboard
from evaluation.report.write import write_outputs
from evaluation.scoring.messages import ScoringMessages
from evaluation.scoring.score_table import ScoreTable
from feta.errors import FetaError
from feta.measurements import MEASUREMENTS
from tests.support.made_up_scores import made_up_table, replaced

HOSTILE = ("=1+1", "+x", "-x", "@x", "\tx", "../../../tmp/x", "<script>alert(1)</script>", "n" * 300, 'a,b\n"c"', "🧠")
SCHEMA = json.loads((Path(evaluation.ranking.__file__).parent / "results.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots take seconds; the report has tests of its own."""
    monkeypatch.setattr("evaluation.report.write.render", lambda results, pictures: "report")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def with_gaps() -> ScoreTable:
    """Penalties, absences that are nobody's fault, missing lengths, and true lengths that are missing."""
    table = made_up_table(3, 9)
    values, reasons = table.values.copy(), table.reasons.copy()
    values[1, 2], reasons[1, 2] = [0, 0, 180, 1000, 1000, 1000, 1000], "missing-file"
    reasons[:, 0, 3, :3] = "absent-in-both"
    truth, lengths = table.true_lengths.copy(), table.lengths.copy()
    errors, length_reasons = table.length_errors.copy(), table.length_reasons.copy()
    truth[4, 1], errors[:, 4, 1], length_reasons[:, 4, 1] = np.nan, np.nan, "no-truth"
    lengths[2, 5, 0], errors[2, 5, 0], length_reasons[2, 5, 0] = np.nan, 100, "missing-length"
    return replaced(
        table, values=values, reasons=reasons, true_lengths=truth, lengths=lengths, length_errors=errors,
        length_reasons=length_reasons,
    )  # fmt: skip


def test_the_cohort_stands_first_then_each_site() -> None:
    leaderboards = segmentation_leaderboards(made_up_table(3, 9), "paper", 0)
    assert [leaderboard.group.name for leaderboard in leaderboards] == ["all", "CHUV", "KISPI", "Vienna"]
    assert [leaderboard.group.size for leaderboard in leaderboards] == [9, 3, 3, 3]


def test_rows_are_in_the_order_of_ranks_and_hold_the_means() -> None:
    table = made_up_table(("b", "a"), 6)
    first, second = segmentation_leaderboards(table, "paper", 0)[0].rows
    assert (first["rank"], first["team"], second["team"]) == (1, "b", "a")
    assert first["dice"] == pytest.approx(table.values[0, ..., 0].mean())
    assert first["ed_floor"] == second["ed_floor"] == pytest.approx(table.ed_floor.mean())


def without_map(table: ScoreTable, case: int) -> ScoreTable:
    """The table of a cohort in which one true map can't be read."""
    values, reasons, floor = table.values.copy(), table.reasons.copy(), table.ed_floor.copy()
    values[:, case], reasons[:, case], floor[case] = np.nan, "no-truth", np.nan
    return replaced(table, values=values, reasons=reasons, ed_floor=floor)


def less_a_case(table: ScoreTable, case: int) -> ScoreTable:
    """The table of a cohort without a case."""
    kept = [c for c in range(len(table.cases)) if c != case]
    by_team = {
        n: getattr(table, n)[:, kept] for n in ("values", "reasons", "lengths", "length_errors", "length_reasons")
    }
    cases = tuple(table.cases[c] for c in kept)
    return replaced(table, cases=cases, ed_floor=table.ed_floor[kept], true_lengths=table.true_lengths[kept], **by_team)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_case_without_a_true_map_counts_in_no_board_of_maps_and_in_that_of_lengths(scheme: RankingScheme) -> None:
    table = made_up_table(4, 7)
    whole, less = compute_results(without_map(table, 2), ScoringMessages(), scheme=scheme), less_a_case(table, 2)
    expected = compute_results(less, ScoringMessages(), scheme=scheme)
    drawn = ("rank_low", "rank_high")  # other samples of the cases
    for own, other in zip(whole.segmentation, expected.segmentation, strict=True):
        for row, same in zip(own.rows, other.rows, strict=True):
            assert {k: v for k, v in row.items() if k not in drawn} == pytest.approx(
                {k: v for k, v in same.items() if k not in drawn}
            )
    lengths = compute_results(table, ScoringMessages(), scheme=scheme).biometry
    assert [leaderboard.rows for leaderboard in whole.biometry] == [leaderboard.rows for leaderboard in lengths]
    assert whole.penalties == {team: {} for team in table.teams}
    one, other = whole.significance[0], expected.significance[0]
    np.testing.assert_array_equal(one.p, other.p)
    jsonschema.validate(json.loads(json.dumps(as_json(whole), allow_nan=False)), SCHEMA)


def test_a_site_without_a_true_map_has_no_board_of_maps(tmp_path: Path) -> None:
    table = without_map(made_up_table(2, 3), 1)
    results = write_outputs(tmp_path, table, ScoringMessages())
    assert [leaderboard.group.name for leaderboard in results.segmentation] == ["all", "CHUV", "KISPI"]
    assert [leaderboard.group.name for leaderboard in results.biometry] == ["all", "CHUV", "KISPI", "Vienna"]
    empty = [row for row in rows(tmp_path / "scores.csv") if row["value"] == ""]
    assert {row["subject"] for row in empty} == {"sub-001"}
    assert {row["reason"] for row in empty} == {"no-truth"}
    jsonschema.validate(json.loads((tmp_path / "results.json").read_text(encoding="utf-8")), SCHEMA)


def test_files_have_the_promised_columns_and_every_score(tmp_path: Path) -> None:
    table = with_gaps()
    write_outputs(tmp_path / "out", table, ScoringMessages())
    scores = rows(tmp_path / "out" / "scores.csv")
    assert list(scores[0]) == ["team", "site", "subject", "case", "label", "metric", "value", "reason"]
    assert len(scores) == table.values.size
    assert [float(row["value"]) for row in scores] == table.values.ravel().tolist()
    assert [row["reason"] for row in scores] == table.reasons.ravel().tolist()
    assert {row["label"] for row in scores} == set("1234567")
    lengths = rows(tmp_path / "out" / "biometry.csv")
    assert sum(row["truth_mm"] == "" for row in lengths) == 3
    assert [row["prediction_mm"] for row in lengths].count("") == 1
    leaderboard = rows(tmp_path / "out" / "leaderboard_segmentation.csv")
    assert list(leaderboard[0])[:3] == ["site", "rank", "team"]
    assert [row["site"] for row in leaderboard][:4] == ["all", "all", "all", "CHUV"]
    biometry = rows(tmp_path / "out" / "leaderboard_biometry.csv")
    assert {"site", "rank", "team", "mape"} <= set(biometry[0])


def test_penalties_are_counted_and_what_is_nobodys_fault_is_not() -> None:
    results = compute_results(with_gaps(), ScoringMessages())
    assert results.penalties == {"team-0": {}, "team-1": {"missing-file": 7}, "team-2": {"missing-length": 1}}
    counted = {row["team"]: row["penalties"] for row in results.segmentation[0].rows}
    assert counted == {"team-0": 0, "team-1": 7, "team-2": 0}
    assert {row["team"]: row["penalties"] for row in results.biometry[0].rows}["team-2"] == 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_results_follow_their_schema(scheme: RankingScheme, tmp_path: Path) -> None:
    baseline = tmp_path / "ga.json"
    baseline.write_text(json.dumps({str(m): [1.0, 1.5] for m in MEASUREMENTS}))
    messages = ScoringMessages(
        {"team-0": ["a remark"]}, ["a warning"], {"missing": {"dice": 0}}, {"feta": "0"}, "command"
    )
    write_outputs(tmp_path, with_gaps(), messages, scheme=scheme, references=[ga_baseline(baseline, with_gaps().cases)])
    found = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(found, SCHEMA)
    assert found["scheme"] == scheme
    assert found["biometry"][0]["rows"][-1]["team"] == "GA baseline"


def test_the_schema_refuses_what_is_not_a_result() -> None:
    found = as_json(compute_results(with_gaps(), ScoringMessages()))
    found["segmentation"][0]["rows"][0]["rank"] = 0
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, SCHEMA)


def test_a_truth_without_lengths_leaves_an_empty_biometry_board(tmp_path: Path) -> None:
    table = made_up_table(2, 4)
    nothing = np.full(table.length_errors.shape, np.nan)
    table = replaced(table, true_lengths=nothing[0], length_errors=nothing)
    write_outputs(tmp_path, table, ScoringMessages())
    assert rows(tmp_path / "leaderboard_biometry.csv") == []
    jsonschema.validate(json.loads((tmp_path / "results.json").read_text(encoding="utf-8")), SCHEMA)


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_outputs(tmp_path / name, with_gaps(), ScoringMessages(), seed=3)
    for file in sorted((tmp_path / "one").iterdir()):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_team_names_are_neither_formulas_nor_paths(tmp_path: Path) -> None:
    write_outputs(tmp_path / "out", made_up_table(HOSTILE, 3), ScoringMessages())
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    names = {row["team"] for row in rows(tmp_path / "out" / "scores.csv")}
    assert not any(name.startswith(("=", "+", "-", "@", "\t")) for name in names)
    assert {name.removeprefix("'") for name in names} == set(HOSTILE)
    assert "'=1+1" in names


NAMES = ("=x", "'=x", "''=x", "'x", "x", "-1", "'-1", "\uff1dx", "'\uff1dx", "'", "''", "\nx", "'\nx", "@", "'@")


def test_no_two_names_become_one_cell() -> None:
    cells = [row[0] for row in csv.reader(io.StringIO(as_csv(("team",), [{"team": name} for name in NAMES])))][1:]
    assert len(set(cells)) == len(NAMES)
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d")) for cell in cells)
    assert tuple(map(as_typed, cells)) == NAMES


def test_names_that_need_no_apostrophe_get_none() -> None:
    names = ["x", "'x", "a=b", "", "'", "n/a"]
    cells = [row[0] if row else "" for row in csv.reader(io.StringIO(as_csv(("team",), [{"team": n} for n in names])))]
    assert cells[1:] == names


def one_case_a_site() -> ScoreTable:
    return made_up_table(3, 3)


def test_where_no_site_has_two_cases_no_range_is_told(tmp_path: Path) -> None:
    write_outputs(tmp_path, one_case_a_site(), ScoringMessages())
    for name in ("segmentation", "biometry"):
        board = rows(tmp_path / f"leaderboard_{name}.csv")
        assert {(row["rank_low"], row["rank_high"]) for row in board} == {("", "")}
        assert {row["rank"] for row in board} == {"1", "2", "3"}


def test_where_no_site_has_two_cases_the_results_say_null() -> None:
    found = as_json(compute_results(one_case_a_site(), ScoringMessages()))
    jsonschema.validate(json.loads(json.dumps(found, allow_nan=False)), SCHEMA)
    for board in (*found["segmentation"], *found["biometry"]):
        assert board["kendall_tau"] == {"mean": None, "low": None}
        assert board["rank_frequency"] == {}


def test_where_no_site_has_two_cases_the_terminal_says_so() -> None:
    text = io.StringIO()
    print_leaderboard(compute_results(one_case_a_site(), ScoringMessages()), file=text)
    assert text.getvalue().count("can't be told") == 2
    assert text.getvalue().count("\t?\t") == 6


def test_a_sites_own_board_is_told_by_its_own_cases() -> None:
    boards = segmentation_leaderboards(made_up_table(3, 4), "paper", 0)
    assert {b.group.name: b.stability.told for b in boards} == {
        "all": True,
        "CHUV": False,
        "KISPI": True,
        "Vienna": False,
    }


def test_a_killed_run_leaves_no_new_table_beside_an_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_outputs(tmp_path, made_up_table(3, 6), ScoringMessages())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def killed(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("evaluation.report.write.render", killed)
    with pytest.raises(KeyboardInterrupt):
        write_outputs(tmp_path, made_up_table(4, 9, seed=1), ScoringMessages())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_full_disk_leaves_no_new_table_beside_an_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_outputs(tmp_path, made_up_table(3, 6), ScoringMessages())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "report.html").unlink()
    (tmp_path / "report.html").mkdir()
    with pytest.raises(FetaError, match="report"):
        write_outputs(tmp_path, made_up_table(4, 9, seed=1), ScoringMessages())
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == {
        name: data for name, data in before.items() if name != "report.html"
    }


def test_numbers_below_zero_stay_numbers() -> None:
    assert as_csv(("team", "value"), [{"team": "-1", "value": -1.0}]) == "team,value\n'-1,-1.0\n"


def test_the_terminal_gets_a_table_and_a_pipe_gets_tabs() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    results = compute_results(made_up_table(("[red]x[/red]", "y\x1b[2J"), 4), ScoringMessages())
    pipe, terminal = io.StringIO(), Terminal()
    print_leaderboard(results, file=pipe)
    print_leaderboard(results, file=terminal)
    assert pipe.getvalue().splitlines()[2].split("\t")[:2] == ["1", "[red]x[/red]"]
    assert "[red]x[/red]" in terminal.getvalue()
    assert "\x1b[2J" not in pipe.getvalue() + terminal.getvalue()


def test_json_on_the_terminal_is_results_json() -> None:
    results = compute_results(made_up_table(2, 4), ScoringMessages())
    stream = io.StringIO()
    print_leaderboard(results, format="json", file=stream)
    jsonschema.validate(json.loads(stream.getvalue()), SCHEMA)


def test_ga_baseline_is_the_error_of_the_given_line(tmp_path: Path) -> None:
    table = made_up_table(1, 6)
    path = tmp_path / "line.json"
    path.write_text(json.dumps({str(m): [10.0, 2.0] for m in MEASUREMENTS}))
    row = ga_baseline(path, table.cases).mape(table, np.ones(6, bool))
    expected = 10 + 2 * np.array([case.age for case in table.cases])[:, None]
    assert row is not None
    assert row["mape"] == pytest.approx(np.mean(abs(expected - table.true_lengths) / table.true_lengths * 100))


def test_inter_rater_reads_lengths_or_published_errors(tmp_path: Path) -> None:
    table = made_up_table(1, 3)
    measured, published = tmp_path / "rater.tsv", tmp_path / "rater.json"
    measured.write_text("participant_id\tTCD\tLCC\n" + "".join(f"sub-00{i}\t{table.true_lengths[i, 4] * 1.1}\tn/a\n"
                                                              for i in range(3)))  # fmt: skip
    published.write_text(json.dumps({"LCC": 9.59, "mape": 5.38}))
    everyone = np.ones(3, bool)
    assert inter_rater(measured, table.cases).mape(table, everyone) == pytest.approx({"TCD": 10, "mape": 10})
    assert inter_rater(published, table.cases).mape(table, everyone) == {"LCC": 9.59, "mape": 5.38}
    assert inter_rater(published, table.cases).mape(table, np.array([True, False, False])) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "participant_id\tx\n",
        "participant_id\tTCD\nsub-9\t3\n",
        "participant_id\tTCD\nsub-000\t1e308\n",
        "participant_id\tTCD\nsub-000\t-3\n",
        '{"TCD": 3}',
        '{"mape": -1}',
        "{",
        '{"mape": true}',
        '{"mape": 1' + 400 * "0" + "}",
        '{"mape": ' + 100000 * "[",
    ],
    ids=range(11),
)
def test_an_unusable_inter_rater_file_is_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rater"
    path.write_text(content)
    with pytest.raises(FetaError) as caught:
        inter_rater(path, made_up_table(1, 2).cases)
    assert "\n" not in str(caught.value)


def test_reference_rows_are_never_ranked_and_come_last(tmp_path: Path) -> None:
    path = tmp_path / "rater.json"
    path.write_text('{"mape": 0.0}')
    table = made_up_table(2, 3)
    write_outputs(tmp_path, table, ScoringMessages(), references=[inter_rater(path, table.cases)])
    leaderboard = [row for row in rows(tmp_path / "leaderboard_biometry.csv") if row["site"] == "all"]
    assert [(row["rank"], row["team"]) for row in leaderboard][-1] == ("", "inter-rater")
    assert sorted(row["rank"] for row in leaderboard[:-1]) == ["1", "2"]


@pytest.mark.parametrize(
    ("age", "name"),
    [(23.99, "below 24 weeks"), (24.0, "24 to below 28 weeks"), (32.0, "32 weeks and above"), (None, None)],
)
def test_age_bands_include_their_lower_edge(age: float | None, name: str | None) -> None:
    assert band(age, AGE_EDGES, " weeks") == name


def test_what_nobody_said_makes_no_partition() -> None:
    table = made_up_table(1, 4)
    silent = replaced(table, cases=tuple(type(c)(c.subject, c.name, c.site) for c in table.cases))
    assert list(by_attribute(silent)) == ["Site"]
    assert set(by_attribute(table)) >= {"Domain", "Field strength", "Pathology", "Age band", "Image quality"}
    assert SEGMENTATION_COLUMNS[:3] == ("site", "rank", "team")

"""Nothing hidden leaves the house: every hidden thing is marked, all that is released is decoded, no mark is found."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from evaluation import cli
from evaluation.harness.case_state import CaseState
from evaluation.harness.record import CaseRun, RunRecord, TeamRun
from evaluation.harness.roster import ResourceLimits
from evaluation.ranking.baselines import Reference
from evaluation.ranking.results import Results, compute_results
from evaluation.release.case_names import KEY_FILE, TABLE_FILE
from evaluation.release.policy import ReleasePolicy
from evaluation.release.published import Published
from evaluation.release.write import release_files
from evaluation.report import figures
from evaluation.scoring.messages import ScoringMessages
from evaluation.scoring.policy import default_policy
from feta.volumes import write_label_map, write_volume
from tests.support.decoded import pictures, told
from tests.support.made_up_scores import made_up_table, replaced
from tests.support.small_brains import LENGTHS, brain, volume

CASES = 10
TEXTS = (
    "HIDDENSUBJECT", "HIDDENREC", "HIDDENSITE", "HIDDENILL", "27.1828", "HIDDENFIELD", "41.618", "HIDDENFILE",
    "HIDDENFOLDER", "HIDDENIMAGE", "HIDDENWHY", "HIDDENPATH", "HIDDENLOG", "HIDDENRATER", "HIDDENCHUNK", "HIDDENPIXELS",
)  # fmt: skip


def marked_truth(root: Path) -> None:
    people = ["participant_id\tPathology\tGestational age\tSite\tField strength"]
    lengths = ["participant_id\tLCC\tHV\tbBIP\tsBIP\tTCD"]
    for i in range(CASES):
        subject = f"sub-HIDDENSUBJECT{i}"
        labels = brain(shift=0.3 * i)
        stem = root / subject / "anat" / f"{subject}_rec-HIDDENREC"
        write_label_map(Path(f"{stem}_dseg.nii.gz"), volume(labels))
        write_volume(Path(f"{stem}_T2w.nii.gz"), volume(labels.astype(np.float32)))
        people.append(f"{subject}\tHIDDENILL{i % 3}\t27.1828{i}\tHIDDENSITE{i % 2}\tHIDDENFIELD")
        lengths.append("\t".join([subject, *(f"{length + 1.618 + i / 1e5}" for length in LENGTHS)]))
    (root / "participants.tsv").write_text("\n".join(people) + "\n")
    (root / "biometry.tsv").write_text("\n".join(lengths) + "\n")


def marked_team(root: Path, shift: float) -> None:
    for i in range(CASES):
        subject = f"sub-HIDDENSUBJECT{i}"
        stem = root / subject / "anat" / f"{subject}_rec-HIDDENREC_T2w"
        write_label_map(Path(f"{stem}_dseg.nii.gz"), volume(brain(shift=0.3 * i + shift)))
        cells = "\t".join(f"{41.618 * (1 + shift / 9)}" for _ in LENGTHS)
        Path(f"{stem}_biom.csv").write_text(f"\tLCC\tHV\tbBIP\tsBIP\tTCD\n{subject}\t{cells}\n")
    (root / "HIDDENFILE.txt").write_text("what is this")


def marked_picture(*_: object) -> bytes:
    """A picture whose pixels spell a mark, with another in a text chunk."""
    mark = b"HIDDENPIXELS"
    chunks, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
    chunks.add_text("Comment", "HIDDENCHUNK")
    Image.frombytes("RGB", (len(mark) // 3, 1), mark).save(buffer, format="png", pnginfo=chunks)
    return buffer.getvalue()


def marked_record(teams: tuple[str, ...]) -> str:
    run = {
        "image": "HIDDENIMAGE", "image_id": "sha256:HIDDENIMAGE", "convention": "folder", "device": "GPU 0",
        "exceptions": ["root", "may write to /HIDDENPATH"], "why": "HIDDENWHY", "cases": {"done": 9, "crashed": 1},
        "seconds": 100.0,
    }  # fmt: skip
    ended = {
        f"sub-HIDDENSUBJECT{i}/anat/sub-HIDDENSUBJECT{i}_rec-HIDDENREC_T2w": {
            "state": "crashed" if i == 1 else "done",
            "seconds": 10.0,
        }
        for i in range(CASES)
    }
    content = {"format": "feta-runs/1", "teams": dict.fromkeys(teams, run), "cases": dict.fromkeys(teams, ended)}
    return json.dumps(content)


@pytest.fixture(scope="module")
def organizers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An organizer's folder: truth, a run with its logs, its scores with pictures, and two releases."""
    root = tmp_path_factory.mktemp("HIDDENFOLDER")
    marked_truth(root / "truth")
    for team, shift in (("alpha", 0.4), ("beta", 1.3)):
        marked_team(root / "run" / "submissions" / team, shift)
        (root / "run" / "logs" / team).mkdir(parents=True)
        (root / "run" / "logs" / team / "sub-HIDDENSUBJECT1.txt").write_text("HIDDENLOG: mean intensity 341.2\n")
    broken = root / "run" / "submissions" / "beta"
    (broken / "sub-HIDDENSUBJECT1/anat/sub-HIDDENSUBJECT1_rec-HIDDENREC_T2w_dseg.nii.gz").unlink()
    (broken / "sub-HIDDENSUBJECT2/anat/sub-HIDDENSUBJECT2_rec-HIDDENREC_T2w_dseg.nii.gz").write_bytes(b"HIDDENFILE")
    (root / "run" / "submissions" / "runs.json").write_text(marked_record(("alpha", "beta")))
    (root / "HIDDENRATER.json").write_text('{"mape": 5.38}')
    (root / "by_site.yaml").write_text("by_site: true\n")
    places = [root / "truth", root / "run" / "submissions", root / "scores"]
    fixed = ["--jobs", "1", "--pictures", "--inter-rater", root / "HIDDENRATER.json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evaluation.report.worst_cases.draw", marked_picture)
        for slow in ("podiums", "tissues", "lengths"):  # of the full report; those of a release are drawn
            patch.setattr(figures, slow, lambda results: [])
        for release, more in (("release", []), ("by site", ["--release-policy", root / "by_site.yaml"])):
            arguments = [*places, *fixed, "--release", root / release, *more]
            patch.setattr(sys, "argv", ["feta-evaluate", "score", *map(str, arguments)])
            with pytest.raises(SystemExit) as end:
                cli.main()
            assert end.value.code == 1
    return root


def test_every_mark_can_be_found_where_it_lies(organizers: Path) -> None:
    """Or else finding none in the release would mean nothing."""
    assert told(organizers / "scores", TEXTS) == set(TEXTS) - {"HIDDENLOG"}
    assert told(organizers / "run", TEXTS) >= {"HIDDENLOG", "HIDDENSUBJECT"}
    assert pictures(organizers / "scores") == 2 * CASES - 2


def test_a_release_holds_no_mark_and_no_picture(organizers: Path) -> None:
    assert told(organizers / "release", TEXTS) == set()
    assert pictures(organizers / "release") == 0


def test_sites_are_named_only_where_the_policy_says_so(organizers: Path) -> None:
    assert told(organizers / "by site", TEXTS) == {"HIDDENSITE"}
    for page in (organizers / "by site" / "teams").iterdir():
        assert "HIDDENSITE" not in page.read_text()


def test_what_a_team_needs_is_there(organizers: Path) -> None:
    page = (organizers / "release" / "teams" / "beta.html").read_text()
    for words in (
        "no file",
        "ended with an error",
        "values than are allowed",
        "Median",
        "bootstrap",
        "|Δb1|",
        "Time of",
    ):
        assert words in page
    assert "No case failed" not in page


def test_the_organizer_s_table_maps_made_up_names_back(organizers: Path) -> None:
    table = (organizers / "scores" / TABLE_FILE).read_text()
    page = (organizers / "release" / "teams" / "beta.html").read_text()
    known = [row.split(",") for row in table.splitlines()[1:]]
    failed = {subject for name, _, subject, _ in known if name in page}
    assert failed == {"sub-HIDDENSUBJECT1", "sub-HIDDENSUBJECT2"}
    for path in (organizers / "scores" / TABLE_FILE, organizers / "scores" / KEY_FILE):
        assert path.stat().st_mode & 0o077 == 0


def results_with(secret: str, number: float) -> Results:
    """The same scores and failures whatever ``secret`` and ``number``, which stand wherever something hidden can."""
    table = made_up_table(3, 12)
    cases = tuple(
        replace(
            case, subject=f"sub-{secret}{i}", name=f"{secret}{i}", site=f"{case.site[0].upper()}{secret}",
            age=number + i, pathology=secret, reconstruction=secret, field_strength=secret, quality=number,
            in_domain=number > 30,
        )
        for i, case in enumerate(table.cases)
    )  # fmt: skip
    reasons = table.reasons.copy()
    reasons[1, [2, 5]], reasons[2, 3, 4] = "missing-file", "missing-label"
    lengths, true_lengths = table.lengths * number, table.true_lengths * number
    table = replace(replaced(table, reasons=reasons, lengths=lengths, true_lengths=true_lengths), cases=cases)
    messages = ScoringMessages(
        teams={"team-0": [secret]},
        warnings=[secret],
        policy=default_policy().as_dict() | {secret: secret},
        versions={"numpy": "2", secret: secret},
        command=secret,
    )
    rater = Reference("inter-rater", secret, published={"mape": 5.0})
    return compute_results(table, messages, references=[rater])


def record_with(secret: str) -> RunRecord:
    run = TeamRun(
        secret, secret, "folder", "CPU", (f"may write to /{secret}",), secret, {"done": 11, "crashed": 1}, 60.0
    )
    ended = {f"{secret}{i}": CaseRun(CaseState.CRASHED if i == 2 else CaseState.DONE, 5.0) for i in range(12)}
    return RunRecord({"team-1": run, secret: run}, {"team-1": ended}, ResourceLimits())


@pytest.mark.parametrize("policy", [ReleasePolicy(), ReleasePolicy(by_case=True)], ids=["declared", "by case"])
def test_a_release_is_the_same_to_the_byte_whatever_is_hidden(policy: ReleasePolicy) -> None:
    names = [f"case-{i}" for i in range(12)]
    one, other = (
        list(release_files(Published(results_with(secret, number), policy), names, record_with(secret)))
        for secret, number in (("A" * 7, 1.25), ("</script>Zürich", 40.0))
    )
    assert one == other
    assert {file.kind for file in one} == policy.kinds - {"contents"}

"""How a submission is called, in each convention of the challenge: command, variables, and what lies where.

Paths of the host don't occur here: a call names folders of the staged input (``evaluation.harness.staging``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from evaluation.harness.roster import Convention, Team
from feta.cases import Case

#: Conventions with one container for all cases.
FOR_ALL_CASES = frozenset({Convention.FOLDER_ALL, Convention.ALL_2024})
#: Conventions that only a BIDS tree can be put into.
NEEDS_BIDS = frozenset({Convention.ALL_2024, Convention.CASE_2021})
#: The staged folder with every case; a case's own is called by its number.
ALL_CASES = "all"


@dataclass(frozen=True)
class ContainerJob:
    """What one container is to do: a team's case, or all of its cases.

    Attributes:
        number: staged folder of the case, ALL_CASES for all.
    """

    team: Team
    cases: tuple[Case, ...]
    number: str

    @property
    def label(self) -> str:
        """For people and the engine's labels: the case, or ``all cases``."""
        return case_id(self.cases[0]) if self.number != ALL_CASES else "all cases"


@dataclass(frozen=True)
class Call:
    """What a container is started with.

    Attributes:
        command: arguments to the image's entry point; None for the image's own.
        environment: variables.
        inputs: staged folder → where it is mounted: read-only, or as a copy of the team's own where it may change it.
        results: where the folder for results is mounted.
        prefix: what the folder for results stands for in the layouts that the evaluator knows.
    """

    command: tuple[str, ...] | None
    environment: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    results: str = "/output"
    prefix: str = ""


def case_id(case: Case) -> str:
    """A case's name in state, logs and tables: ``sub-001/anat/sub-001_rec-mial_T2w``."""
    return str(PurePosixPath(case.folder) / case.name)


def make_jobs(team: Team, cases: Sequence[Case]) -> list[ContainerJob]:
    """The containers that a team needs, in the order of the cases."""
    if team.convention in FOR_ALL_CASES:
        return [ContainerJob(team, tuple(cases), ALL_CASES)]
    return [ContainerJob(team, (case,), str(number)) for number, case in enumerate(cases)]


def make_call(job: ContainerJob) -> Call:
    """How a job's container is started."""
    match job.team.convention:
        case Convention.CASE_2024:
            return _case_2024(job)
        case Convention.ALL_2024:
            return _all_2024(job)
        case Convention.CASE_2021:
            inputs = {f"{job.number}/input_img": "/input_img", f"{job.number}/input_meta": "/input_meta"}
            return Call(None, inputs=inputs)
        case Convention.FOLDER | Convention.FOLDER_ALL:
            return Call(None, inputs={f"{job.number}/input": "/input"})


def _case_2024(job: ContainerJob) -> Call:
    """``bash src/inference.sh`` on one case, which the variables name."""
    (case,) = job.cases
    variables = {
        "t2w_image": str(PurePosixPath("/input") / case.folder / case.image.name),
        "participants": "/input/participants.tsv",
        "output_seg": f"/output/{case.name}_dseg.nii.gz",
        "output_biom": f"/output/{case.name}_biom.csv",
    }
    return Call(("bash", "src/inference.sh"), variables, {f"{job.number}/input": "/input"})


def _all_2024(job: ContainerJob) -> Call:
    """``/bin/bash scripts/run_test.sh`` on the tree; the folder for results lies in it, as ``derivatives``."""
    variables = {"bids_input": "/input", "participants": "/input/participants.tsv", "teamname": _one_word(job.team)}
    inputs = {f"{job.number}/input": "/input"}
    command = ("/bin/bash", "scripts/run_test.sh")
    return Call(command, variables, inputs, "/input/derivatives", "derivatives")


def _one_word(team: Team) -> str:
    """A name that a shell script can't split."""
    return team.name.replace(" ", "_")

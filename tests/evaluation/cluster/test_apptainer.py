"""A submission's call by Apptainer, against its documentation; it was not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.cluster.apptainer import LACKS, LACKS_ON_V1, apptainer_arguments
from evaluation.harness.container_spec import Place
from evaluation.harness.conventions import make_call
from evaluation.harness.engine_offers import EngineOffers, check_isolation
from evaluation.harness.roster import ResourceLimits, Roster, Team
from feta.errors import FetaError
from tests.support.made_up_roster import first_job

PLACES = (Place("/cases/0/input", "/input"), Place("/results/1", "/output", read_only=False))


def call(tmp_path: Path, convention: str, **more: bool) -> list[str]:
    made = make_call(first_job(tmp_path, convention))
    limits = ResourceLimits(memory_mb=100, cpus=1.5, processes=7)
    return apptainer_arguments(Path("/images/a.sif"), made, PLACES, limits, Path("/seccomp.json"), **more)


def test_it_sees_nothing_but_its_folders_and_reaches_no_network(tmp_path: Path) -> None:
    line = " ".join(call(tmp_path, "folder"))
    for said in (
        "apptainer run --containall --no-home --no-privs",
        "--net --network none --security seccomp:/seccomp.json",
        "--memory 104857600 --memory-swap 104857600 --cpus 1.5 --pids-limit 7",
        "--bind /cases/0/input:/input:ro --bind /results/1:/output:rw",
    ):
        assert said in line
    assert line.endswith(" /images/a.sif")
    assert "--nv" not in line
    assert "--writable" not in line


def test_a_command_takes_the_place_of_the_image_s_own(tmp_path: Path) -> None:
    made = call(tmp_path, "2024-case", gpu=True)
    assert made[1] == "exec"
    assert made[-4:] == ["--nv", "/images/a.sif", "bash", "src/inference.sh"]
    assert "t2w_image=/input/sub-001/anat/sub-001_rec-mial_T2w.nii.gz" in made


@pytest.mark.parametrize("place", [Place("v", "/output", is_volume=True), Place("/a:b", "/c"), Place("/a,b", "/c")])
def test_what_an_option_can_t_say_is_refused(place: Place, tmp_path: Path) -> None:
    made = make_call(first_job(tmp_path, "folder"))
    with pytest.raises(ValueError, match="can't be given"):
        apptainer_arguments(Path("a.sif"), made, [place], ResourceLimits(), Path("s"))


@pytest.mark.parametrize("lacks", [LACKS, LACKS_ON_V1])
def test_a_roster_that_promises_everything_refuses_it(lacks: tuple) -> None:
    offers = EngineOffers(no_limits=frozenset(lacks), engine="Apptainer")
    with pytest.raises(FetaError, match="accounts"):
        check_isolation("here", offers, Roster((Team("a", "a.sif"),)).isolation)

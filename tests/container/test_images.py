"""What is in the images, and how large and quick they are."""

from __future__ import annotations

import json
import time

from tests.support.images import HARDENED, ROOT, Call, docker

#: Imports every module of the packages named.
IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print("torch" in sys.modules)
"""


def size_gb(image: str) -> float:
    return int(docker("image", "inspect", "--format", "{{.Size}}", image)) / 1e9


def test_every_module_finds_what_it_imports(inference_image: str, evaluation_image: str, training_image: str) -> None:
    """And the evaluator, whatever of it is imported, never imports torch."""
    packages = {
        inference_image: ["feta", "inference"],
        evaluation_image: ["feta", "evaluation"],
        training_image: ["feta", "inference", "evaluation", "training"],
    }
    for image, names in packages.items():
        ended = Call(image, options=HARDENED).run("python", "-c", IMPORT_ALL, *names)
        assert ended.status == 0, ended.output
        assert ended.output.split()[-1] == str(image != evaluation_image)


def test_the_evaluator_holds_no_torch_and_nothing_of_the_submission(evaluation_image: str) -> None:
    inside = (
        Call(evaluation_image)
        .run("bash", "-c", "ls /fetachallenge /opt/venv/lib/python3*/site-packages")
        .output.split()
    )
    assert {"feta", "evaluation"} <= set(inside)
    assert not {"torch", "inference", "training", "weights"} & set(inside)


def test_sizes(inference_image: str, evaluation_image: str) -> None:
    assert size_gb(evaluation_image) <= 1.2
    assert size_gb(inference_image) <= 2.0


def test_the_evaluator_starts_within_2_seconds_read_only_as_any_user(evaluation_image: str) -> None:
    call = Call(evaluation_image, options=(*HARDENED, "--user", "4321:4321"))
    # Seconds of a processor, inside the container: neither the engine's share counts nor what else the machine does.
    call.variables["TIMEFORMAT"] = "seconds %U %S"
    ended = call.run("bash", "-c", "time feta-evaluate --help")
    assert ended.status == 0, ended.output
    assert sum(map(float, ended.output.split("seconds ")[-1].split())) < 2


def test_wheels_and_pip_are_in_no_image(inference_image: str) -> None:
    found = Call(inference_image).run("bash", "-c", "find / -xdev -name '*.whl' 2>/dev/null; type -P pip; true").output
    assert found.strip() == ""


def test_help_of_each_image(inference_image: str, evaluation_image: str, training_image: str) -> None:
    for image, word in ((inference_image, "INPUT"), (evaluation_image, "score"), (training_image, "assess")):
        begun = time.monotonic()
        ended = Call(image, options=HARDENED).run("--help")
        assert ended.status == 0, ended.output
        assert word in ended.output
        assert time.monotonic() - begun < 30


def test_settings_of_the_image(inference_image: str) -> None:
    settings = json.loads(docker("image", "inspect", inference_image))[0]["Config"]
    assert settings["WorkingDir"] == "/fetachallenge"
    assert not settings.get("User")
    assert Call(inference_image).run("stat", "-c", "%a", "/output").output.strip() == "1777"


def test_every_image_says_what_it_is(inference_image: str, evaluation_image: str, training_image: str) -> None:
    for image in (inference_image, evaluation_image, training_image):
        labels = json.loads(docker("image", "inspect", image))[0]["Config"]["Labels"]
        assert labels["org.opencontainers.image.title"] == image.partition(":")[0]
        assert "Not a medical device" in labels["org.opencontainers.image.description"]


def test_torch_of_the_dockerfile_is_the_projects() -> None:
    assert "ARG TORCH=torch==2.13.0\n" in (ROOT / "Dockerfile").read_text()
    assert '"torch==2.13.0"' in (ROOT / "pyproject.toml").read_text()

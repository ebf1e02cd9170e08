"""The examples for clusters: Kubernetes' objects against their schemas; Slurm's by Slurm itself."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path, PurePosixPath
from typing import Any

import jsonschema
import pytest
import yaml

from evaluation.harness.container_spec import helper_arguments
from evaluation.harness.engine_offers import EngineOffers

ROOT = Path(__file__).resolve().parents[2]
OBJECTS = list(yaml.safe_load_all((ROOT / "examples/cluster/kubernetes.yaml").read_text()))
CRD = "operator/deployment/helm/dask-kubernetes-operator/crds/daskcluster.yaml"


def strict(schema: Any) -> Any:
    """The schema, by which no key is fine that it doesn't know."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    return {**made, "additionalProperties": False} if isinstance(schema.get("properties"), dict) else made


@pytest.mark.parametrize("made", [each for each in OBJECTS if not each["apiVersion"].startswith("kubernetes.dask")])
def test_objects_of_kubernetes_are_as_its_schemas_say(made: dict[str, Any]) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="needs the package kubernetes-validate")
    validator.validate(made, "1.33", strict=True)


def test_the_cluster_is_as_the_operator_s_schema_says() -> None:
    found = importlib.util.find_spec("dask_kubernetes")
    if found is None or found.origin is None:
        pytest.skip("needs the package dask-kubernetes, whose schema it is")
    definition = yaml.safe_load((Path(found.origin).parent / CRD).read_text())
    (version,) = (each for each in definition["spec"]["versions"] if each["name"] == "v1")
    schema = version["schema"]["openAPIV3Schema"]
    (cluster,) = (each for each in OBJECTS if each["kind"] == "DaskCluster")
    jsonschema.validate(cluster["spec"], strict(schema["properties"]["spec"]))


def test_the_engine_sees_under_the_same_paths_what_the_worker_names() -> None:
    """All that is mounted into containers, and the list of system calls, whose file Podman opens itself."""
    (cluster,) = (each for each in OBJECTS if each["kind"] == "DaskCluster")
    pod = cluster["spec"]["worker"]["spec"]
    mounts = {
        each["name"]: {mount["mountPath"]: mount["name"] for mount in each["volumeMounts"]}
        for each in (*pod["initContainers"], *pod["containers"])
    }
    for path in ("/tmp", "/out", "/engine"):
        assert mounts["engine"][path] == mounts["worker"][path]
    assert "/certificates" not in mounts["engine"]
    options = helper_arguments("id", (), {}, offers=EngineOffers(podman=True))["security_opt"]
    (profile,) = (Path(each.removeprefix("seccomp=")) for each in options if each.startswith("seccomp="))
    in_image = PurePosixPath("/fetachallenge", profile.relative_to(ROOT).as_posix())
    (rules,) = pod["initContainers"]
    assert rules["command"] == ["cp", str(in_image), "/rules/"]
    assert mounts["engine"][str(in_image.parent)] == mounts["rules"]["/rules"] == "rules"
    recipe = (ROOT / "Dockerfile").read_text()
    assert "WORKDIR /fetachallenge\n" in recipe
    assert recipe.count("COPY --chmod=755 evaluation ./evaluation\n") >= 1


def test_worker_and_engine_are_one_account() -> None:
    """Folders of a run and of a worker are for their owner alone."""
    (cluster,) = (each for each in OBJECTS if each["kind"] == "DaskCluster")
    pod = cluster["spec"]["worker"]["spec"]
    assert pod["securityContext"]["runAsUser"] == 1000
    assert not any("securityContext" in each for each in pod["containers"])


def test_every_port_is_encrypted_and_no_pod_is_privileged() -> None:
    text = (ROOT / "examples/cluster/kubernetes.yaml").read_text()
    assert "tcp://" not in text
    assert "privileged: true" not in text
    assert text.count("--dashboard-address=127.0.0.1:0") == text.count("command: [dask, ")
    assert text.count("--protocol=tls") == text.count("--tls-ca-file=/certificates/ca.pem") == 2


def test_dask_s_own_pages_are_kept_from_the_network_by_what_the_page_says() -> None:
    """They ask for no certificate, and `--no-dashboard` leaves some of them: workers, tasks, logs."""
    text = (ROOT / "docs/how-to/cluster.md").read_text()
    kept = r"^dask (?:scheduler|worker) .*--no-dashboard --dashboard-address 127\.0\.0\.1:0"
    assert len(re.findall(kept, text, re.M)) == len(re.findall("^dask ", text, re.M)) == 2

"""A scheduler with two workers in this process, encrypted as real ones are, and an engine without containers."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evaluation.cluster.certificates import files_of, make_certificates
from evaluation.cluster.connection import Address
from tests.support.made_up_engine import NAMES, MadeUpEngine

if TYPE_CHECKING:
    from distributed import LocalCluster


@pytest.fixture(scope="package")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "certificates"
    make_certificates(folder, days=1)
    return folder


@pytest.fixture(scope="package")
def workers(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    from distributed import LocalCluster
    from distributed.security import Security

    roles = {role: list(map(str, files_of(certificates, role))) for role in ("scheduler", "worker", "client")}
    security = Security(
        require_encryption=True, tls_ca_file=roles["client"][0],
        **{f"tls_{role}_{what}": paths[i] for role, paths in roles.items() for i, what in ((1, "cert"), (2, "key"))},
    )  # fmt: skip
    with LocalCluster(
        n_workers=2, threads_per_worker=2, processes=False, protocol="tls", host="127.0.0.1", security=security,
        dashboard_address="127.0.0.1:0", local_directory=str(tmp_path_factory.mktemp("scratch")),
    ) as started:  # fmt: skip
        yield started


@pytest.fixture
def address(workers: LocalCluster, certificates: Path) -> Address:
    return Address(workers.scheduler_address, certificates)


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> type[MadeUpEngine]:
    MadeUpEngine.reset()
    for name in NAMES:
        monkeypatch.setattr(importlib.import_module(name), "Engine", MadeUpEngine)
    monkeypatch.setattr("evaluation.cluster.machines._SECONDS_TO_BE_FIT", 0.0)
    monkeypatch.setattr("evaluation.cluster.remote.start_reaper", lambda label, folder: None)
    return MadeUpEngine

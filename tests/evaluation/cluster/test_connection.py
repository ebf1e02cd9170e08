"""Who answers at an address, whether it may be talked to, and one line for whatever is wrong."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from evaluation.cluster import connection
from evaluation.cluster.certificates import ROLES, files_of, make_certificates
from evaluation.cluster.connection import Address, connected, knock, parse_address
from evaluation.cluster.pages import open_pages
from evaluation.harness.record import ENCRYPTED, NOT_ENCRYPTED
from feta.errors import FetaError

if TYPE_CHECKING:
    from distributed import LocalCluster


def one_line(of: Address) -> str:
    with pytest.raises(FetaError) as caught, connected(of, "test"):
        pass
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "with_certificates", "insecure", "said"),
    [
        ("tls://host", True, False, "no address"),
        ("host:8786", True, False, "no address"),
        ("tls://host:port", True, False, "no address"),
        ("tls://host:8786", False, False, "needs certificates"),
        ("tcp://host:8786", False, False, "is not encrypted"),
        ("tcp://host:8786", True, False, "takes no certificates"),
        ("tls://host:8786", True, True, "--insecure"),
    ],
)
def test_an_address_is_refused(
    certificates: Path, url: str, with_certificates: bool, insecure: bool, said: str
) -> None:
    with pytest.raises(FetaError, match=said):
        parse_address(url, certificates if with_certificates else None, insecure=insecure)


def test_what_is_not_encrypted_is_taken_by_its_word_alone(certificates: Path) -> None:
    assert parse_address("tcp://host:8786", None, insecure=True).way == NOT_ENCRYPTED
    assert parse_address("tls://host:8786", certificates, insecure=False).way == ENCRYPTED


def test_a_folder_without_certificates_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match=r"ca\.pem: does not exist"):
        parse_address("tls://host:8786", tmp_path, insecure=False)


def test_nobody_answers(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WAIT_SECONDS", 0.5)
    assert "no scheduler answers" in one_line(Address("tls://127.0.0.1:1", certificates))


def test_a_worker_s_port_is_no_scheduler_s(workers: LocalCluster, certificates: Path) -> None:
    (url, *_) = (worker.address for worker in workers.workers.values())
    assert "a worker answers there, and no scheduler" in one_line(Address(url, certificates))


def test_who_takes_all_and_answers_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a server of web pages does, with which nothing was encrypted."""
    monkeypatch.setattr(connection, "WAIT_SECONDS", 1.0)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        assert "no scheduler answers" in one_line(Address(f"tcp://127.0.0.1:{server.getsockname()[1]}"))


def test_a_folder_that_can_t_be_looked_into_is_told_of_in_a_line(tmp_path: Path) -> None:
    """For every account, as one of another's is for its owner alone: its name is longer than any may be."""
    folder = tmp_path / ("x" * 300)
    with pytest.raises(FetaError, match=r"ca\.pem: can't be read \(File name too long\)"):
        parse_address("tls://host:8786", folder, insecure=False)
    with pytest.raises(FetaError, match=r"can't be looked into \(File name too long\)"):
        make_certificates(folder, days=1)


def test_pages_that_others_can_reach_are_told_of() -> None:
    """A name, as of a machine that is seen by others, and the address that only the machine itself has."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        services = {"dashboard": server.getsockname()[1]}
        found = open_pages({"address": "tls://localhost:8786", "services": services})
        assert found == f"http://localhost:{services['dashboard']}"
        assert open_pages({"address": "tls://127.0.0.1:8786", "services": services}) == ""
    assert open_pages({"address": "tls://localhost:8786", "services": services}) == ""
    assert open_pages({"address": "tls://localhost:8786", "services": {}}) == ""


@pytest.mark.parametrize("name", ["ca.pem", "client.pem", "client-key.pem"])
def test_a_file_that_is_no_certificate_is_not_taken_for_the_scheduler_s_fault(
    certificates: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(certificates, tmp_path / "made")
    (tmp_path / "made" / name).write_text("something else")
    with pytest.raises(FetaError, match=r"made: its ca.pem, client.pem, client-key.pem can't be used"):
        knock(Address("tls://127.0.0.1:1", tmp_path / "made"))


def test_certificates_of_another_authority_don_t_fit(workers: LocalCluster, tmp_path: Path) -> None:
    make_certificates(tmp_path / "others", days=1)
    assert "don't fit" in one_line(Address(workers.scheduler_address, tmp_path / "others"))


def test_a_certificate_of_ours_that_the_scheduler_doesn_t_take(
    workers: LocalCluster, certificates: Path, tmp_path: Path
) -> None:
    """It shows one that we take; ours is by another authority."""
    make_certificates(tmp_path / "others", days=1)
    mixed = tmp_path / "others"
    (mixed / "ca.pem").write_bytes((certificates / "ca.pem").read_bytes())
    assert "don't fit" in one_line(Address(workers.scheduler_address, mixed))


@pytest.mark.parametrize(("days", "said"), [(-30, "expired"), (30, "not yet valid")])
def test_a_clock_that_is_off_is_named(tmp_path: Path, days: int, said: str) -> None:
    """Certificates made a month ago or in a month, by a scheduler's clock; its handshake alone matters here."""
    made = tmp_path / "made"
    make_certificates(made, days=1, now=datetime.now(UTC) + timedelta(days=days))
    authority, certificate, key = files_of(made, "scheduler")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority))
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            taken, _ = server.accept()
            with taken, pytest.raises(OSError):
                context.wrap_socket(taken, server_side=True)

        thread = Thread(target=serve)
        thread.start()
        with pytest.raises(FetaError, match=said):
            knock(Address(f"tls://127.0.0.1:{server.getsockname()[1]}", made))
        thread.join()


@pytest.fixture
def plain_port() -> Iterator[int]:
    """Somebody who speaks another language than TLS."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            taken, _ = server.accept()
            with taken:
                taken.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
                taken.recv(1)

        Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def test_who_speaks_no_tls(plain_port: int, certificates: Path) -> None:
    with pytest.raises(FetaError, match="does not speak TLS"):
        knock(Address(f"tls://127.0.0.1:{plain_port}", certificates))


def test_a_program_without_a_certificate_is_not_let_in(workers: LocalCluster, certificates: Path) -> None:
    """By Python's own TLS, which trusts the scheduler."""
    where = urlsplit(workers.scheduler_address)
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    context.check_hostname = False
    with (
        socket.create_connection((str(where.hostname), where.port or 0), timeout=10) as plain,
        pytest.raises(ssl.SSLError, match="certificate required"),
        context.wrap_socket(plain) as wrapped,
    ):
        wrapped.recv(1)


def test_keys_are_for_their_owner_and_nobody_issues_more(certificates: Path) -> None:
    assert {path.name for path in certificates.iterdir()} == {"ca.pem"} | {
        f"{role}{end}" for role in ROLES for end in (".pem", "-key.pem")
    }
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in certificates.glob("*-key.pem"))
    assert certificates.stat().st_mode & 0o777 == 0o700


def test_certificates_are_never_written_over(certificates: Path) -> None:
    with pytest.raises(FetaError, match="is there already"):
        make_certificates(certificates, days=1)

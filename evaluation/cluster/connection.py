"""The way to a dask scheduler: encrypted and with certificates on both sides, unless it is said otherwise.

Dask runs whatever reaches its port, here beside hidden data and a container engine: who may connect is all the
protection that there is.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from evaluation.cluster.certificates import files_of
from evaluation.cluster.pages import open_pages
from evaluation.harness.record import ENCRYPTED, NOT_ENCRYPTED
from feta.errors import FetaError, error_kind, installed_by

_LOG = logging.getLogger(__name__)
#: For a scheduler to answer.
WAIT_SECONDS = 20.0
#: Loggers that tell of it in their own way; distributed gives some of them levels of their own.
_SILENT = ("distributed", "distributed.client", "tornado.application", "asyncio")
_SCHEDULER = "start one: docs/how-to/cluster.md"
_MAKE = "feta-evaluate certificates FOLDER makes them"


@dataclass(frozen=True)
class Address:
    """Where the scheduler is, and how it is talked to.

    Attributes:
        url: ``tls://host:8786``, or ``tcp://host:8786`` where nothing is encrypted.
        certificates: the folder that ``feta-evaluate certificates`` made; None where nothing is encrypted.
    """

    url: str
    certificates: Path | None = None

    @property
    def way(self) -> str:
        """For the report."""
        return ENCRYPTED if self.certificates else NOT_ENCRYPTED


def parse_address(url: str, certificates: Path | None, *, insecure: bool) -> Address:
    """Check an address without asking at it.

    Raises:
        FetaError: it is none; certificates are missing; or it isn't encrypted, and ``insecure`` was not said.
    """
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("tls", "tcp") and bool(parts.hostname) and parts.port is not None
    except ValueError:
        known = False
    if not known:
        raise FetaError(url, "is no address of a scheduler", "it looks like tls://host:8786")
    if parts.scheme == "tcp":
        if certificates:
            raise FetaError(url, "takes no certificates", f"tls://{parts.netloc}")
        if not insecure:
            said = "is not encrypted: whoever reaches it can read the hidden data and run what they like"
            raise FetaError(url, said, f"tls:// and --certificates ({_MAKE}), or --insecure, which the report shows")
        return Address(url)
    if insecure:
        raise FetaError("--insecure", f"is for tcp://, and {url} is encrypted", "leave it out")
    if certificates is None:
        raise FetaError(url, "needs certificates", f"--certificates FOLDER; {_MAKE}")
    for path in files_of(certificates, "client"):
        try:
            there = path.is_file()
        except OSError as error:  # another account made them, say
            raise error_kind(error)(path, f"can't be read ({error.strerror})", "call it as who made them") from error
        if not there:
            raise FetaError(path, "does not exist", _MAKE)
    return Address(url, certificates)


@contextmanager
def connected(address: Address, name: str) -> Iterator[Any]:
    """A client of the scheduler, a ``distributed.Client``.

    Args:
        name: of this client, for the scheduler.

    Raises:
        FetaError: ``distributed`` isn't installed, nobody answers, or the certificates don't fit.
    """
    try:
        import dask
        from distributed import Client
        from distributed.security import Security
        from distributed.versions import VersionMismatchWarning
    except ModuleNotFoundError as error:
        raise FetaError("--scheduler", "needs dask.distributed", installed_by("cluster")) from error
    knock(address)
    security = Security()
    if address.certificates:
        authority, certificate, key = map(str, files_of(address.certificates, "client"))
        security = Security(
            tls_ca_file=authority, tls_client_cert=certificate, tls_client_key=key, require_encryption=True
        )
    found = _see_that_it_is_one(address, security)
    if address.certificates and (where := open_pages(found)):
        said = "%s: the scheduler's pages (workers, logs, tasks) are open to all at %s, without a certificate"
        _LOG.warning(said + "; start it with --dashboard-address 127.0.0.1:0", address.url, where)
    client: Client | None = None
    # What dask says of a scheduler that is gone, line after line, is said here in one; a large job is meant so.
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # A table of releases; each worker that has another is told of in a line.
    warnings.filterwarnings("ignore", category=VersionMismatchWarning)
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "4GB"})
    with suppress(OSError, ValueError):
        client = Client(address.url, timeout=WAIT_SECONDS, security=security, set_as_default=False, name=name)
    if client is None:
        # What is left of it must go now: found by the garbage collector while another client is being made, it would
        # wait for a lock that the other holds, for ever.
        gc.collect()
        raise FetaError(address.url, "no scheduler answers there", _SCHEDULER)
    with client:
        yield client


def _see_that_it_is_one(address: Address, security: Any) -> dict[str, Any]:
    """Ask who answers: a client of dask waits for ever, or ends in its own ways, where that is no scheduler.

    Returns:
        What it says of itself.

    Raises:
        FetaError: so it is.
    """
    if urlsplit(address.url).scheme not in ("tls", "tcp"):
        return {}
    from distributed.core import connect

    async def asked() -> dict[str, Any]:
        comm = await connect(address.url, timeout=WAIT_SECONDS, **security.get_connection_args("client"))
        try:
            await comm.write({"op": "identity"})
            return dict(await comm.read())
        finally:
            comm.abort()

    said, found = "no scheduler answers there", dict[str, Any]()
    try:
        found = asyncio.run(asyncio.wait_for(asked(), WAIT_SECONDS))
        kind = str(found["type"])
        said = "" if kind == "Scheduler" else f"a {kind.lower()} answers there, and no scheduler"
    except Exception as error:  # whatever stands there may say what it likes
        if "TLS" in str(error):
            said = f"{said} without TLS"
    if said:
        raise FetaError(address.url, said, _SCHEDULER)
    return found


def knock(address: Address) -> None:
    """Connect as a client does and say in one line what is wrong: dask's own words come late, and name only a time-out.

    Raises:
        FetaError: nobody answers, or one side doesn't take the other's certificate.
    """
    parts = urlsplit(address.url)
    if not parts.hostname or parts.port is None:
        return  # dask itself may know how to get there
    context = _context(address.certificates) if address.certificates else None
    try:
        with socket.create_connection((parts.hostname, parts.port), timeout=WAIT_SECONDS) as plain:
            if context:
                _shake_hands(plain, context)
    except ssl.SSLError as error:
        raise _refused(address.url, error) from error
    except OSError as error:
        reason = error.strerror or "no answer in time"
        raise FetaError(address.url, f"no scheduler answers there ({reason})", _SCHEDULER) from error


def _context(certificates: Path) -> ssl.SSLContext:
    authority, certificate, key = files_of(certificates, "client")
    reason = ""
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(authority))
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        reason = (error.reason or "no certificate").replace("_", " ").lower()
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        names = ", ".join(path.name for path in (authority, certificate, key))
        raise FetaError(certificates, f"its {names} can't be used ({reason})", _MAKE)
    # The authority is the cluster's own; machines are known by addresses that change.
    context.check_hostname = False
    return context


def _shake_hands(plain: socket.socket, context: ssl.SSLContext) -> None:
    with context.wrap_socket(plain) as wrapped:
        # The other side judges our certificate after its own handshake has ended: it speaks then, or ends it.
        wrapped.settimeout(2.0)
        with suppress(TimeoutError):
            wrapped.recv(1)


def _refused(url: str, error: ssl.SSLError) -> FetaError:
    words = str(getattr(error, "verify_message", "") or error.reason or error).replace("_", " ").lower()
    if "not yet valid" in words or "expired" in words:
        return FetaError(
            url, f"a certificate is not valid now ({words})", f"see to the clocks, or make new ones: {_MAKE}"
        )
    if "wrong version" in words or "record layer" in words or "eof" in words:
        return FetaError(url, "does not speak TLS", "start the scheduler with its certificates: docs/how-to/cluster.md")
    said = f"the certificates don't fit the scheduler's ({words})"
    return FetaError(url, said, "one folder of certificates is for all: scheduler, workers, and this")

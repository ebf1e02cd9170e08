"""Certificates for a cluster of one challenge: an authority of its own, and one certificate for each role.

Whoever has a certificate of the authority may run whatever they like on every worker: that is what dask is for. The
authority's own key is not kept, so that nobody issues more.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from feta.errors import FetaError, error_kind, installed_by

#: Who shows a certificate: the scheduler, its workers, and the program that hands out work.
ROLES = ("scheduler", "worker", "client")
AUTHORITY = "ca.pem"
#: Of the beginning of their time: machines' clocks differ.
_CLOCKS_DIFFER = timedelta(hours=1)


def files_of(folder: Path, role: str) -> tuple[Path, Path, Path]:
    """The authority's certificate, a role's certificate, and its key."""
    return folder / AUTHORITY, folder / f"{role}.pem", folder / f"{role}-key.pem"


def make_certificates(folder: Path, days: int, now: datetime | None = None) -> None:
    """Write an authority and a certificate with its key for each role; keys are for their owner alone.

    Args:
        folder: a new or empty one.
        days: how long they are valid.
        now: the moment; by the machine's clock if not given.

    Raises:
        FetaError: the folder has something in it or can't be written, or the package ``cryptography`` is missing.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID
    except ImportError as error:
        raise FetaError("cryptography", "the Python package is missing", installed_by("cluster")) from error
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise error_kind(error)(folder, f"can't be looked into ({error.strerror})", "choose another folder") from error
    if taken:
        raise FetaError(folder, "is there already", "choose a new folder: certificates are never written over")
    begin = (now or datetime.now(UTC)) - _CLOCKS_DIFFER
    end = begin + _CLOCKS_DIFFER + timedelta(days=days)
    # It names nobody: certificates are seen by whoever asks at the port.
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate(
        "feta cluster", authority_key.public_key(), "feta cluster", authority_key, begin, end,
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_usage(x509, sign=False), True),
        (x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), False),
    )  # fmt: skip
    usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / AUTHORITY, _pem(authority), 0o644)
        for role in ROLES:
            key = ec.generate_private_key(ec.SECP256R1())
            # Each worker is a server and a client to the others.
            made = _certificate(
                f"feta {role}", key.public_key(), "feta cluster", authority_key, begin, end,
                (x509.BasicConstraints(ca=False, path_length=None), True),
                (_usage(x509, sign=True), True),
                (usages, False),
                (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), False),
            )  # fmt: skip
            _, certificate, private = files_of(folder, role)
            _write(certificate, _pem(made), 0o644)
            _write(private, _key(key), 0o600)
    except OSError as error:
        raise error_kind(error)(folder, f"can't be written ({error.strerror})", "choose another folder") from error


def _usage(x509: Any, *, sign: bool) -> Any:
    """For signing handshakes, or for signing certificates and nothing else."""
    others = "content_commitment key_encipherment data_encipherment key_agreement encipher_only decipher_only"
    never = dict.fromkeys(others.split(), False)
    return x509.KeyUsage(digital_signature=sign, key_cert_sign=not sign, crl_sign=not sign, **never)


def _certificate(
    name: str, public: Any, issuer: str, signer: Any, begin: datetime, end: datetime, *extensions: tuple[Any, bool]
) -> Any:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    def named(words: str) -> Any:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, words)])

    builder = x509.CertificateBuilder(named(issuer), named(name), public, x509.random_serial_number(), begin, end)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer, hashes.SHA256())


def _pem(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _key(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)

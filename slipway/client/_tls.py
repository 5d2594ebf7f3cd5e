"""TLS certificates of a client, the same for gRPC and HTTP.

Tls(ca_file="ca.pem")                                       # trust this authority instead of the system's
Tls(certificate_file="me.pem", key_file="me.key")           # mutual TLS
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx

from slipway.client._errors import InvalidAddress
from slipway.printable import printable

__all__ = ["Tls", "grpc_certificates", "http_context"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Certificates for grpcs:// and https://, as PEM files.

    Attributes:
        ca_file: Certificate authorities to trust instead of the system's.
        certificate_file: This client's own certificate (mutual TLS), with `key_file`.
        key_file: The private key of `certificate_file`; not encrypted.

    Raises:
        ValueError: A file is missing, holds no certificate or no key, or the two do not match.
    """

    ca_file: Path | str | None = None
    certificate_file: Path | str | None = None
    key_file: Path | str | None = None

    def __post_init__(self) -> None:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file: expected both or none")
        for name in ("ca_file", "certificate_file", "key_file"):
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, str | os.PathLike) or not str(value) or not Path(value).is_file():
                raise ValueError(f"{name}: expected a PEM file, got {value!s}")
            object.__setattr__(self, name, Path(value))
        self.context()

    def context(self) -> ssl.SSLContext:
        """Make a context that verifies the server's name and certificate.

        Raises:
            ValueError: See the class.
        """
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH) if self.ca_file is None else _bare_context()
        if self.ca_file is not None:
            try:
                context.load_verify_locations(cafile=self.ca_file)
            except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError
                raise ValueError(f"ca_file: expected certificates in PEM, got {self.ca_file}: {_reason(exc)}") from exc
            if not context.cert_store_stats()["x509"]:
                raise ValueError(f"ca_file: expected certificates in PEM, got none in {self.ca_file}")
        if self.certificate_file is not None:
            try:
                context.load_cert_chain(self.certificate_file, self.key_file, password=_refuse_password)
            except (OSError, ValueError) as exc:
                raise ValueError(
                    f"certificate_file and key_file: expected a certificate and its key in PEM, "
                    f"got {self.certificate_file} and {self.key_file}: {_reason(exc)}"
                ) from exc
        return context

    def contents(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """Read authorities, key and certificate, in gRPC's order.

        Raises:
            ValueError: A file cannot be read any more.
        """
        self.context()
        files = cast("tuple[Path | None, ...]", (self.ca_file, self.key_file, self.certificate_file))
        try:
            ca, key, certificate = (None if file is None else file.read_bytes() for file in files)
        except OSError as exc:
            raise ValueError(f"tls: expected readable PEM files, got {_reason(exc)}") from exc
        return ca, key, certificate


def grpc_certificates(tls: Tls | None) -> tuple[bytes | None, bytes | None, bytes | None]:
    """Authorities, key and certificate, in gRPC's order; the authorities are those that https:// would trust.

    Raises:
        InvalidAddress: See `_ca_certificates_of_environment`.
        ValueError: A certificate cannot be read any more.
    """
    ca, key, certificate = (None, None, None) if tls is None else tls.contents()
    if ca is None and "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" not in os.environ:
        ca = _ca_certificates_of_environment()
    return ca, key, certificate


def http_context(tls: Tls | None, *, secure: bool) -> ssl.SSLContext:
    """Make the context of an https:// connection; of an http:// one, a context without CAs.

    Raises:
        InvalidAddress: See `_ca_certificates_of_environment`.
        ValueError: A certificate cannot be read any more.
    """
    if not secure:  # loading the public authorities takes 100 ms
        return _bare_context()
    if tls is None or tls.ca_file is None:
        _ca_certificates_of_environment()  # for its error message
    return httpx.create_ssl_context() if tls is None else tls.context()


def _ca_certificates_of_environment() -> bytes | None:
    """The authorities that `SSL_CERT_FILE` names instead of the public ones, in PEM; None where it is not set.

    OpenSSL reads the variable and ignores an unreadable file; gRPC does not read it.

    Raises:
        InvalidAddress: The file holds no certificates.
    """
    path = os.environ.get("SSL_CERT_FILE", "")
    if not path:
        return None
    shown = f"SSL_CERT_FILE: expected certificates in PEM, got {printable(path)}"
    if not Path(path).is_file():
        raise InvalidAddress(f"{shown}, which is no file: correct the variable, or remove it")
    try:
        _bare_context().load_verify_locations(cafile=path)
        return Path(path).read_bytes()
    except (OSError, ValueError) as exc:
        raise InvalidAddress(f"{shown}: {printable(_reason(exc))}") from exc


def _bare_context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _refuse_password() -> str:
    raise ValueError("the key is encrypted; pass an unencrypted one")


def _reason(exc: Exception) -> str:
    return getattr(exc, "strerror", None) or getattr(exc, "reason", None) or str(exc) or type(exc).__name__

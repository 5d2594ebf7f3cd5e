"""Connection options: the same for every command that sends requests to a server.

@grouped
def predict(url: str, *, timeout_s: TimeoutOption = 5.0, access: AccessOptions) -> None:
with access.connection(timeout_s=timeout_s).open(url, model="mnist") as classifier:
classifier.wait_ready()
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from slipway.errors import SlipwayError

if TYPE_CHECKING:
    from slipway.client import Classifier, Tls

__all__ = [
    "AccessOptions",
    "ConnectionOptions",
    "ConnectionUnclear",
    "TimeoutOption",
    "VersionOption",
]

_PANEL = "Connection"


class ConnectionUnclear(SlipwayError):
    """The connection options are invalid or contradictory."""

    exit_status = 2


def _seconds(text: str | float) -> float:
    """Read a time limit; 0 and "none" set none."""
    if str(text).strip().lower() in ("0", "0.0", "none", "inf"):
        return math.inf
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value > 0:
        raise typer.BadParameter(f"expected seconds, or 0 or none for no limit, got {text!r}")
    return value


VersionOption: TypeAlias = Annotated[
    int | None,
    typer.Option("--version", min=1, help="The model's version (default: chosen by the server)."),
]
TimeoutOption: TypeAlias = Annotated[
    float,
    typer.Option(
        "--timeout-s",
        parser=_seconds,
        metavar="SECONDS",
        help="Time-out of a call with its retries, in seconds; 0 or none: no limit.",
    ),
]
HeaderOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--header",
        metavar="'NAME: VALUE'",
        help="Header (gRPC: metadata) to send with each request; may be repeated.",
        rich_help_panel=_PANEL,
    ),
]
AuthorityOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--authority",
        metavar="HOST",
        help="Value of the HTTP Host header or gRPC :authority (default: the URL's host).",
        rich_help_panel=_PANEL,
    ),
]
CaFileOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--ca-file", metavar="FILE", help="CA certificates to trust instead of the public ones.", rich_help_panel=_PANEL
    ),
]
CertFileOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--cert-file",
        metavar="FILE",
        help="Client certificate, with --key-file.",
        rich_help_panel=_PANEL,
    ),
]
KeyFileOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--key-file", metavar="FILE", help="Private key of --cert-file.", rich_help_panel=_PANEL),
]
TokenEnvOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--token-env",
        metavar="NAME",
        help="Environment variable that holds a bearer token (other users can read a command line).",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions:
    """The validated options.

    Attributes:
        version: Model version; None: chosen by the server.
        timeout_s: Time-out of a call with its retries; `math.inf` for no limit.
        headers: Header values by name.
        authority: Host name to send instead of the URL's host.
        tls: Certificates, if any were given.
        token: Bearer token; never printed.
    """

    version: int | None = None
    timeout_s: float = 5.0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    authority: str | None = None
    tls: Tls | None = None
    token: str | None = field(default=None, repr=False)

    def open(self, url: str, *, model: str) -> Classifier:
        """Create a client, without connecting.

        Raises:
            ConnectionUnclear: The URL or an option is invalid.
        """
        from slipway.client import Classifier
        from slipway.client.wire import parse_address

        try:
            return Classifier(
                url,
                model=model,
                version=self.version,
                timeout_s=self.timeout_s,
                tls=self.tls if parse_address(url).secure else None,
                token=self.token,
                headers=self.headers,
                authority=self.authority,
            )
        except ValueError as exc:  # InvalidAddress is a ValueError
            raise ConnectionUnclear(str(exc)) from exc

    def refuse_unused_certificates(self, urls: Iterable[str]) -> None:
        """Reject certificates that no URL would use.

        Raises:
            ConnectionUnclear: No URL uses TLS, or one is invalid.
        """
        from slipway.client import InvalidAddress
        from slipway.client.wire import parse_address

        try:
            secure = [parse_address(url).secure for url in urls]
        except InvalidAddress as exc:
            raise ConnectionUnclear(str(exc)) from exc
        if self.tls is not None and not any(secure):
            raise ConnectionUnclear("--ca-file and --cert-file: expected a URL with grpcs:// or https://, got none")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessOptions:
    """How a server is reached, as options of a command; see `slipway.platform.option_groups`."""

    header: HeaderOption = None
    authority: AuthorityOption = None
    ca_file: CaFileOption = None
    cert_file: CertFileOption = None
    key_file: KeyFileOption = None
    token_env: TokenEnvOption = None

    def connection(self, *, version: int | None = None, timeout_s: float = 5.0) -> ConnectionOptions:
        """Read them.

        Raises:
            ConnectionUnclear: Says which option expects what.
        """
        return ConnectionOptions(
            version=version,
            timeout_s=timeout_s,
            headers=self.headers(),
            authority=self.authority,
            tls=_tls(self.ca_file, self.cert_file, self.key_file),
            token=_token(self.token_env),
        )

    def headers(self) -> dict[str, str]:
        """Names and values; raises as `connection`."""
        return _headers(self.header or [])


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or not value.strip():  # the value may be a secret and is not printed
            raise ConnectionUnclear("--header: expected 'Name: value', got a text without colon, name or value")
        if name.strip().lower() in map(str.lower, headers):
            raise ConnectionUnclear(f"--header: expected each name once, got {name.strip()!r} twice")
        headers[name.strip()] = value.strip()
    return headers


def _tls(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> Tls | None:
    if ca_file is None and cert_file is None and key_file is None:
        return None
    if (cert_file is None) != (key_file is None):
        raise ConnectionUnclear("--cert-file and --key-file: expected both or none, got one")
    from slipway.client import Tls

    try:
        return Tls(ca_file=ca_file, certificate_file=cert_file, key_file=key_file)
    except ValueError as exc:
        raise ConnectionUnclear(f"--ca-file, --cert-file, --key-file: {exc}") from exc


def _token(variable: str | None) -> str | None:
    if variable is None:
        return None
    token = os.environ.get(variable, "").strip()
    if not token:
        raise ConnectionUnclear(f"--token-env: expected a token in the variable {variable}, which is unset or empty")
    return token

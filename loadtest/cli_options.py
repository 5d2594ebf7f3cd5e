"""The options that several commands of the load test share, and how a mistake in one is named."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from slipway.connection_options import connection

__all__ = [
    "REPOSITORY",
    "ForceOption",
    "ImagesOption",
    "MetricsOption",
    "ModelOption",
    "ProcessesOption",
    "RepositoryOption",
    "ScenarioArgument",
    "SetOption",
    "SloOption",
    "UrlOption",
    "named_values",
    "overridden",
    "spelled",
]

REPOSITORY = Path("model_repository")

ScenarioArgument = Annotated[
    str,
    typer.Argument(help="A shipped scenario (see `slipway loadtest list`) or the path of a YAML file."),
]
UrlOption = Annotated[str | None, typer.Option(help="grpc://, grpcs://, http:// or https://, host and port.")]
ModelOption = Annotated[str | None, typer.Option(help="The model's name on the server.")]
ImagesOption = Annotated[
    Path | None,
    typer.Option(
        help="Send these: an .npz with images, labels (or x_test, y_test); or noise, with `random`.", metavar="PATH.npz"
    ),
]
RepositoryOption = Annotated[
    Path,
    typer.Option("--repository", "-r", help="Where the served version's samples are.", envvar="SLIPWAY_REPOSITORY"),
]
SloOption = Annotated[
    list[str] | None,
    typer.Option("--slo", help="An objective: p50_ms, p99_ms, p99_9_ms, error_rate, min_rps.", metavar="NAME=VALUE"),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any value of the scenario, such as slo.p99_ms=20.", metavar="KEY=VALUE"),
]
MetricsOption = Annotated[
    str | None, typer.Option(help="Triton's metrics; port 8002 of a target on this machine if not given.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
ProcessesOption = Annotated[int, typer.Option(min=1, max=64, help="Processes that make the load, about one a core.")]

_OPTIONS = {
    "target.url": "url",
    "target.model": "model",
    "target.version": "version",
    "target.headers": "header",
    "target.authority": "authority",
    "target.ca_file": "ca-file",
    "target.certificate_file": "cert-file",
    "target.key_file": "key-file",
    "target.token_env": "token-env",
    "target.metrics_url": "metrics-url",
    "payload.images": "images",
    "arrivals": "closed-loop",
    "arrivals.rate_rps": "rate",
    "arrivals.duration_s": "duration-s",
}
_AS_TYPED = ("target.url", "target.metrics_url", "target.version", "target.headers")


def named_values(
    *,
    url: str | None,
    model: str | None,
    version: int | None,
    images: Path | None,
    metrics_url: str | None,
    header: list[str] | None,
    authority: str | None,
    ca_file: Path | None,
    cert_file: Path | None,
    key_file: Path | None,
    token_env: str | None,
) -> dict[str, object]:
    """What options of their own say, by the scenario's key; None where one is not given.

    Raises:
        ConnectionUnclear: A header is none.
    """
    headers = connection(header=header).headers
    return {
        "target.url": url,
        "target.model": model,
        "target.version": version,
        "target.headers": json.dumps(headers) if headers else None,
        "target.authority": authority,
        "target.ca_file": ca_file,
        "target.certificate_file": cert_file,
        "target.key_file": key_file,
        "target.token_env": token_env,
        "target.metrics_url": metrics_url,
        "payload.images": images,
    }


def overridden(named: Mapping[str, object], *, slo: list[str] | None, override: list[str] | None) -> dict[str, str]:
    """Values in YAML by dotted key: options that were given, then `--slo`, then `--set`; a later one wins."""
    given = {
        key: str(value) if key in _AS_TYPED else json.dumps(str(value))  # a model may be called 007
        for key, value in named.items()
        if value is not None
    }
    from loadtest.engine.request import parse_overrides

    objectives = parse_overrides([f"slo.{text}" for text in slo or []])
    return given | objectives | parse_overrides(override or [])


def spelled(named: Mapping[str, object], *, slo: list[str] | None, override: list[str] | None) -> dict[str, str]:
    """What was typed, by the key that it sets: what a mistake is blamed on."""
    typed = {
        key: f"--{_OPTIONS[key]}" if key == "target.headers" else f"--{_OPTIONS[key]} {shlex.quote(str(value))}"
        for key, value in named.items()
        if value is not None
    }
    for option, prefix, texts in (("--slo", "slo.", slo), ("--set", "", override)):
        typed |= {prefix + text.partition("=")[0].strip(): f"{option} {text}" for text in texts or []}
    return typed

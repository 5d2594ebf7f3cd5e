"""Command: the options that several commands of the load test share, in groups, and how a mistake in one is named.

Runs in the command's process.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slipway.connection_options import AccessOptions, VersionOption

if TYPE_CHECKING:
    from loadtest.engine.request import RunRequest

__all__ = [
    "ForceOption",
    "ObjectiveOptions",
    "ProcessesOption",
    "ScenarioArgument",
    "ServerOptions",
    "TargetOptions",
    "run_request",
]

ScenarioArgument = Annotated[
    str,
    typer.Argument(help="A shipped scenario (see `slipway loadtest list`) or the path of a YAML file."),
]
UrlOption = Annotated[
    str | None, typer.Option(help="Server to test: grpc://, grpcs://, http:// or https://, host and port.")
]
ModelOption = Annotated[str | None, typer.Option(help="Name of the model on the server.")]
ImagesOption = Annotated[
    Path | None,
    typer.Option(
        help="Images to send: an .npz with images and labels (or x_test, y_test), or `random`.", metavar="PATH.npz"
    ),
]
SamplesOption = Annotated[
    Path,
    typer.Option(
        "--repository",
        "-r",
        help="Model repository that holds the served version's samples.",
        envvar="SLIPWAY_REPOSITORY",
    ),
]
SloOption = Annotated[
    list[str] | None,
    typer.Option(
        "--slo", help="Set an objective: p50_ms, p99_ms, p99_9_ms, error_rate, min_rps.", metavar="NAME=VALUE"
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Set any value of the scenario, such as slo.p99_ms=20.", metavar="KEY=VALUE"),
]
MetricsOption = Annotated[
    str | None, typer.Option(help="URL of Triton's metrics (default: port 8002 of a local target).")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite existing output files.")]
ProcessesOption = Annotated[int, typer.Option(min=1, max=64, help="Load generator processes, about one per core.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """Target and payload."""

    url: UrlOption = None
    model: ModelOption = None
    version: VersionOption = None
    images: ImagesOption = None
    repository: SamplesOption = Path("model_repository")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveOptions:
    """Values that override those of the scenario."""

    slo: SloOption = None
    override: SetOption = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions(AccessOptions):
    """How the target and its metrics are reached."""

    metrics_url: MetricsOption = None


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


def run_request(
    scenario: str,
    *,
    target: TargetOptions,
    objectives: ObjectiveOptions,
    access: ServerOptions,
    closed_loop: int | None = None,
    rate: float | None = None,
    duration_s: float | None = None,
    report_dir: Path | None = None,
    junit: Path | None = None,
    force: bool,
) -> RunRequest:
    """Read the scenario once, with the options' values in place of its own.

    Raises:
        ConnectionUnclear: A header is invalid.
        ScenarioError: The scenario cannot be run; names the responsible option.
    """
    from loadtest.engine.request import RunRequest
    from loadtest.scenario.scenario_file import command_line, read_scenario

    file = read_scenario(scenario)
    arrivals = {
        "arrivals": closed_loop,
        "arrivals.rate_rps": rate,
        "arrivals.duration_s": duration_s,
    }
    offered = {key: str(value) for key, value in arrivals.items() if value is not None}
    if closed_loop is not None:  # the same duration, with a closed loop in place of the scenario's arrivals
        seconds = file.check({}).arrivals.seconds
        offered["arrivals"] = f"{{kind: closed, users: {closed_loop}, duration_s: {seconds}}}"
    named = _by_key(target, access)
    return RunRequest(
        name=Path(scenario).stem,
        scenario=file.check(
            offered | _overrides(named, objectives),
            spelled=_as_typed({**named, **arrivals}, objectives),
        ),
        repository=target.repository,
        report_dir=report_dir,
        junit=junit,
        command=command_line(sys.argv),
        force=force,
    )


def _by_key(target: TargetOptions, access: ServerOptions) -> dict[str, object]:
    """What options of their own say, by the scenario's key; None where one is not given."""
    headers = access.headers()
    return {
        "target.url": target.url,
        "target.model": target.model,
        "target.version": target.version,
        "target.headers": json.dumps(headers) if headers else None,
        "target.authority": access.authority,
        "target.ca_file": access.ca_file,
        "target.certificate_file": access.cert_file,
        "target.key_file": access.key_file,
        "target.token_env": access.token_env,
        "target.metrics_url": access.metrics_url,
        "payload.images": target.images,
    }


def _overrides(named: Mapping[str, object], objectives: ObjectiveOptions) -> dict[str, str]:
    """YAML values by dotted key: dedicated options, then `--slo`, then `--set`; later ones win."""
    from loadtest.scenario.scenario_file import parse_overrides

    given = {
        key: str(value) if key in _AS_TYPED else json.dumps(str(value))  # a model may be called 007
        for key, value in named.items()
        if value is not None
    }
    slo = parse_overrides([f"slo.{text}" for text in objectives.slo or []])
    return given | slo | parse_overrides(objectives.override or [])


def _as_typed(named: Mapping[str, object], objectives: ObjectiveOptions) -> dict[str, str]:
    """The option as typed, by the key that it sets, for error messages."""
    typed = {
        key: f"--{_OPTIONS[key]}" if key == "target.headers" else f"--{_OPTIONS[key]} {shlex.quote(str(value))}"
        for key, value in named.items()
        if value is not None
    }
    for option, prefix, texts in (("--slo", "slo.", objectives.slo), ("--set", "", objectives.override)):
        typed |= {prefix + text.partition("=")[0].strip(): f"{option} {text}" for text in texts or []}
    return typed

"""The options that several commands of the load test share, and how a mistake in one is named."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

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
    typer.Option("--set", help="Any value of the scenario, such as generator.max_in_flight=64.", metavar="KEY=VALUE"),
]
MetricsOption = Annotated[
    str | None, typer.Option(help="Triton's metrics; port 8002 of a target on this machine if not given.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
ProcessesOption = Annotated[int, typer.Option(min=1, max=64, help="Processes that make the load, about one a core.")]

_OPTIONS = {
    "target.url": "url",
    "target.model": "model",
    "target.metrics_url": "metrics-url",
    "payload.images": "images",
    "arrivals": "closed-loop",
    "arrivals.rate_rps": "rate",
    "arrivals.duration_s": "duration-s",
}


def spelled(named: Mapping[str, object], *, slo: list[str] | None, override: list[str] | None) -> dict[str, str]:
    """What was typed, by the key that it sets: what a mistake is blamed on."""
    typed = {key: f"--{_OPTIONS[key]} {shlex.quote(str(value))}" for key, value in named.items() if value is not None}
    for option, prefix, texts in (("--slo", "slo.", slo), ("--set", "", override)):
        typed |= {prefix + text.partition("=")[0].strip(): f"{option} {text}" for text in texts or []}
    return typed

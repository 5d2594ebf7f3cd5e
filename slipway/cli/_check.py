"""`slipway check`: verify the answers of a deployment, after a rollout and in `helm test`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from slipway.connection_options import AccessOptions, ConnectionOptions, TimeoutOption
from slipway.errors import SlipwayError
from slipway.platform.option_groups import grouped
from slipway.printable import printable

if TYPE_CHECKING:
    from slipway.cli._deployment_checks import CheckResult, ExpectedAnswer

__all__ = ["CheckInvalid", "ChecksFailed", "check"]


class CheckInvalid(SlipwayError):
    """Contradictory or incomplete options."""

    exit_status = 2


class ChecksFailed(SlipwayError):
    """At least one check failed; each failed check has printed its reason."""


@grouped
def check(
    urls: Annotated[
        list[str],
        typer.Argument(
            help="Addresses to check: grpc://, grpcs://, http:// or https://, with host and port.", metavar="URL"
        ),
    ],
    *,
    model: Annotated[str, typer.Option(help="Name of the model on the server.")] = "mnist",
    version: Annotated[int | None, typer.Option(min=1, help="Version that must answer (default: any).")] = None,
    image: Annotated[
        Path | None, typer.Option(help="Picture to send, light on dark (default: a black one).", metavar="FILE")
    ] = None,
    label: Annotated[str | None, typer.Option("--expect", help="Expected label of --image.", metavar="LABEL")] = None,
    metrics_url: Annotated[
        str | None, typer.Option(help="Also check the autoscaling metrics on this Triton metrics page.")
    ] = None,
    wait_s: Annotated[float, typer.Option(min=0.1, help="Time-out for the model to become ready, in seconds.")] = 10.0,
    timeout_s: TimeoutOption = 5.0,
    access: AccessOptions,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list on standard output, for machines.")
    ] = False,
) -> None:
    """Check that a deployment is ready and answers correctly, at every address.

    Prints one line per check. Exit code 0: all passed; 1: one failed; 2: invalid options.

    Example: slipway check grpc://localhost:8001 http://localhost:8000

    Example: slipway check http://gpu:8000 --metrics-url http://gpu:8002/metrics
    """
    from slipway.cli._deployment_checks import ExpectedAnswer  # `slipway --help` stays fast without gRPC

    if (image is None) != (label is None):
        raise CheckInvalid("expected both --image and --expect, or neither, got one")
    if image is not None and not image.is_file():
        raise CheckInvalid(f"--image: expected a picture, got no file {image}")
    options = access.connection(timeout_s=timeout_s)
    expected = ExpectedAnswer(version=version, image=image, label=label)
    results = []
    console = Console(highlight=False)
    for result in _run_checks(urls, metrics_url, options, model=model, expected=expected, wait_s=wait_s):
        results.append(result)
        if not as_json:
            console.print(_line(result), soft_wrap=True)
    if as_json:
        typer.echo(json.dumps([asdict(result) for result in results], indent=2))
    failed = sum(not result.passed for result in results)
    if failed:
        raise ChecksFailed(f"{failed} of {len(results)} checks failed")


def _run_checks(
    urls: list[str],
    metrics_url: str | None,
    options: ConnectionOptions,
    *,
    model: str,
    expected: ExpectedAnswer,
    wait_s: float,
) -> Iterator[CheckResult]:
    """Check readiness, answer and metrics, in this order; every address is parsed before the first request."""
    from slipway.cli._deployment_checks import check_answer, check_metrics, check_ready
    from slipway.client import InvalidAddress
    from slipway.client.wire import parse_address

    try:
        page = None if metrics_url is None else parse_address(metrics_url)
    except InvalidAddress as exc:
        raise CheckInvalid(f"--metrics-url: {exc}") from exc
    if page is not None and page.protocol != "http":
        raise CheckInvalid(f"--metrics-url: expected http:// or https://, got {metrics_url}")
    options.refuse_unused_certificates(urls)
    for classifier in [options.open(url, model=model) for url in urls]:
        with classifier:
            ready = check_ready(classifier, classifier.url, wait_s=wait_s)
            yield ready
            if ready.passed:
                yield from check_answer(classifier, classifier.url, expected)
    if page is not None:
        yield check_metrics(page, model=model, timeout_s=min(options.timeout_s, wait_s), tls=options.tls)


def _line(result: CheckResult) -> str:
    mark = "[bold green]✓[/]" if result.passed else "[bold red]✗[/]"
    where = "" if result.url in result.text else f" at {result.url}"
    return f"{mark} {result.check}{escape(where)}: {escape(printable(result.text, limit=2000))}"

"""`slipway check`: does a deployment answer rightly? For people after a rollout, and for `helm test`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from slipway.connection_options import (
    AuthorityOption,
    CaFileOption,
    CertFileOption,
    Connection,
    HeaderOption,
    KeyFileOption,
    TimeoutOption,
    TokenEnvOption,
    connection,
)
from slipway.errors import SlipwayError
from slipway.printable import printable

if TYPE_CHECKING:
    from slipway.cli._checks import Expected, Finding

__all__ = ["CheckUnclear", "ChecksFailed", "check"]


class CheckUnclear(SlipwayError):
    """The command line does not say what is to be checked."""

    exit_status = 2


class ChecksFailed(SlipwayError):
    """The deployment is not what was expected; each failed check has said why."""


def check(
    urls: Annotated[
        list[str],
        typer.Argument(help="Addresses to ask: grpc://, grpcs://, http:// or https://, host and port.", metavar="URL"),
    ],
    *,
    model: Annotated[str, typer.Option(help="The model's name on the server.")] = "mnist",
    version: Annotated[
        int | None, typer.Option(min=1, help="The version that should answer; any if not given.")
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="Send this picture, light on dark; a black one if not given.", metavar="FILE")
    ] = None,
    label: Annotated[
        str | None, typer.Option("--expect", help="What the picture of --image shows.", metavar="LABEL")
    ] = None,
    metrics_url: Annotated[
        str | None, typer.Option(help="Triton's metrics page: look for the series that autoscaling reads.")
    ] = None,
    wait_s: Annotated[float, typer.Option(min=0.1, help="Longest wait until the model is ready, in seconds.")] = 10.0,
    timeout_s: TimeoutOption = 5.0,
    header: HeaderOption = None,
    authority: AuthorityOption = None,
    ca_file: CaFileOption = None,
    cert_file: CertFileOption = None,
    key_file: KeyFileOption = None,
    token_env: TokenEnvOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list on standard output, for machines.")
    ] = False,
) -> None:
    """Check that a deployment is ready and answers rightly, at every address given.

    One line for each check; exit code 0 if all passed, 1 if one failed, 2 if the command line is not clear.

    Example: slipway check grpc://localhost:8001 http://localhost:8000

    Example: slipway check http://gpu:8000 --metrics-url http://gpu:8002/metrics
    """
    from slipway.cli._checks import Expected  # `slipway --help` stays fast without gRPC

    if (image is None) != (label is None):
        raise CheckUnclear("expected --image and --expect together, or none of them, got one")
    if image is not None and not image.is_file():
        raise CheckUnclear(f"--image: expected a picture, got no file {image}")
    reached = connection(
        timeout_s=timeout_s,
        header=header,
        authority=authority,
        ca_file=ca_file,
        cert_file=cert_file,
        key_file=key_file,
        token_env=token_env,
    )
    expected = Expected(version=version, image=image, label=label)
    findings = []
    console = Console(highlight=False)
    for finding in _ask(urls, metrics_url, reached, model=model, expected=expected, wait_s=wait_s):
        findings.append(finding)
        if not as_json:
            console.print(_line(finding), soft_wrap=True)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    failed = sum(not finding.passed for finding in findings)
    if failed:
        raise ChecksFailed(f"{failed} of {len(findings)} checks failed")


def _ask(
    urls: list[str], metrics_url: str | None, reached: Connection, *, model: str, expected: Expected, wait_s: float
) -> Iterator[Finding]:
    """Ask in the order in which one answer helps to read the next; addresses are read before anybody is asked."""
    from slipway.cli._checks import check_answer, check_metrics, check_ready
    from slipway.client import InvalidAddress
    from slipway.client.wire import parse_address

    try:
        page = None if metrics_url is None else parse_address(metrics_url)
    except InvalidAddress as exc:
        raise CheckUnclear(f"--metrics-url: {exc}") from exc
    if page is not None and page.protocol != "http":
        raise CheckUnclear(f"--metrics-url: expected http:// or https://, got {metrics_url}")
    reached.refuse_unused_certificates(urls)
    for classifier in [reached.open(url, model=model) for url in urls]:
        with classifier:
            ready = check_ready(classifier, classifier.url, wait_s=wait_s)
            yield ready
            if ready.passed:
                yield from check_answer(classifier, classifier.url, expected)
    if page is not None:
        yield check_metrics(page, model=model, timeout_s=min(reached.timeout_s, wait_s), tls=reached.tls)


def _line(finding: Finding) -> str:
    mark = "[bold green]✓[/]" if finding.passed else "[bold red]✗[/]"
    where = "" if finding.url in finding.text else f" at {finding.url}"
    return f"{mark} {finding.check}{escape(where)}: {escape(printable(finding.text, limit=2000))}"

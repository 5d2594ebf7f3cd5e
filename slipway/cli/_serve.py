"""`slipway serve`: a tritonserver on this machine, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from slipway.cli._cores import bind_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.triton import TritonServer

__all__ = ["serve"]

_PORT_HELP = "0 is any free port."


def serve(
    *,
    repository: Annotated[
        Path, typer.Option("--repository", "-r", help="The model repository.", envvar="SLIPWAY_REPOSITORY")
    ] = Path("model_repository"),
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="A model to load, repeatable; every published one if none."),
    ] = None,
    http_port: Annotated[int, typer.Option(min=0, max=65535, help=_PORT_HELP)] = 8000,
    grpc_port: Annotated[int, typer.Option(min=0, max=65535, help=_PORT_HELP)] = 8001,
    metrics_port: Annotated[int, typer.Option(min=0, max=65535, help=_PORT_HELP)] = 8002,
    address: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 is every interface.")] = "127.0.0.1",
    config_name: Annotated[str | None, typer.Option(help="Serve configs/NAME.pbtxt, such as gpu.")] = None,
    tritonserver: Annotated[
        Path | None, typer.Option(help="The program to run; else the one on PATH, else the one of the extra `serve`.")
    ] = None,
    ready_timeout_s: Annotated[float, typer.Option(help="Longest wait until every model is ready.")] = 60,
    exit_timeout_s: Annotated[
        int, typer.Option(help="Longest wait for requests in flight and unloading, when stopped.")
    ] = 30,
    cores: Annotated[
        str | None,
        typer.Option(
            "--cpus",
            help="Keep the server to these cores, such as 1 or 0,2-3; `loadtest` then keeps off them.",
            metavar="LIST",
        ),
    ] = None,
    log_file: Annotated[Path | None, typer.Option(help="Append tritonserver's log to this file.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Compare the served files with their manifest first.")
    ] = True,
    print_command: Annotated[
        bool, typer.Option("--print-command", help="Print tritonserver's command line in place of running it.")
    ] = False,
    print_admin_key: Annotated[
        bool,
        typer.Option(
            "--print-admin-key",
            help="Print the key to model control, shared memory, traces and logs: who has it runs code here.",
        ),
    ] = False,
) -> None:
    """Serve the published models on a real tritonserver, over gRPC and HTTP.

    Waits until every model answers, then says where. Ctrl-C or SIGTERM lets requests in flight finish and exits
    with 0; if tritonserver ends by itself, the reason out of its log is printed and the exit code is 1.

    Example: slipway serve --model mnist --http-port 0 --grpc-port 8001 --metrics-port 0
    """
    # Here, so that `slipway --help` stays fast.
    from slipway.triton import ServerSettings, TritonServer, prepare, servable_models

    if cores is not None:
        bind_to(cores)
    models = servable_models(repository, tuple(model) if model else None, config_name)
    settings = ServerSettings(
        repository=repository,
        models=models,
        http_port=http_port or None,
        grpc_port=grpc_port or None,
        metrics_port=metrics_port or None,
        address=address,
        config_name=config_name,
        tritonserver=tritonserver,
        ready_timeout_s=ready_timeout_s,
        exit_timeout_s=exit_timeout_s,
        log_file=log_file,
    )
    if verify:
        _verify(repository, models)
    if print_command:
        typer.echo(prepare(settings).shell_command())
        return
    _run(TritonServer(settings), print_admin_key=print_admin_key)


def _verify(repository: Path, models: tuple[str, ...]) -> None:
    """Check what Triton will load: the highest version of each model."""
    from slipway.repository import find_model, verify

    for name in models:
        verify(repository, name, find_model(repository, name).served.version)


def _run(server: TritonServer, *, print_admin_key: bool) -> None:
    from slipway.triton import ServeError

    _warn_of_others(server)
    with _one_stop_signal():
        try:
            server.start()
            _say_where(server, print_admin_key=print_admin_key)
            server.wait()
        except _StopRequested:
            typer.echo("stopping: requests in flight are answered first")
        finally:
            exit_code = server.stop()
    if exit_code not in (0, -signal.SIGTERM):  # the signal's own: it came while models were still loading
        raise ServeError(
            f"tritonserver did not finish its requests and unload its models within {server.settings.exit_timeout_s} s "
            f"(`--exit-timeout-s`); it ended with {exit_code}"
        )


def _say_where(server: TritonServer, *, print_admin_key: bool) -> None:
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table

    models = server.models()
    facts = Table.grid(padding=(0, 2))
    for served in models:
        facts.add_row("model", f"{served.name}, version {', '.join(map(str, served.versions))}")
    facts.add_row("gRPC", server.grpc_url)
    facts.add_row("HTTP", server.http_url)
    facts.add_row("metrics", server.metrics_url)
    console = Console(highlight=False)
    console.print(Panel(facts, title="ready", title_align="left", border_style="green", expand=False))
    name = models[0].name
    for command in (
        f"slipway predict digit.png --url {server.grpc_url} --model {name}",
        f"curl -i {server.http_url}/v2/models/{name}/ready",
        f"curl -s {server.metrics_url} | grep nv_inference",
    ):
        console.print(f"  {command}", soft_wrap=True)
    if print_admin_key:
        for kind, entries in (
            ("HTTP header", server.admin.http_headers),
            ("gRPC metadata", server.admin.grpc_metadata),
        ):
            for key, value in entries.items():
                console.print(f"  admin key, {kind}: {key}: {value}", soft_wrap=True)
    console.print("Ctrl-C stops it.")


def _warn_of_others(server: TritonServer) -> None:
    """Say at which addresses other machines reach the server, if they do."""
    from slipway.triton import addresses_from_outside

    addresses = addresses_from_outside(server.settings.address)
    if addresses:
        typer.echo(
            f"warning: other machines can reach this server at {', '.join(addresses)}, without a password and without "
            "encryption. It is made for a desk and for tests: see SECURITY.md, and `--address 127.0.0.1`",
            err=True,
        )


class _StopRequested(KeyboardInterrupt):
    """SIGINT or SIGTERM arrived."""


@contextmanager
def _one_stop_signal() -> Iterator[None]:
    """Raise `_StopRequested` at the first SIGINT or SIGTERM and ignore the rest, so that nothing cuts the drain short.

    Who cannot wait for `exit_timeout_s` kills this process: nothing outlives it.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)

    def ignore(*_: object) -> None:
        """In place of SIG_IGN, which Python reports as a race when both signals arrive at once."""

    def stop(*_: object) -> NoReturn:
        for number in numbers:
            signal.signal(number, ignore)
        raise _StopRequested

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

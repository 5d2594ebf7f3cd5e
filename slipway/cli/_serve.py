"""`slipway serve`: a tritonserver on this machine, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from slipway.cli._cpu_affinity import set_cpu_affinity
from slipway.platform.signals import handling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from slipway.triton import Launch, TritonServer

__all__ = ["serve"]

_PORT_HELP = "0 is any free port."
_ONE_REQUEST_S = 0.5
_INTERRUPTED = 130  # as a shell reports what ended by Ctrl-C


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
    backend: Annotated[
        Literal["native", "python"] | None,
        typer.Option(
            help="What runs the models in the tritonserver of the extra `serve`: the native backend, compiled on first "
            "use, or the Python one; else what SLIPWAY_BACKEND says, else the native one if it can be compiled.",
        ),
    ] = None,
    gpu: Annotated[
        bool,
        typer.Option(
            "--gpu",
            help="Run the models on this machine's NVIDIA GPU, with configs/gpu.pbtxt; needs extra `serve-gpu`.",
        ),
    ] = False,
    tensorrt: Annotated[
        Literal["fp32", "fp16"] | None,
        typer.Option(help="Run them on the GPU with TensorRT, in this precision; its engines are built once."),
    ] = None,
    ready_timeout_s: Annotated[float, typer.Option(help="Longest wait until every model is ready, in seconds.")] = 60,
    exit_timeout_s: Annotated[
        int, typer.Option(help="Longest wait for requests in flight and unloading when stopped, in seconds.")
    ] = 30,
    cpus: Annotated[
        str | None,
        typer.Option(
            "--cpus",
            help="Run the server on these CPUs only, such as 1 or 0,2-3; `loadtest` then uses the others.",
            metavar="LIST",
        ),
    ] = None,
    log_file: Annotated[Path | None, typer.Option(help="Append tritonserver's log to this file.")] = None,
    restarts: Annotated[
        int,
        typer.Option(min=0, help="How often within ten minutes a server that died is restarted; 0 is never."),
    ] = 5,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Compare the served files with their manifest first.")
    ] = True,
    print_command: Annotated[
        bool, typer.Option("--print-command", help="Print tritonserver's command line instead of running it.")
    ] = False,
    print_admin_key: Annotated[
        bool,
        typer.Option(
            "--print-admin-key",
            help="Print the key to model control, shared memory, traces and logs: its holder can run code here.",
        ),
    ] = False,
) -> None:
    """Serve the published models on a real tritonserver, over gRPC and HTTP.

    Waits until every model is ready, then prints the addresses. Without --model, a damaged model is left out with a
    warning. Ctrl-C or SIGTERM lets requests in flight finish and exits with 0; a second Ctrl-C ends at once. A
    tritonserver that died is restarted on the same ports; one that dies too often ends the command with the reason
    out of its log and exit code 1.

    Example: slipway serve --model mnist --http-port 0 --metrics-port 0
    """
    # Here, so that `slipway --help` stays fast.
    from slipway.triton import ServerSettings, TritonServer, prepare_to_print

    if cpus is not None:
        set_cpu_affinity(cpus)
    settings = ServerSettings(
        repository=repository,
        models=tuple(model) if model else None,
        verify=verify,
        http_port=http_port or None,
        grpc_port=grpc_port or None,
        metrics_port=metrics_port or None,
        address=address,
        config_name=config_name or ("gpu" if gpu or tensorrt else None),
        tritonserver=tritonserver,
        backend=backend,
        gpu=gpu or tensorrt is not None,
        tensorrt=tensorrt,
        ready_timeout_s=ready_timeout_s,
        exit_timeout_s=exit_timeout_s,
        log_file=log_file,
    )
    if print_command:
        launch = prepare_to_print(settings)
        _warn_of_what_is_served(launch)
        typer.echo(launch.shell_command())
        return
    _run(TritonServer(settings), restarts=restarts, print_admin_key=print_admin_key)


def _run(server: TritonServer, *, restarts: int, print_admin_key: bool) -> None:
    from slipway.triton import ServeError, supervise

    _warn_of_remote_access(server)
    with _stop_signals(server.kill) as stop:
        try:
            server.start()
            _warn_of_what_is_served(server)
            _print_addresses(server, print_admin_key=print_admin_key)
            supervise(server, restarts=restarts, tell=lambda text: typer.echo(text, err=True))
        except _StopRequested:
            typer.echo("stopping: requests in flight are answered first; a second Ctrl-C ends at once")
        finally:
            exit_code = server.stop()
    if stop.at_once:
        raise typer.Exit(_INTERRUPTED)
    if exit_code not in (0, -signal.SIGTERM):  # the signal's own: it came while models were still loading
        raise ServeError(
            f"tritonserver did not finish its requests and unload its models within {server.settings.exit_timeout_s} s "
            f"(`--exit-timeout-s`); it ended with {exit_code}"
        )


def _print_addresses(server: TritonServer, *, print_admin_key: bool) -> None:
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
    if server.gpus:
        facts.add_row("GPU", ", ".join(server.gpus))
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


def _warn_of_remote_access(server: TritonServer) -> None:
    """Warn of the addresses at which other machines reach the server, if they do."""
    from slipway.triton import addresses_from_outside

    addresses = addresses_from_outside(server.settings.address)
    if addresses:
        typer.echo(
            f"warning: other machines can reach this server at {', '.join(addresses)}, without a password and without "
            "encryption. It is meant for local use and for tests: see SECURITY.md, and `--address 127.0.0.1`",
            err=True,
        )


def _warn_of_what_is_served(served: TritonServer | Launch) -> None:
    if served.fallback:
        typer.echo(f"warning: {served.fallback}", err=True)
    for reason in served.left_out:
        typer.echo(f"warning: not served: {reason}", err=True)
    for reason in served.skipped:
        typer.echo(f"warning: an older version is served: {reason}", err=True)


class _StopRequested(KeyboardInterrupt):
    """SIGINT or SIGTERM arrived."""


@dataclass(slots=True, kw_only=True)
class _Stop:
    """When a stop was first requested, and whether a second request is to end the server at once."""

    first_s: float | None = None
    at_once: bool = False


@contextmanager
def _stop_signals(end_at_once: Callable[[], None]) -> Iterator[_Stop]:
    """Raise `_StopRequested` at the first SIGINT or SIGTERM; a later one ends at once.

    A process manager may send both signals, or one of them twice, in quick succession: that is one request.
    """
    stop = _Stop()

    def handle(*_: object) -> None:
        if stop.first_s is None:
            stop.first_s = time.monotonic()
            raise _StopRequested
        if time.monotonic() - stop.first_s > _ONE_REQUEST_S:
            stop.at_once = True
            end_at_once()

    with handling(handle, signal.SIGINT, signal.SIGTERM):
        yield stop

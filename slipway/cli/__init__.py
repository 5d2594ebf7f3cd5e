"""The `slipway` command: one sub-command per task, found where it is installed.

The library's own commands are listed here; the job packages (training, load test, rehearsal) announce theirs as
entry points of the group `slipway.commands`, so nothing here imports them, and `slipway --help` stays fast.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import typer
from rich.console import Console
from rich.markup import escape

from slipway.cli._check import check
from slipway.cli._models import app as models
from slipway.cli._predict import predict
from slipway.cli._serve import serve
from slipway.cli._values import values
from slipway.errors import SlipwayError

__all__ = ["app", "main"]

app = typer.Typer(
    name="slipway",
    help="From a Keras classifier to an autoscaled GPU service on Kubernetes.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
)
app.add_typer(models)
app.command()(serve)
app.command()(predict)
app.command()(check)
app.command()(values)
for entry_point in entry_points(group="slipway.commands"):
    command = entry_point.load()
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=entry_point.name)
    else:
        app.command(entry_point.name)(command)


def main() -> None:
    """Run the command line; an error that was raised on purpose is one line on stderr and its exit code."""
    try:
        app()
    except SlipwayError as exc:
        Console(stderr=True, highlight=False).print(f"[bold red]error:[/] {escape(str(exc))}", soft_wrap=True)
        sys.exit(exc.exit_status)

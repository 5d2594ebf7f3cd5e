"""The `slipway` command: one sub-command per task.

The library's own commands are listed here; the job packages (training, load test, rehearsal) register theirs as
entry points of the group `slipway.commands`, so nothing here imports them, and `slipway --help` stays fast.
"""

from __future__ import annotations

import sys
import warnings
from importlib.metadata import entry_points
from io import TextIOWrapper
from typing import Annotated, TextIO

import typer
from rich.console import Console
from rich.markup import escape

from slipway.cli._check import check
from slipway.cli._commands import add_command, join_lines_of_paragraphs, mark, not_installed
from slipway.cli._models import app as models
from slipway.cli._predict import predict
from slipway.cli._serve import serve
from slipway.cli._values import values
from slipway.distribution import installed_version
from slipway.errors import SlipwayError, SlipwayWarning
from slipway.printable import printable

__all__ = ["app", "run"]

_LONGEST_LINE = 4_000


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"slipway {installed_version()}")
        raise typer.Exit


app = typer.Typer(
    name="slipway",
    epilog="Exit codes: 0 success, 1 failure, 2 invalid input, 3 no verdict or not published, 4 dependency not "
    "installed, 5 partial success, 130 interrupted; see docs/exit-codes.md.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
)


@app.callback()
def _slipway(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """From a Keras classifier to an autoscaled GPU service on Kubernetes."""


app.add_typer(models)
app.command()(serve)
app.command()(predict)
app.command()(check)
app.command(short_help=mark("values", values.__doc__))(values)
for entry_point in entry_points(group="slipway.commands"):
    add_command(app, entry_point)
join_lines_of_paragraphs(app)


def run() -> None:
    """Run the command line; a Slipway error is printed as one line on stderr, with its exit code."""
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # escapes labels and file names that it cannot encode
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except SlipwayError as exc:
        _exit_with(exc)
    except ModuleNotFoundError as exc:
        error = not_installed(_command(sys.argv[1:]), exc)
        if error is None:
            raise
        _exit_with(error)


def _exit_with(error: SlipwayError) -> None:
    _print_message("[bold red]error:[/]", str(error))
    sys.exit(error.exit_status)


def _print_message(word: str, text: str) -> None:
    shown = "\n".join(printable(line, limit=_LONGEST_LINE) for line in text.split("\n"))
    Console(stderr=True, highlight=False).print(f"{word} {escape(shown)}", soft_wrap=True)


def _command(arguments: list[str]) -> str:
    return next((word for word in arguments if not word.startswith("-")), "")


_show_any_warning = warnings.showwarning


def _show_warning(  # noqa: PLR0917 - Python's signature
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a Slipway warning as one line, without its location in the code."""
    if issubclass(category, SlipwayWarning) and file is None:
        _print_message("[yellow]warning:[/]", str(message))
    else:
        _show_any_warning(message, category, filename, lineno, file, line)

"""The text that `--help` shows: paragraphs of docstrings, wrapped by the terminal and not by the source file."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import typer

__all__ = ["join_lines_of_paragraphs", "joined"]


def joined(text: str) -> str:
    r"""The paragraphs of a docstring, each on one line.

        joined("One.\n\nA line\nand its end.")      # 'One.\n\nA line and its end.'

    Typer keeps the line breaks of every paragraph but the first, so a line of 110 columns wraps twice in a terminal
    of 80.
    """
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def join_lines_of_paragraphs(app: typer.Typer) -> None:
    """Give every command below `app` the help text that `joined` makes of its docstring."""
    for command in app.registered_commands:
        command.help = _help_of(command.help, command.callback)
    for group in app.registered_groups:
        if group.typer_instance is None:
            continue
        join_lines_of_paragraphs(group.typer_instance)
    if app.registered_callback is not None:
        app.registered_callback.help = _help_of(app.registered_callback.help, app.registered_callback.callback)
    if isinstance(app.info.help, str):
        app.info.help = joined(app.info.help)


def _help_of(text: Any, callback: Callable[..., Any] | None) -> str | None:  # noqa: ANN401 - typer's own default is no str
    own = text if isinstance(text, str) else inspect.getdoc(callback)
    return None if own is None else joined(own)

"""Commands of other packages, the extras that commands need, and the formatting of help texts."""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import typer

from slipway.cli._shadowed_packages import find_shadows
from slipway.distribution import Extra, NotInstalled, install_hint

__all__ = ["add_command", "join_lines_of_paragraphs", "joined", "mark", "missing_modules", "not_installed"]


_ALL_OF_A_REHEARSAL: tuple[Extra, ...] = ("rehearsal", "loadtest", "serve")
_NEEDS: dict[str, tuple[Extra, ...]] = {
    "capacity": ("loadtest",),
    "cluster": _ALL_OF_A_REHEARSAL,
    "data": ("training",),
    "demo": ("training", "serve"),
    "loadtest": ("loadtest",),
    "rehearse": _ALL_OF_A_REHEARSAL,
    "serve": ("serve",),
    "train": ("training",),
    "values": ("deploy",),
}
"""Extras by command; other commands need only the base installation."""

_MODULES: dict[Extra, tuple[str, ...]] = {
    "deploy": ("kubernetes", "pydantic", "yaml"),
    "loadtest": ("hdrh", "jinja2", "locust", "plotly", "prometheus_client", "psutil", "pydantic", "yaml"),
    "rehearsal": ("aiohttp", "jinja2", "kubernetes", "plotly", "psutil", "pydantic", "trustme", "yaml"),
    "remote": ("fsspec", "gcsfs", "s3fs"),
    "serve": ("onnxruntime", "pytriton"),
    "training": (
        *("jinja2", "keras", "matplotlib", "onnx", "onnxruntime", "pip", "pydantic", "sklearn", "tensorboard"),
        *("tensorflow", "tf2onnx", "yaml"),
    ),
}
"""Import names of the modules that an extra installs."""

_OURS = {"loadtest", "rehearsal", "slipway", "training"}
_ANY_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True}


def missing_modules(command: str) -> tuple[str, ...]:
    """Modules that the command needs and that are not installed."""
    needed = {module for extra in _NEEDS.get(command, ()) for module in _MODULES[extra]}
    return tuple(sorted(module for module in needed if not _is_installed(module)))


def mark(command: str, help_text: str | None) -> str | None:
    """Line in the list of commands with the install command of a missing extra; None for typer's own line."""
    if command == "serve" or not missing_modules(command):  # `serve` may find a tritonserver on PATH
        return None
    first = (help_text or "").split("\n\n", 1)[0].replace("\n", " ")
    hint = install_hint(*_NEEDS[command]).replace("[", r"\[")
    return f"{first} [dim]Not installed: {hint}[/]"


def not_installed(command: str, error: ModuleNotFoundError) -> NotInstalled | None:
    """The error for a missing module of a command; None if no extra contains it."""
    missing = missing_modules(command)
    if not missing or (error.name or "").partition(".")[0] in _OURS:
        return None
    return NotInstalled(f"{command} is not part of this installation (no module {error.name!r}): {_hint(command)}")


def add_command(app: typer.Typer, entry_point: EntryPoint) -> None:
    """Add a command of another package; if its import fails, the command raises the error when it is called."""
    name = entry_point.name
    if shadowed := find_shadows(entry_point):
        app.command(name, short_help=f"[dim]{shadowed.short}[/]", context_settings=_ANY_ARGUMENTS)(_raising(shadowed))
        return
    try:
        command = entry_point.load()
    except ImportError as exc:
        app.command(name, short_help=mark(name, ""), context_settings=_ANY_ARGUMENTS)(_unloadable(name, exc))
        return
    if isinstance(command, typer.Typer):
        text = command.info.help if isinstance(command.info.help, str) else ""
        app.add_typer(command, name=name, short_help=mark(name, text))
    else:
        app.command(name, short_help=mark(name, command.__doc__))(command)


def _raising(error: Exception) -> Callable[..., Any]:
    def command() -> None:
        raise error

    return command


def _unloadable(name: str, error: ImportError) -> Callable[..., Any]:
    def command() -> None:
        raise NotInstalled(f"{name} cannot be loaded ({error}): {_hint(name)}") from error

    return command


def _hint(command: str) -> str:
    needed = _NEEDS.get(command)
    return install_hint(*needed) if needed else "reinstall the package that provides it"


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def joined(text: str) -> str:
    r"""The paragraphs of a docstring, each on one line, so that the terminal wraps them.

        joined("One.\n\nA line\nand its end.")      # 'One.\n\nA line and its end.'

    Typer keeps the line breaks of all paragraphs but the first, which wrap badly in narrow terminals.
    """
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def join_lines_of_paragraphs(app: typer.Typer) -> None:
    """Set the help text of every command below `app` to its docstring, with each paragraph on one line."""
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

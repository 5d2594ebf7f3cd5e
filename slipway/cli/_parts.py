"""The parts of Slipway that can be left out of an installation, and the commands that need them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import typer

from slipway.cli._own_packages import find_shadows
from slipway.distribution import Extra, NotInstalled, install_hint

__all__ = ["add_brought", "mark", "missing_modules", "not_installed"]

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
"""By command; a command that stands here nowhere does with the base installation."""

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
"""What an extra brings, as it is imported."""

_OURS = {"loadtest", "rehearsal", "slipway", "training"}


def missing_modules(command: str) -> tuple[str, ...]:
    """What the command needs and this environment has not; empty where it has everything."""
    wanted = {module for extra in _NEEDS.get(command, ()) for module in _MODULES[extra]}
    return tuple(sorted(module for module in wanted if not _is_there(module)))


def mark(command: str, help_text: str | None) -> str | None:
    """One line for the list of commands, with the way to those that are not installed; None: typer's own line."""
    if command == "serve" or not missing_modules(command):  # `serve` may find a tritonserver on PATH
        return None
    first = (help_text or "").split("\n\n", 1)[0].replace("\n", " ")
    hint = install_hint(*_NEEDS[command]).replace("[", r"\[")
    return f"{first} [dim]Not installed: {hint}[/]"


def not_installed(command: str, error: ModuleNotFoundError) -> NotInstalled | None:
    """What to say of a module that a command missed; None where nothing that can be installed explains it."""
    missing = missing_modules(command)
    if not missing or (error.name or "").partition(".")[0] in _OURS:
        return None
    return NotInstalled(f"{command} is not part of this installation (no module {error.name!r}): {_hint(command)}")


def add_brought(app: typer.Typer, entry_point: EntryPoint) -> None:
    """Add a command that another package announces; one that cannot even be loaded says so when it is called."""
    name = entry_point.name
    if shadowed := find_shadows(entry_point):
        app.command(name, short_help=f"[dim]{shadowed.short}[/]", context_settings=_ANY_ARGUMENTS)(_refused(shadowed))
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


_ANY_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True}


def _refused(error: Exception) -> Callable[..., Any]:
    def command() -> None:
        raise error

    return command


def _unloadable(name: str, error: ImportError) -> Callable[..., Any]:
    def command() -> None:
        raise NotInstalled(f"{name} cannot be loaded ({error}): {_hint(name)}") from error

    return command


def _hint(command: str) -> str:
    needed = _NEEDS.get(command)
    return install_hint(*needed) if needed else "install again the package that brings it"


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False

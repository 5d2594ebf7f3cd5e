"""Digests of a network's sources: the modules and files of its builder.

    source_digests(recipe.network)      # {"my_networks.py": "5f3a…", "base.keras": "77c0…"}

They detect that a builder was edited before a resume. They cover the builder's module, the modules that it imports from
outside of the installed packages, and files whose names are string constants in them or arguments of the builder.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.recipe import NetworkSettings

__all__ = ["source_digests"]

_SHIPPED = Path(__file__).parents[1]
_DATA_SUFFIXES = frozenset(
    {".csv", ".h5", ".hdf5", ".json", ".keras", ".npy", ".npz", ".onnx", ".pkl", ".txt", ".yaml"}
)


def source_digests(network: NetworkSettings) -> dict[str, str]:
    """SHA-256, in hex, of each source, by module name or file name.

    Args:
        network: Its builder must have been called before, so that its imports are known.
    """
    name, _, _ = network.builder.partition(":")
    digests: dict[str, str] = {}
    modules = _own_modules(name)
    for module, path in modules.items():
        digests[f"module {module}"] = _digest(path)
    for text in _texts(network.arguments):
        if argument_file := _file(text, Path.cwd()):
            digests[f"file {text}"] = _digest(argument_file)
    for path in modules.values():
        for text in _texts_in(path):
            if Path(text).suffix.lower() in _DATA_SUFFIXES and (data_file := _file(text, Path.cwd(), path.parent)):
                digests[f"file {text}"] = _digest(data_file)
    return digests


def _own_modules(builder: str) -> dict[str, Path]:
    """The builder's module, and its imports that are not installed packages."""
    modules: dict[str, Path] = {}
    pending = [builder]
    while pending:
        name = pending.pop()
        path = _source(name)
        if name in modules or path is None or (name != builder and _is_installed(path)):
            continue
        modules[name] = path
        if not path.is_relative_to(_SHIPPED):  # a shipped builder is one file; other modules change with releases
            pending += _imports(name, path)
    return modules


def _source(name: str) -> Path | None:
    file = getattr(sys.modules.get(name), "__file__", None)
    path = Path(file).resolve() if file else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def _is_installed(path: Path) -> bool:
    installed = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    roots = [Path(root).resolve() for root in installed if root] + [_SHIPPED]
    return "site-packages" in path.parts or any(path.is_relative_to(root) for root in roots)


def _imports(name: str, path: Path) -> Iterator[str]:
    """Names of all modules that the source may import."""
    module = sys.modules[name]
    package = name if hasattr(module, "__path__") else name.rpartition(".")[0]
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                try:
                    base = importlib.util.resolve_name("." * node.level + base, package)
                except ImportError:
                    continue
            yield from _with_parents(base)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _texts_in(path: Path) -> Iterator[str]:
    return (
        node.value for node in ast.walk(_parsed(path)) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401  # whatever YAML holds
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _file(text: str, *folders: Path) -> Path | None:
    """The file that a text names, relative to one of the folders."""
    if not text or "\0" in text or len(os.fsencode(text)) > 4096:
        return None
    try:
        return next((folder / text for folder in folders if (folder / text).is_file()), None)
    except OSError:
        return None


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "unreadable"

"""Everything that starting one tritonserver takes, decided before it is started."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from slipway.triton._arguments import arguments
from slipway.triton._backends import BACKEND, assemble_backends, default_cache
from slipway.triton._installation import EmbeddedTriton, find_tritonserver
from slipway.triton._models import servable_models
from slipway.triton._ports import Ports, choose_ports

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from slipway.triton._settings import ServerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One start of a tritonserver.

    Attributes:
        command: The program and its arguments.
        environment: Variables that differ from this process's.
        directory: Where it runs; None is where this process runs.
        ports: Where it listens.
        models: What it loads.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path | None
    ports: Ports
    models: tuple[str, ...]

    def shell_command(self) -> str:
        """The same start as one copyable shell command."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        directory = [f"--chdir={self.directory}"] if self.directory else []
        prefix = ["env", *directory, *variables] if directory or variables else []
        return " \\\n  ".join(shlex.quote(word) for word in (*prefix, *self.command))


def prepare(settings: ServerSettings) -> Launch:
    """Find the program, check the models, choose the ports.

    Raises:
        ServeError: Whatever would keep tritonserver from starting and can be known before.
    """
    settings = replace(settings, repository=settings.repository.resolve())
    models = servable_models(settings.repository, settings.models, settings.config_name)
    settings = replace(settings, models=models)
    triton = find_tritonserver(settings.tritonserver)
    ports = choose_ports(settings)
    if not isinstance(triton, EmbeddedTriton):
        command = (str(triton.executable), *arguments(settings, ports, triton.backends))
        return Launch(command=command, environment={}, directory=None, ports=ports, models=models)
    backends = assemble_backends(triton, default_cache())
    return Launch(
        command=(str(triton.executable), *arguments(settings, ports, backends, gpu_metrics=False)),
        environment={
            "LD_LIBRARY_PATH": _prepend(triton.library_directories, "LD_LIBRARY_PATH"),
            "PATH": _prepend((triton.bin_directory,), "PATH"),
        },
        # The stub puts its working directory first on sys.path: a model.py there would be taken for the backend.
        directory=backends / BACKEND,
        ports=ports,
        models=models,
    )


def _prepend(directories: tuple[Path, ...], variable: str) -> str:
    inherited = os.environ.get(variable)
    return os.pathsep.join([*map(str, directories), *([inherited] if inherited else [])])

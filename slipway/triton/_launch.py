"""Everything that starting one tritonserver takes, decided before it is started."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from slipway.triton._access import AdminKey
from slipway.triton._arguments import arguments
from slipway.triton._models import servable_models
from slipway.triton._ports import Ports, choose_ports
from slipway.triton._program import find_program

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
        admin: The key to what changes the server.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path | None
    ports: Ports
    models: tuple[str, ...]
    admin: AdminKey

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
    program = find_program(settings.tritonserver)
    ports = choose_ports(settings)
    admin = AdminKey()
    words = arguments(settings, ports, program.backends, admin=admin, gpu_metrics=program.gpu_metrics)
    return Launch(
        command=(str(program.executable), *words),
        environment=program.environment,
        directory=program.directory,
        ports=ports,
        models=models,
        admin=admin,
    )

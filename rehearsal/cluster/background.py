"""Entry point of the cluster's Python programs: options, logging, graceful exit.

run_background("rehearsal.cluster.gateway", lambda connection, _: run_gateway(connection))
# python -m rehearsal.cluster.gateway --cluster FOLDER
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from rehearsal.cluster.connection import ClusterConnection, read_connection
from slipway.errors import SlipwayError
from slipway.platform.signals import until_signalled

__all__ = ["mark_ready", "run_background"]

BackgroundProgram = Callable[[ClusterConnection, argparse.Namespace], Awaitable[None]]


def run_background(
    module: str, run: BackgroundProgram, *, options: Callable[[argparse.ArgumentParser], None] | None = None
) -> None:
    """Run until SIGTERM or SIGINT, which end the process with status 0; an error ends it with its exit status.

    Args:
        module: Module name, as in `python -m`.
        run: The program; called with the connection and its parsed options, cancelled at the end.
        options: Adds options beside `--cluster`.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--cluster", type=Path, required=True, help="the cluster's working folder")
    if options is not None:
        options(parser)
    arguments = parser.parse_args()
    _ready_file(arguments.cluster, module).unlink(missing_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        asyncio.run(until_signalled(run(read_connection(arguments.cluster), arguments)))
    except* (SlipwayError, OSError) as group:
        error = _first(group)
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_status if isinstance(error, SlipwayError) else 3)


def mark_ready(connection: ClusterConnection, module: str) -> None:
    """Report to the supervisor that the program is ready.

    The file is `<folder>/gateway.ready` for `rehearsal.cluster.gateway`.
    The file of a previous run is removed when the program starts.

    Raises:
        OSError: The folder cannot be written.
    """
    _ready_file(connection.folder, module).touch()


def _ready_file(folder: Path, module: str) -> Path:
    return folder / f"{module.rpartition('.')[2]}.ready"


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error in nested groups."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error

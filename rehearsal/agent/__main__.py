"""`python -m rehearsal.agent --cluster FOLDER`: see the package."""

from __future__ import annotations

from argparse import ArgumentParser

from rehearsal.agent.agent import Agent
from rehearsal.background import run_background


def _options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--restart-backoff-s", type=float, default=10.0, help="shortest wait before a container is restarted again"
    )


if __name__ == "__main__":
    run_background(
        "rehearsal.agent",
        lambda connection, options: Agent(connection, restart_backoff_s=options.restart_backoff_s).run(),
        options=_options,
    )

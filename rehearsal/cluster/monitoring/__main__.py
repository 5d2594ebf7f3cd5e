"""`python -m rehearsal.cluster.monitoring --cluster FOLDER`: see the package."""

from __future__ import annotations

from argparse import ArgumentParser

from rehearsal.cluster.background import run_background
from rehearsal.cluster.monitoring.prometheus_updates import run_monitoring


def _options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--longest-alert-wait-s",
        type=float,
        default=15.0,
        help="alerts whose `for:` is longer wait only this long, in seconds; default %(default)s",
    )


if __name__ == "__main__":
    run_background(
        "rehearsal.cluster.monitoring",
        lambda connection, arguments: run_monitoring(connection, longest_alert_wait_s=arguments.longest_alert_wait_s),
        options=_options,
    )

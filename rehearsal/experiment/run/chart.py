"""The serving chart on the cluster, by the commands that a user types.

chart = Chart(connection, Path("helm/serving"), values, folder=report / "chart")
chart.upgrade()
chart.upgrade({"model": {"version": "2"}})
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from loadtest.output_file import write_output
from rehearsal.cluster.connection import Connection
from rehearsal.errors import ChartRefused, RehearsalReportError
from rehearsal.experiment.run.values import RELEASE, laid_over
from slipway.platform.launcher import launch_command

__all__ = ["Chart", "require_chart"]

_TIMEOUT_S = 120.0
_LINES = 12


def require_chart(folder: Path) -> None:
    """Raise unless the folder holds a chart.

    Raises:
        ChartRefused: It does not.
    """
    if not (folder / "Chart.yaml").is_file():
        raise ChartRefused(f"{folder}: expected the chart helm/serving; run in the repository, or name it: --chart")


class Chart:
    """A release of the serving chart, and the values that are in force."""

    def __init__(self, connection: Connection, chart: Path, values: Mapping[str, Any], *, folder: Path) -> None:
        """`folder` takes the values file, and Helm's own files, so that the user's stay as they are."""
        require_chart(chart)
        self._connection = connection
        self._chart = chart
        self._folder = folder
        self.values = dict(values)

    def upgrade(self, change: Mapping[str, Any] | None = None) -> None:
        """Install it, or bring it to its values with `change` laid over them from now on.

        Raises:
            ChartRefused: With Helm's last lines.
            RehearsalReportError: The values cannot be written.
        """
        values = laid_over(self.values, change or {})
        file = self._folder / "values.yaml"
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        write_output(file, text, other="--report-dir", error=RehearsalReportError)
        self._helm("upgrade", "--install", RELEASE, str(self._chart.resolve()), "--values", str(file.resolve()))
        self.values = values

    def uninstall(self) -> None:
        """Take it away; nothing where it is not installed.

        Raises:
            ChartRefused: With Helm's last lines.
        """
        self._helm("uninstall", RELEASE, "--ignore-not-found")

    def _helm(self, *words: str) -> None:
        connection = self._connection
        program = connection.executables.get("helm")
        if program is None:
            raise ChartRefused("the cluster's programs have no helm; build them again: slipway cluster build")
        command = (str(program), *words, "--namespace", connection.namespace)
        places = {
            f"HELM_{kind}_HOME": str(self._folder / "helm" / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")
        }
        try:
            done = subprocess.run(
                launch_command(command, last_signal=signal.SIGKILL),
                env={**os.environ, **places, "KUBECONFIG": str(connection.kubeconfig)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as exc:
            raise ChartRefused(
                f"helm {words[0]} did not end within {_TIMEOUT_S:.0f} s; is the cluster well? (slipway cluster status)"
            ) from exc
        if done.returncode:
            said = "\n  ".join((done.stderr or done.stdout).strip().splitlines()[-_LINES:]) or "nothing"
            raise ChartRefused(
                f"helm {' '.join(words[:2])} {self._chart}: exit code {done.returncode}; it said:\n  {said}"
            )

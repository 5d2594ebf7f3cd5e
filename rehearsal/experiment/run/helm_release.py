"""The Helm release of the serving chart on the cluster, managed with the commands that a user types.

release = HelmRelease(connection, Path("helm/serving"), values, folder=report / "chart")
release.upgrade()
release.upgrade({"model": {"version": "2"}})
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
from rehearsal.cluster.connection import ClusterConnection
from rehearsal.errors import ChartRefused, RehearsalReportError
from rehearsal.experiment.run.chart_values import RELEASE, merge_values
from slipway.platform.launcher import launch_command

__all__ = ["HelmRelease", "require_chart"]

_TIMEOUT_S = 120.0
_OUTPUT_LINES = 12


def require_chart(folder: Path) -> None:
    """Raise unless the folder holds a chart.

    Raises:
        ChartRefused: It does not.
    """
    if not (folder / "Chart.yaml").is_file():
        raise ChartRefused(f"{folder}: expected the chart helm/serving; run in the repository, or name it: --chart")


class HelmRelease:
    """A release of the serving chart, and the values in effect."""

    def __init__(self, connection: ClusterConnection, chart: Path, values: Mapping[str, Any], *, folder: Path) -> None:
        """`folder` holds the values file and Helm's own cache and configuration; the user's are not touched."""
        require_chart(chart)
        self._connection = connection
        self._chart = chart
        self._folder = folder
        self.values = dict(values)

    def upgrade(self, change: Mapping[str, Any] | None = None) -> None:
        """Install or upgrade the release; `change` is merged into its values for good.

        Raises:
            ChartRefused: With Helm's last lines.
            RehearsalReportError: The values cannot be written.
        """
        values = merge_values(self.values, change or {})
        file = self._folder / "values.yaml"
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        write_output(file, text, other="--report-dir", error=RehearsalReportError)
        self._helm("upgrade", "--install", RELEASE, str(self._chart.resolve()), "--values", str(file.resolve()))
        self.values = values

    def uninstall(self) -> None:
        """Uninstall the release; it need not be installed.

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
        directories = {
            f"HELM_{kind}_HOME": str(self._folder / "helm" / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")
        }
        try:
            completed = subprocess.run(
                launch_command(command, last_signal=signal.SIGKILL),
                env={**os.environ, **directories, "KUBECONFIG": str(connection.kubeconfig)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as exc:
            raise ChartRefused(
                f"helm {words[0]} did not end within {_TIMEOUT_S:.0f} s; see `slipway cluster status`"
            ) from exc
        if completed.returncode:
            output = (
                "\n  ".join((completed.stderr or completed.stdout).strip().splitlines()[-_OUTPUT_LINES:]) or "no output"
            )
            raise ChartRefused(
                f"helm {' '.join(words[:2])} {self._chart}: exit code {completed.returncode}; its output:\n  {output}"
            )

"""The errors of the rehearsal, with the exit code that the command line ends with.

* RehearsalError           3: the rehearsal could not be carried out
  - ProgramsError          3: a program of the control plane is unavailable
      - GoMissing              3: there is no Go to build with
      - ModuleUnavailable      3: a Go module cannot be downloaded, or does not match go.sum
      - BuildFailed            3: a program does not build
  - MachineTooSmall        3: not enough disk space or memory
  - ClusterError           3: the cluster does not work as expected
      - ClusterExists          2: a cluster is running in this working folder
      - NoCluster              2: no cluster is running in this working folder
      - PodPortTaken           3: another program uses a port of the pods
      - ProgramDied            3: a program of the control plane ended
      - NotHealthy             3: a program was not healthy in time
      - ApiError               3: a request to the API server failed
          - ApiRefused             3: the API server rejected a request permanently
  - ChartRefused           3: Helm or the cluster refused the chart
  - RehearsalScenarioError 2: the scenario is missing, not YAML, or has an unknown key or an invalid value
  - RehearsalReportError   3: the report cannot be written
  - RehearsalReportUnreadable 2: a file is not a report of a rehearsal
  - StoreError             2: there is no published model, or it cannot be copied
  - NotServing             3: the service did not become ready, or does not answer
"""

from __future__ import annotations

from slipway.errors import SlipwayError

__all__ = [
    "ApiError",
    "ApiRefused",
    "BuildFailed",
    "ChartRefused",
    "ClusterError",
    "ClusterExists",
    "GoMissing",
    "MachineTooSmall",
    "ModuleUnavailable",
    "NoCluster",
    "NotHealthy",
    "NotServing",
    "PodPortTaken",
    "ProgramDied",
    "ProgramsError",
    "RehearsalError",
    "RehearsalReportError",
    "RehearsalReportUnreadable",
    "RehearsalScenarioError",
    "StoreError",
]


class RehearsalError(SlipwayError):
    """Base class of every error of the rehearsal."""

    exit_status = 3


class ProgramsError(RehearsalError):
    """A program of the control plane is unavailable."""


class GoMissing(ProgramsError):
    """There is no Go to build with."""


class ModuleUnavailable(ProgramsError):
    """A Go module cannot be downloaded, or does not match go.sum."""


class BuildFailed(ProgramsError):
    """A program does not build."""


class MachineTooSmall(RehearsalError):
    """Not enough disk space or memory."""


class ClusterError(RehearsalError):
    """The cluster does not work as expected."""


class ClusterExists(ClusterError):
    """A cluster is running in this working folder."""

    exit_status = 2


class NoCluster(ClusterError):
    """No cluster is running in this working folder."""

    exit_status = 2


class PodPortTaken(ClusterError):
    """Another program uses a port of the pods."""


class ProgramDied(ClusterError):
    """A program of the control plane ended."""


class NotHealthy(ClusterError):
    """A program was not healthy in time."""


class ApiError(ClusterError):
    """A request to the API server failed; a retry may succeed.

    Attributes:
        status: HTTP status; None without a response.
        said: The server's message.
    """

    def __init__(self, message: str, *, status: int | None = None, said: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.said = said


class ApiRefused(ApiError):
    """The API server rejected a request permanently."""


class ChartRefused(RehearsalError):
    """Helm or the cluster refused the chart."""


class RehearsalScenarioError(RehearsalError):
    """The scenario is invalid."""

    exit_status = 2


class RehearsalReportError(RehearsalError):
    """The report cannot be written."""


class RehearsalReportUnreadable(RehearsalError):
    """A file is not a report."""

    exit_status = 2


class StoreError(RehearsalError):
    """There is no published model."""

    exit_status = 2


class NotServing(RehearsalError):
    """The service did not become ready, or does not answer."""

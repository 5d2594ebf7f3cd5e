"""The errors of the rehearsal, with the exit code that the command line ends with.

* RehearsalError           3: the rehearsal could not be carried out
  - ProgramsError          3: a program of the control plane is unavailable
      - GoMissing              3: there is no Go to build with
      - ModuleUnavailable      3: a Go module cannot be downloaded, or is not what go.sum says
      - BuildFailed            3: a program does not build
  - MachineTooSmall        3: disk or memory does not suffice
  - ClusterError           3: the cluster does not work as expected
      - ClusterExists          2: one is up in this working folder
      - NoCluster              2: none is up in this working folder
      - PodPortTaken           3: another program listens where pods must listen
      - ProgramDied            3: a program of the control plane ended
      - NotHealthy             3: a program was not healthy in time
      - ApiError               3: the API server did not answer, or not as it should
          - ApiRefused             3: the API server refused what no repetition changes
  - ChartRefused           3: Helm or the cluster refused the chart
  - RehearsalScenarioError 2: the scenario is missing, no YAML, or holds an unknown key or an impossible value
  - RehearsalReportError   3: the report cannot be written
  - RehearsalReportUnreadable 2: a file is no report of a rehearsal
  - StoreError             2: there is no published model to rehearse with, or its copy cannot be made
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
    """A Go module cannot be downloaded, or is not what go.sum says."""


class BuildFailed(ProgramsError):
    """A program does not build."""


class MachineTooSmall(RehearsalError):
    """Disk or memory does not suffice."""


class ClusterError(RehearsalError):
    """The cluster does not work as expected."""


class ClusterExists(ClusterError):
    """A cluster is up in this working folder."""

    exit_status = 2


class NoCluster(ClusterError):
    """No cluster is up in this working folder."""

    exit_status = 2


class PodPortTaken(ClusterError):
    """Another program listens where pods must listen."""


class ProgramDied(ClusterError):
    """A program of the control plane ended."""


class NotHealthy(ClusterError):
    """A program was not healthy in time."""


class ApiError(ClusterError):
    """The API server did not answer, or not as it should; asking again may help.

    Attributes:
        status: Of HTTP; None without an answer.
        said: The server's own words.
    """

    def __init__(self, message: str, *, status: int | None = None, said: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.said = said


class ApiRefused(ApiError):
    """The API server refused what no repetition changes."""


class ChartRefused(RehearsalError):
    """Helm or the cluster refused the chart."""


class RehearsalScenarioError(RehearsalError):
    """The scenario cannot be run as it is written."""

    exit_status = 2


class RehearsalReportError(RehearsalError):
    """The report cannot be written."""


class RehearsalReportUnreadable(RehearsalError):
    """A file is no report."""

    exit_status = 2


class StoreError(RehearsalError):
    """There is no model to rehearse with."""

    exit_status = 2


class NotServing(RehearsalError):
    """The service did not become ready, or does not answer."""

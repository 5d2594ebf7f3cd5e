"""Any process: the errors of the load test, with the exit code that the command line ends with.

* LoadTestError          3: nothing valid was measured
  - ScenarioError        2: the scenario is missing, not YAML, or has an unknown key or an invalid value
  - PayloadError         2: the images to send are missing or unreadable, or do not fit the model
  - TargetError          3: connection to the target failed, or its model is not ready
      - TargetUnknown        2: the target has no such model or version
  - RunRefused           2 or 3: the load generator rejected the scenario or the target
  - GeneratorError       3: the load generator did not start, or ended before its report
  - ReportError          3: the report cannot be written
      - ReportExists         2: a report exists already, without --force
  - ReportUnreadable     2: a file is not a report of a load test
  - CapacityError        3: no rate meets the objectives, or none could be measured
"""

from __future__ import annotations

from slipway.errors import SlipwayError
from slipway.printable import printable

__all__ = [
    "CapacityError",
    "GeneratorError",
    "LoadTestError",
    "PayloadError",
    "ReportError",
    "ReportExists",
    "ReportUnreadable",
    "RunRefused",
    "ScenarioError",
    "TargetError",
    "TargetUnknown",
    "reason_of",
]


def reason_of(error: BaseException) -> str:
    """The error in one line: Slipway's own messages as they are, others with their type."""
    if isinstance(error, SlipwayError):
        return str(error)
    return f"{type(error).__name__}: {printable(str(error))}"


class LoadTestError(SlipwayError):
    """Base class of every error of the load test."""

    exit_status = 3


class ScenarioError(LoadTestError):
    """The scenario is invalid."""

    exit_status = 2


class PayloadError(LoadTestError):
    """There is nothing to send."""

    exit_status = 2


class TargetError(LoadTestError):
    """The target cannot be measured at present."""


class TargetUnknown(TargetError):
    """The target has no such model."""

    exit_status = 2


class RunRefused(LoadTestError):
    """The run did not begin; the exit code is the reason's own."""


class GeneratorError(LoadTestError):
    """The load generator failed."""


class ReportError(LoadTestError):
    """The report cannot be written."""


class ReportExists(ReportError):
    """There is a report already."""

    exit_status = 2


class ReportUnreadable(LoadTestError):
    """A file is not a report."""

    exit_status = 2


class CapacityError(LoadTestError):
    """The capacity search has no result."""

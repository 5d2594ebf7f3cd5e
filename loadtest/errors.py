"""Any process: the errors of the load test, with the exit code that the command line ends with.

* LoadTestError          3: nothing valid was measured
  - ScenarioError        2: the scenario is missing or no YAML, or holds an unknown key or an impossible value
  - PayloadError         2: the images to send cannot be had, or do not fit the model
  - TargetError          3: connection to the target failed, or its model is not ready
      - TargetUnknown        2: the target answers, and knows no such model or version
  - RunRefused           2 or 3: the load generator looked at the scenario and the target, and did not begin
  - GeneratorError       3: the load generator did not start, or ended before its report
  - ReportError          3: the report cannot be written
      - ReportExists         2: a report is there already, and nobody said that it may be overwritten
  - ReportUnreadable     2: a file is no report of a load test
  - CapacityError        3: no rate holds the objectives, or none could be measured
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
    """What happened, in a line: our own errors speak for themselves, others need their type to be understood."""
    if isinstance(error, SlipwayError):
        return str(error)
    return f"{type(error).__name__}: {printable(str(error))}"


class LoadTestError(SlipwayError):
    """Base class of every error of the load test."""

    exit_status = 3


class ScenarioError(LoadTestError):
    """The scenario cannot be run as it is written."""

    exit_status = 2


class PayloadError(LoadTestError):
    """There is nothing to send."""

    exit_status = 2


class TargetError(LoadTestError):
    """The target cannot be measured now."""


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
    """A file is no report."""

    exit_status = 2


class CapacityError(LoadTestError):
    """The search for the capacity has no result."""

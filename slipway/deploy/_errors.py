"""What can go wrong on the way to a cluster.

* DeployError            also raised for a cluster that refuses, see `slipway.deploy._promote`
  - ValuesRefused        these choices cannot become a values file
  - ValuesNotWritten     the file system refused
      - ValuesExist          the file exists already
"""

from __future__ import annotations

from slipway.errors import SlipwayError


class DeployError(SlipwayError):
    """Base class of everything that can go wrong on the way to a cluster."""


class ValuesRefused(DeployError):
    """The choices contradict each other, or what is published."""

    exit_status = 2


class ValuesNotWritten(DeployError):
    """The values file cannot be written; an existing one is unchanged."""


class ValuesExist(ValuesNotWritten):
    """The file exists already, and overwriting was not requested."""

    exit_status = 2

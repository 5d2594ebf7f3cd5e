"""Errors of deployment.

* DeployError            also raised if a cluster denies a request, see `slipway.deploy._promote`
  - ValuesRefused        the choices cannot make a values file
  - ValuesNotWritten     the file system refused
      - ValuesExist          the file exists already
"""

from __future__ import annotations

from slipway.errors import SlipwayError


class DeployError(SlipwayError):
    """Base class of the errors of deployment."""


class ValuesRefused(DeployError):
    """The choices contradict each other, or the published model."""

    exit_status = 2


class ValuesNotWritten(DeployError):
    """The values file cannot be written; an existing one is unchanged."""


class ValuesExist(ValuesNotWritten):
    """The file exists already, and overwriting was not requested."""

    exit_status = 2

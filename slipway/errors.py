"""The root of every error that Slipway raises on purpose.

* SlipwayError
  - RepositoryError    slipway.repository: a version cannot be published, verified or removed
  - NpzUnreadable      slipway.npz: a file of arrays is none, is damaged, or asks for too much memory
  - UnsafePath         slipway.contained_path: a path from outside would leave its folder; also ValueError
  - SamplesUnreadable  slipway.samples: no labelled images in a file, or not those of the model
  - ServeError         slipway.triton: tritonserver cannot be found, started or kept alive
  - ClientError        slipway.client: a prediction failed
  - CapacityUnreadable slipway.capacity: the file is missing, of another format, or names no target
  - DeployError        slipway.deploy: no values file can be made, or the cluster refuses
  - TrainingError      training: data, recipe, fit, gates or export
  - LoadTestError      loadtest: scenario, target, generator or report
  - NotInstalled       slipway.distribution: a part of Slipway is wanted that is not installed

Each area draws its own branch where it is defined. The text of an error says what was expected, what came,
and the way out: the command line prints it as it is, without a traceback.
"""

from __future__ import annotations

__all__ = ["SlipwayError", "SlipwayWarning"]


class SlipwayError(Exception):
    """Base class of every error that Slipway raises on purpose.

    Attributes:
        exit_status: What the `slipway` command ends with; docs/exit-codes.md lists all of them.
    """

    exit_status = 1


class SlipwayWarning(UserWarning):
    """Base class of every warning of Slipway: the work was done, and may not be what was meant."""

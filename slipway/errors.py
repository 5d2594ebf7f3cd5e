"""The base class of Slipway's errors.

* SlipwayError
  - RepositoryError    slipway.repository: a version cannot be published, verified or removed
  - NpzUnreadable      slipway.npz: not an npz file, damaged, or too large to load safely
  - UnsafePath         slipway.contained_path: an untrusted path would leave its folder; also ValueError
  - SamplesUnreadable  slipway.samples: a file has no labelled images, or those of another model
  - ServeError         slipway.triton: tritonserver cannot be found, started or kept alive
  - ClientError        slipway.client: a prediction failed
  - CapacityUnreadable slipway.capacity: the file is missing, of another format, or without target
  - DeployError        slipway.deploy: a values file cannot be made, or the cluster denied the request
  - TrainingError      training: data, recipe, fit, gates or export
  - LoadTestError      loadtest: scenario, target, generator or report
  - NotInstalled       slipway.distribution: an optional dependency is not installed

Each package documents its own part of the tree. An error message says what was expected, what was found, and the
remedy; the command line prints it without a traceback.
"""

from __future__ import annotations

__all__ = ["SlipwayError", "SlipwayWarning"]


class SlipwayError(Exception):
    """Base class of Slipway's errors.

    Attributes:
        exit_status: Exit code of the `slipway` command; see docs/exit-codes.md.
    """

    exit_status = 1


class SlipwayWarning(UserWarning):
    """Base class of Slipway's warnings: the operation succeeded, but its result may be unintended."""

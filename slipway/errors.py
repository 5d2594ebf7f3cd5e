"""The root of every error that Slipway raises on purpose.

* SlipwayError
  - RepositoryError    slipway.repository: a version cannot be published, verified or removed
  - ServeError         slipway.triton: tritonserver cannot be found, started or kept alive
  - ClientError        slipway.client: a prediction failed
  - TrainingError      training: data, recipe, fit, gates or export

Each area draws its own branch where it is defined. The text of an error says what was expected, what came,
and the way out: the command line prints it as it is, without a traceback.
"""

from __future__ import annotations

__all__ = ["SlipwayError"]


class SlipwayError(Exception):
    """Base class of every error that Slipway raises on purpose."""

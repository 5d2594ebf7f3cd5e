"""What one training run is asked to do: the one value that travels from the command line through the job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training.recipe import Recipe

__all__ = ["TrainingRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """What one run is asked to do.

    Attributes:
        recipe: What is trained.
        recipe_name: What people call it.
        repository: Model repository to publish into; None: do not publish.
        run_dir: Checkpoints, logs, model card. Files of an earlier run are replaced unless `resume`.
        data_file: A user's `.npz` in place of the recipe's data set.
        cache_dir: Where downloads are kept; None: see `slipway.platform.cache`.
        resume: Go on after the last whole epoch; a model that the run has published already is not published again.
    """

    recipe: Recipe
    recipe_name: str
    repository: Path | None
    run_dir: Path
    data_file: Path | None = None
    cache_dir: Path | None = None
    resume: bool = False

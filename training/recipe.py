"""A recipe says what is trained, and what it must reach. YAML in, one frozen value out.

    recipe = load_recipe("mnist")            # training/recipes/mnist.yaml
    recipe = load_recipe("my/recipe.yaml")   # a user's own file
    recipe.fit.epochs

Every problem of a file is reported at once, with key, expected and got.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from slipway.contract import Background, ModelContract
from slipway.platform.settings import Settings, SettingsFiles, check_settings
from training.errors import RecipeError
from training.recipe_sections import (
    AugmentationSettings,
    DatasetSettings,
    ExportSettings,
    FitSettings,
    GateSettings,
    InputRange,
    NetworkSettings,
    OptimizerSettings,
    RegularisationSettings,
    ServingSettings,
)

__all__ = [
    "AugmentationSettings",
    "DatasetSettings",
    "ExportSettings",
    "FitSettings",
    "GateSettings",
    "InputRange",
    "NetworkSettings",
    "OptimizerSettings",
    "Recipe",
    "RegularisationSettings",
    "ServingSettings",
    "TrainingRequest",
    "load_recipe",
    "shipped_recipes",
]

RECIPES = Path(__file__).parent / "recipes"
_FILES = SettingsFiles(folder=RECIPES, kind="recipe", sections="'network:' and 'fit:'", error=RecipeError)


class Recipe(Settings):
    """What is trained. Attributes are the sections of the file."""

    model: str
    """Name in the model repository."""
    description: str
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Two runs with one seed are equal on one machine."""
    dataset: DatasetSettings = DatasetSettings()
    network: NetworkSettings
    regularisation: RegularisationSettings = RegularisationSettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    fit: FitSettings
    gates: GateSettings
    export: ExportSettings = ExportSettings()
    serving: ServingSettings

    @field_validator("model")
    @classmethod
    def _name_of_a_model(cls, model: str) -> str:
        """Before an hour of training, not after: the contract refuses the same."""
        ModelContract(name=model, image_shape=(1, 1, 1), labels=("a", "b"), max_batch_size=1)
        return model

    @field_validator("description")
    @classmethod
    def _printable(cls, description: str) -> str:
        if not "".join(description.split()).isprintable():
            raise ValueError("expected text without control characters")
        return " ".join(description.split())

    @model_validator(mode="after")
    def _one_optimizer(self) -> Recipe:
        if self.network.compiled == "use" and "optimizer" in self.model_fields_set:
            raise ValueError(
                "optimizer: expected no such section beside network.compiled: use, which trains with the builder's"
            )
        return self

    @model_validator(mode="after")
    def _warmup_fits(self) -> Recipe:
        if self.optimizer.warmup_epochs >= self.fit.epochs:
            raise ValueError(
                f"optimizer.warmup_epochs: expected less than fit.epochs ({self.fit.epochs}), "
                f"got {self.optimizer.warmup_epochs}"
            )
        return self

    def contract(
        self, image_shape: tuple[int, int, int], labels: tuple[str, ...], *, background: Background | None = None
    ) -> ModelContract:
        """The promise of the model this recipe makes from images of that shape and background with those labels."""
        return ModelContract(
            name=self.model,
            image_shape=image_shape,
            labels=labels,
            max_batch_size=self.serving.max_batch_size,
            background=background,
        )


def shipped_recipes() -> tuple[str, ...]:
    """Names of the recipes that come with Slipway, sorted."""
    return _FILES.names()


def load_recipe(name_or_path: str) -> Recipe:
    """Read and check a recipe.

    Args:
        name_or_path: A shipped recipe's name, or the path of a YAML file.

    Raises:
        RecipeError: With file, key, expected, got, and the nearest known key for an unknown one.
    """
    path, document = _FILES.read(name_or_path)
    return check_settings(document, Recipe, where=str(path), error=RecipeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """What one run is asked to do.

    Attributes:
        recipe: The recipe.
        recipe_name: Name of the recipe.
        repository: Model repository to publish into; None: do not publish.
        run_dir: Checkpoints, logs, model card. Files of an earlier run are replaced unless `resume`.
        data_file: A user's `.npz` in place of the recipe's data set.
        cache_dir: Folder for downloads; None: see `slipway.platform.cache`.
        resume: Go on after the last whole epoch; a model that the run has published already is not published again.
    """

    recipe: Recipe
    recipe_name: str
    repository: Path | None
    run_dir: Path
    data_file: Path | None = None
    cache_dir: Path | None = None
    resume: bool = False

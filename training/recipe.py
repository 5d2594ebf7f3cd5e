"""A recipe says what is trained, and what it must reach. YAML in, one frozen value out.

    recipe = load_recipe("mnist")            # training/recipes/mnist.yaml
    recipe = load_recipe("my/recipe.yaml")   # a user's own file
    recipe.fit.epochs

Whatever a file gets wrong is told at once, with key, expected and got.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from slipway.contract import Background, ModelContract
from slipway.model_config import ServingProfile
from slipway.platform.settings import Settings, check_settings, find_settings_file, read_yaml
from training.errors import RecipeError

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
    "load_recipe",
    "shipped_recipes",
]

RECIPES = Path(__file__).parent / "recipes"

InputRange = Literal["unit", "raw"]
"""What a network takes for a pixel: `unit` 0.0 to 1.0, `raw` 0.0 to 255.0."""

_INT32 = 2**31 - 1  # Triton's, in config.pbtxt

Count = Annotated[int, Field(ge=1, le=_INT32)]
Fraction = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class DatasetSettings(Settings):
    """Which images."""

    name: Literal["mnist"] = "mnist"
    """The data set. A user's own arrays replace its images (`--data`), not its rules."""
    validation_images: Annotated[int, Field(ge=100)] | None = None
    """Training images that are set aside to choose by; the test images are touched once, at the end. If not given: one
    in six, and 5,000 at most."""


class NetworkSettings(Settings):
    """Which network: a function `builder(image_shape, classes, regularisation, **arguments) -> keras.Model`.

    The model takes float32 images in [0, 1], channels last, and answers probabilities.
    """

    builder: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    """`package.module:function`."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Passed to the builder by name."""
    input_range: InputRange | None = None
    """`raw`: the network scales pixels itself, and gets 0 to 255. `unit`: it gets [0, 1], unchecked. If not given: it
    gets [0, 1], and a network that scales them once more is refused."""

    compiled: Literal["use", "discard"] | None = None
    """`use`: train with the loss, optimizer and metrics that the builder compiled, in place of the recipe's.
    `discard`: train with the recipe's all the same. If not given: a network that comes compiled is refused."""

    @property
    def takes(self) -> InputRange:
        """What the network gets."""
        return self.input_range or "unit"


class RegularisationSettings(Settings):
    """What keeps the weights small; handed to the builder."""

    l1: NotNegative = 0.0
    l2: NotNegative = 0.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class AugmentationSettings(Settings):
    """Random distortion of each training image, drawn uniformly from +- the figure, anew each epoch."""

    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 0.0
    shift_fraction: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Of the image's height and width, each."""
    zoom_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0


class OptimizerSettings(Settings):
    """How the weights move."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: Positive = 1e-3
    """The peak, after warm-up."""
    weight_decay: NotNegative = 0.0
    """Decoupled; `adamw` only."""
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_epochs: NotNegative = 0.0
    """Linear from zero; part of `fit.epochs`."""

    @model_validator(mode="after")
    def _decay_needs_adamw(self) -> OptimizerSettings:
        if self.weight_decay and self.name != "adamw":
            raise ValueError(f"weight_decay needs name: adamw, got name: {self.name}")
        return self


class FitSettings(Settings):
    """How long."""

    epochs: Count
    batch_size: Count
    early_stopping_patience: Count | None = None
    """Epochs without a better validation loss before training stops and the best weights return."""


class GateSettings(Settings):
    """What a version must reach, on the test images, to be published."""

    min_accuracy: Fraction
    min_macro_f1: Fraction
    max_ece: Fraction
    """Largest expected calibration error, 15 bins."""
    max_parity_difference: Positive = 1e-5
    """Largest absolute difference of any probability between Keras and ONNX Runtime."""


class ExportSettings(Settings):
    """How the network is written."""

    opset: Annotated[int, Field(ge=13, le=17)] = 17
    """ONNX operator set; at most 17, which every Triton since 23.05 can load."""


class ServingProfileSettings(Settings):
    """How one kind of machine serves the model."""

    instances: Count
    queue_delay_us: Annotated[int, Field(ge=0, le=_INT32)] = 0
    intra_op_threads: Count = 1


class ServingSettings(Settings):
    """What Triton is told, per kind of machine."""

    max_batch_size: Count
    cpu: ServingProfileSettings
    gpu: ServingProfileSettings

    def profile(self, accelerator: Literal["cpu", "gpu"]) -> ServingProfile:
        """The library's value for one kind of machine."""
        chosen = self.cpu if accelerator == "cpu" else self.gpu
        return ServingProfile(accelerator=accelerator, **chosen.model_dump())


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
    return tuple(sorted(path.stem for path in RECIPES.glob("*.yaml")))


def load_recipe(name_or_path: str) -> Recipe:
    """Read and check a recipe.

    Args:
        name_or_path: A shipped recipe's name, or the path of a YAML file.

    Raises:
        RecipeError: With file, key, expected, got, and the nearest known key for an unknown one.
    """
    path = find_settings_file(name_or_path, RECIPES)
    document = read_yaml(
        path,
        sections="'network:' and 'fit:'",
        missing=f"no recipe {name_or_path!r}: expected one of {', '.join(shipped_recipes())}, or a YAML file",
        error=RecipeError,
    )
    return check_settings(document, Recipe, where=str(path), error=RecipeError)

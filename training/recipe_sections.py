"""The sections of a recipe: each key with its default, its bounds, its unit, and what it means."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from slipway.model_config import ServingProfile
from slipway.platform.settings import Fraction, Settings

__all__ = [
    "AugmentationSettings",
    "DatasetSettings",
    "ExportSettings",
    "FitSettings",
    "GateSettings",
    "InputRange",
    "NetworkSettings",
    "OptimizerSettings",
    "RegularisationSettings",
    "ServingProfileSettings",
    "ServingSettings",
]

InputRange = Literal["unit", "raw"]
"""The range of the pixels that a network takes: `unit` 0.0 to 1.0, `raw` 0.0 to 255.0."""

_INT32 = 2**31 - 1  # Triton's, in config.pbtxt

Count = Annotated[int, Field(ge=1, le=_INT32)]
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

    The model takes float32 images in [0, 1], channels last, and returns probabilities.
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
    def effective_input_range(self) -> InputRange:
        """The range that the network gets: `input_range`, or `unit` where the recipe names none."""
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
    """The serving profiles of Triton, per kind of machine."""

    max_batch_size: Count
    cpu: ServingProfileSettings
    gpu: ServingProfileSettings

    def profile(self, accelerator: Literal["cpu", "gpu"]) -> ServingProfile:
        """The library's value for one kind of machine."""
        chosen = self.cpu if accelerator == "cpu" else self.gpu
        return ServingProfile(accelerator=accelerator, **chosen.model_dump())

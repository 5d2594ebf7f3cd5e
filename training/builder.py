"""Call a recipe's builder, and verify that its network classifies the recipe's images.

    model = build_network(recipe, image_shape=(28, 28, 1), classes=10)

A builder is user code: it may raise or return anything.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training._tensorflow import keras
from training.errors import FitError, error_summary
from training.pixels import as_input
from training.recipe import InputRange, Recipe

__all__ = ["build_network"]

MAX_PARAMETERS = 500_000_000
"""An ONNX file is one protobuf message of at most 2 GiB: 536 million float32 weights."""

_PROBE_IMAGES = 4
_SUM_TOLERANCE = 1e-3
_BATCH_TOLERANCE = 0.005
"""Tolerance of a probability. Kernels for different batch sizes sum in a different order, which in half precision
changes the third digit; randomness or dependence on other images changes far more."""
_OWN_PACKAGES = frozenset({"loadtest", "rehearsal", "slipway", "training"})


def build_network(recipe: Recipe, image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Call the recipe's builder, and check that what it returns is a classifier of these images.

    User modules are also found in the current folder.

    Raises:
        FitError: The builder cannot be imported or called, or its model has the wrong input, the wrong output, or
            returns something other than probabilities; says expected and got.
    """
    where = f"network.builder {recipe.network.builder}"
    builder = _import_builder(where, recipe.network.builder)
    arguments = recipe.network.arguments
    try:
        model = builder(image_shape, classes, recipe.regularisation, **arguments)
    except SystemExit as exc:
        raise FitError(f"{where} called sys.exit({exc.code}): expected it to return a model") from exc
    except Exception as exc:  # user code may raise anything
        raise FitError(
            f"{where} failed, arguments {arguments}: {error_summary(exc)}; it is called as "
            "builder(image_shape, classes, regularisation, **arguments)"
        ) from exc
    if not isinstance(model, keras.Model):
        hint = "; does it end with `return model`?" if model is None else ""
        raise FitError(f"{where}: expected a keras.Model, got {type(model).__name__}{hint}")
    _check_answers(where, model, image_shape, classes, input_range=recipe.network.effective_input_range)
    if model.count_params() > MAX_PARAMETERS:
        raise FitError(
            f"{where}: expected at most {MAX_PARAMETERS:,} parameters, which an ONNX file can hold, got "
            f"{model.count_params():,}"
        )
    return model


def _import_builder(where: str, builder: str) -> Callable[..., Any]:
    module_name, _, function_name = builder.partition(":")
    if os.getcwd() not in sys.path:  # noqa: PTH109  # sys.path holds strings
        sys.path.append(os.getcwd())  # noqa: PTH109
    local_file = _in_current_folder(module_name)
    try:
        module = importlib.import_module(module_name)
        function = getattr(module, function_name)
    except SystemExit as exc:
        raise FitError(
            f"{where}: its module called sys.exit(): put its script part under `if __name__ == '__main__':`"
        ) from exc
    except Exception as exc:  # user code may raise anything
        if local_file is not None:
            _check_not_shadowed(where, module_name, local_file)
        raise FitError(
            f"{where}: cannot be imported: {error_summary(exc)}; expected 'package.module:function', installed or "
            "below the current folder"
        ) from exc
    if local_file is not None:
        _check_not_shadowed(where, module_name, local_file)
    if not callable(function):
        raise FitError(f"{where}: expected a function, got {type(function).__name__}")
    return function  # type: ignore[no-any-return]  # `callable` narrows Any to an unknown callable


def _in_current_folder(module_name: str) -> Path | None:
    """The file in the current folder that the name may refer to."""
    path = Path.cwd().joinpath(*module_name.split("."))
    return next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)


def _check_not_shadowed(where: str, module_name: str, local_file: Path) -> None:
    """Refuse to use a different module than that of the same name in the current folder."""
    top = module_name.partition(".")[0]
    loaded = sys.modules.get(module_name) or sys.modules.get(top)
    origin = getattr(loaded, "__file__", None) or next(iter(getattr(loaded, "__path__", [])), None)
    expected = local_file if module_name in sys.modules else Path.cwd() / top
    if origin is None or Path(origin).resolve() == local_file.resolve() or _same_text(Path(origin), local_file):
        return
    if module_name not in sys.modules and Path(origin).resolve().is_relative_to(expected.resolve()):
        return
    whose = "a package of Slipway" if top in _OWN_PACKAGES else "another module"
    raise FitError(
        f"{where}: {local_file} has the same name as {whose}, {origin}, which Python finds first: rename the "
        f"folder or file {top!r} here, and use the new name in network.builder"
    )


def _same_text(one: Path, other: Path) -> bool:
    """Whether two files are equal, as when an installed Slipway runs in its own source folder."""
    return one.is_file() and one.read_bytes() == other.read_bytes()


def _check_answers(
    where: str, model: keras.Model, image_shape: tuple[int, int, int], classes: int, *, input_range: InputRange
) -> None:
    probe = _probe(image_shape, input_range)
    try:
        output = model(probe, training=False)
    except Exception as exc:  # Keras, TensorFlow and user layers have their own types
        raise FitError(
            f"{where}: the model does not take float32 (batch, {_shape_text(image_shape)}), its one input: "
            f"{error_summary(exc)}"
        ) from exc
    answer = _one_output(where, output)
    if answer.shape != (_PROBE_IMAGES, classes):
        hint = f"; end the network with Dense({classes}, activation='softmax')" if answer.shape[1:] == (1,) else ""
        raise FitError(
            f"{where}: expected output (batch, {classes}), one probability per class, got "
            f"(batch, {_shape_text(answer.shape[1:])}){hint}"
        )
    sums = answer.sum(axis=1, dtype=np.float64)
    if not (answer.min() >= 0 and np.allclose(1, sums, atol=_SUM_TOLERANCE)) or _ends_with_sigmoid(model):
        raise FitError(
            f"{where}: expected probabilities that sum to 1 for each image, got values from "
            f"{answer.min():.3g} to {answer.max():.3g} with sums from {sums.min():.3g} to {sums.max():.3g}; "
            "end the network with a softmax"
        )
    _check_repeats(where, model, probe, answer)


def _probe(image_shape: tuple[int, int, int], input_range: InputRange) -> NDArray[np.float32]:
    """Noise images of increasing brightness; the first is the darkest."""
    noise = np.random.default_rng(0).integers(0, 256, (_PROBE_IMAGES, *image_shape), np.uint8)
    divisors = np.arange(_PROBE_IMAGES, 0, -1, dtype=np.uint8).reshape(-1, 1, 1, 1)
    return as_input(noise // divisors, input_range)


def _check_repeats(
    where: str, model: keras.Model, probe: NDArray[np.float32], answer: NDArray[np.floating[Any]]
) -> None:
    """Reject a network whose output for an image depends on anything else.

    The export would freeze random values, and Triton batches the images of different clients.
    """
    again, alone = (
        _one_output(where, model(images, training=False))[0].astype(np.float64) for images in (probe, probe[:1])
    )
    first = answer[0].astype(np.float64)
    if not np.allclose(first, again, atol=_BATCH_TOLERANCE):
        raise FitError(
            f"{where}: expected equal outputs for equal images, got {_largest_difference(first, again)}: the "
            "network is random at inference. Restrict that to training, with the argument `training` of call()"
        )
    if not np.allclose(first, alone, atol=_BATCH_TOLERANCE):
        raise FitError(
            f"{where}: expected an output that depends on its image alone, got {_largest_difference(first, alone)} "
            "between a batch and a single image: the network mixes the images of a batch, and a server batches those "
            "of different clients. Use no mean, softmax or norm over axis 0"
        )


def _largest_difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> str:
    row = int(np.abs(one - other).argmax())
    return f"{one[row]:.3g} and {other[row]:.3g}"


def _one_output(where: str, output: Any) -> NDArray[Any]:  # noqa: ANN401  # whatever a model returns
    """The output as an array, if it is a single numeric tensor."""
    if isinstance(output, Mapping | list | tuple):
        named = f" ({', '.join(map(str, output))})" if isinstance(output, Mapping) else ""
        raise FitError(
            f"{where}: expected one output, one probability per class, got {type(output).__name__} of {len(output)}"
            f"{named}: return a model with only the output to serve"
        )
    try:
        answer = np.asarray(output)
    except Exception as exc:  # a ragged or sparse tensor, or not a tensor
        raise FitError(f"{where}: expected one tensor as output, got {type(output).__name__}") from exc
    if answer.ndim == 0 or not np.issubdtype(answer.dtype, np.floating):
        answer = np.asarray(answer, np.float32) if answer.dtype.name == "bfloat16" else answer
    if answer.ndim == 0 or not np.issubdtype(answer.dtype, np.floating):
        raise FitError(f"{where}: expected float output (batch, classes), got {answer.dtype} of shape {answer.shape}")
    return answer


def _ends_with_sigmoid(model: keras.Model) -> bool:
    """Untrained sigmoids of two classes are 0.5 each, which sum to 1 until the first step."""
    last = model
    while isinstance(last, keras.Model) and last.layers:
        last = last.layers[-1]
    return getattr(last, "activation", None) is keras.activations.sigmoid


def _shape_text(shape: Sequence[int]) -> str:
    return ", ".join(map(str, shape))

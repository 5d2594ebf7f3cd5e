"""Compare the exported file's probabilities with the network's."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slipway.contract import IMAGE, PROBABILITIES
from slipway.onnx_runtime import onnxruntime
from training._tensorflow import keras
from training.errors import ExportError
from training.pixels import as_input
from training.recipe import InputRange

__all__ = ["Parity", "keras_probabilities", "measure_parity", "onnx_probabilities"]

_KERAS_BATCH_SIZE = 256
_ODD_BATCH_SIZE = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Difference between ONNX Runtime's and Keras' probabilities.

    Attributes:
        images: Number of images.
        max_abs_difference: Largest difference of a probability.
        argmax_disagreements: Number of images that the two classify differently.
    """

    images: int
    max_abs_difference: float
    argmax_disagreements: int


def keras_probabilities(
    model: keras.Model, images: NDArray[np.uint8], *, input_range: InputRange = "unit"
) -> NDArray[np.float32]:
    """Run the network in evaluation mode.

    Args:
        model: The network.
        images: Shape (n, height, width, channels), 0 to 255.
        input_range: Range of the pixels that it takes.

    Returns:
        Shape (n, classes).
    """
    batches = (images[start : start + _KERAS_BATCH_SIZE] for start in range(0, len(images), _KERAS_BATCH_SIZE))
    return np.concatenate([np.asarray(model(as_input(batch, input_range), training=False)) for batch in batches])


def measure_parity(
    model: keras.Model,
    onnx_bytes: bytes,
    images: NDArray[np.uint8],
    *,
    max_batch_size: int = 16,
    input_range: InputRange = "unit",
) -> Parity:
    """Run Keras and ONNX Runtime on the same images; Keras gets them in other batches, so a wrong batch axis shows.

    Args:
        model: The network that was exported.
        onnx_bytes: Output of `export_onnx`.
        images: Shape (n, height, width, channels); use a thousand or more.
        max_batch_size: Largest batch of the contract.
        input_range: Range of the pixels that the network takes.

    Raises:
        ExportError: No images, or ONNX Runtime cannot load or run the file.
    """
    if len(images) == 0:
        raise ExportError("parity of Keras and ONNX Runtime: expected at least one image, got none")
    expected = keras_probabilities(model, images, input_range=input_range)
    got = onnx_probabilities(onnx_bytes, images, max_batch_size)
    return Parity(
        images=len(images),
        max_abs_difference=float(np.abs(expected - got).max()),
        argmax_disagreements=int(np.count_nonzero(expected.argmax(axis=1) != got.argmax(axis=1))),
    )


def onnx_probabilities(onnx_bytes: bytes, images: NDArray[np.uint8], max_batch_size: int) -> NDArray[np.float32]:
    """Run the exported file in ONNX Runtime on the CPU: in batches of 1, an odd number and `max_batch_size`, in turn.

    Args:
        onnx_bytes: Output of `export_onnx`.
        images: Shape (n, height, width, channels), 0 to 255, n >= 1.
        max_batch_size: Largest batch of the contract.

    Returns:
        Shape (n, classes).

    Raises:
        ExportError: ONNX Runtime cannot load or run the file.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a deterministic order of additions
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(onnx_bytes, options, providers=["CPUExecutionProvider"])
        answers = [session.run([PROBABILITIES], {IMAGE: batch})[0] for batch in _batches(images, max_batch_size)]
    except Exception as exc:  # ONNX Runtime's exceptions have no other common base class
        raise ExportError(
            f"ONNX Runtime {onnxruntime.__version__} does not run the exported network: {exc}\n"
            "A lower export.opset, or the onnxruntime version of the lock file, may help"
        ) from exc
    return np.concatenate(answers)


def _batches(images: NDArray[np.uint8], max_batch_size: int) -> Iterator[NDArray[np.uint8]]:
    sizes = itertools.cycle(sorted({1, min(_ODD_BATCH_SIZE, max_batch_size), max_batch_size}))
    start = 0
    while start < len(images):
        stop = start + next(sizes)
        yield images[start:stop]
        start = stop

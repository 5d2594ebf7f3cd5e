"""Parity: the file answers as the network does, in every size of batch."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.unit.small_networks import (
    CLOSE,
    digits,
    layers,
    network,
)
from training._tensorflow import keras
from training.errors import ExportError
from training.export import measure_parity, onnx_probabilities


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(7)


def test_parity_of_a_thousand_images_in_changing_batches(exported):
    parity = measure_parity(exported.model, exported.onnx_bytes, digits(1_000), max_batch_size=16)

    assert (1_000, 0) == (parity.images, parity.argmax_disagreements)
    assert 0 < parity.max_abs_difference < CLOSE


def test_answers_do_not_depend_on_the_batch(exported):
    images = digits(40)
    in_sixteens, one_by_one = (onnx_probabilities(exported.onnx_bytes, images, size) for size in (16, 1))

    np.testing.assert_allclose(one_by_one, in_sixteens, atol=1e-6)


def wrong_in_batches_of(onnx_bytes, size):
    """The same network, but for batches of this size, where every probability is 0."""
    proto = onnx.ModelProto.FromString(onnx_bytes)
    node = next(node for node in proto.graph.node if "probabilities" in node.output)
    node.output[list(node.output).index("probabilities")] = "right"
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([size]), "wrong_size"))
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([0]), "batch_axis"))
    for operator, inputs, output, attributes in (
        ("Shape", ["image"], "shape", {}),
        ("Gather", ["shape", "batch_axis"], "size", {}),
        ("Equal", ["size", "wrong_size"], "wrong", {}),
        ("Not", ["wrong"], "kept", {}),
        ("Cast", ["kept"], "factor", {"to": onnx.TensorProto.FLOAT}),
        ("Mul", ["right", "factor"], "probabilities", {}),
    ):
        proto.graph.node.append(onnx.helper.make_node(operator, inputs, [output], **attributes))
    return proto.SerializeToString()


@pytest.mark.parametrize(("size", "max_batch_size"), [(1, 16), (7, 16), (16, 16), (1, 4), (4, 4)])
def test_parity_sees_a_network_that_is_wrong_for_one_size_of_batch(exported, size, max_batch_size):
    wrong = wrong_in_batches_of(exported.onnx_bytes, size)
    parity = measure_parity(exported.model, wrong, digits(48), max_batch_size=max_batch_size)

    assert CLOSE < parity.max_abs_difference


def test_parity_sees_a_network_that_is_not_the_exported_one(exported):
    other = network(layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"), layers.MaxPool2D())
    other.set_weights([-weight for weight in other.get_weights()])

    parity = measure_parity(other, exported.onnx_bytes, digits(60))

    assert CLOSE < parity.max_abs_difference
    assert 0 < parity.argmax_disagreements


def test_parity_of_no_images_is_refused(exported):
    with pytest.raises(ExportError, match="expected at least one image"):
        measure_parity(exported.model, exported.onnx_bytes, digits(0))


def test_a_file_that_onnx_runtime_cannot_load_is_named(exported):
    with pytest.raises(ExportError, match=f"ONNX Runtime {onnxruntime.__version__} does not run the exported network"):
        measure_parity(exported.model, exported.onnx_bytes[:-100], digits(1))

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest

from slipway.contract import ModelContract
from tests.unit.small_networks import (
    CLOSE,
    DIGITS,
    conv_first,
    dense_first,
    digits,
    layers,
    network,
    norm_first,
    regularised,
    rescaling_first,
    residual,
    shared_weights,
)
from training._tensorflow import keras, tf
from training.errors import ExportError
from training.export import describe_onnx, export_onnx, measure_parity


def graph_of(onnx_bytes):
    return onnx.ModelProto.FromString(onnx_bytes).graph


def operators(onnx_bytes):
    return [node.op_type for node in graph_of(onnx_bytes).node]


def tensor_of(value):
    tensor = value.type.tensor_type
    return value.name, tensor.elem_type, [dim.dim_param or dim.dim_value for dim in tensor.shape.dim]


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(7)


def test_inputs_and_outputs_are_those_of_the_contract(exported):
    graph = graph_of(exported.onnx_bytes)

    assert [("image", onnx.TensorProto.UINT8, ["batch", 28, 28, 1])] == [tensor_of(value) for value in graph.input]
    assert [("probabilities", onnx.TensorProto.FLOAT, ["batch", 10])] == [tensor_of(value) for value in graph.output]


@pytest.mark.parametrize("opset", [13, 17])
def test_opset_and_format_are_old_enough_for_every_triton(opset):
    proto = onnx.ModelProto.FromString(export_onnx(dense_first(), DIGITS, opset=opset))

    assert {"": opset} == {imported.domain: imported.version for imported in proto.opset_import}
    assert 8 == proto.ir_version


@pytest.mark.parametrize("opset", [12, 18])
def test_an_opset_outside_the_range_is_refused(exported, opset):
    with pytest.raises(ExportError, match=f"expected 13 to 17, got {opset}"):
        export_onnx(exported.model, DIGITS, opset=opset)


@pytest.mark.parametrize("opset", [14, 17])
def test_an_exact_gelu_keeps_parity(opset):
    """TensorFlow's holds an Erfc, which ONNX has not."""
    model = network(layers.Conv2D(4, 3, activation="gelu"))
    onnx_bytes = export_onnx(model, DIGITS, opset=opset)

    assert CLOSE >= measure_parity(model, onnx_bytes, digits(50)).max_abs_difference


def test_images_of_three_channels_keep_parity():
    contract = ModelContract(name="colour", image_shape=(12, 16, 3), labels=("a", "b"), max_batch_size=4)
    model = network(layers.Conv2D(4, 3), image_shape=contract.image_shape, classes=2)

    onnx_bytes = export_onnx(model, contract)
    parity = measure_parity(model, onnx_bytes, digits(60, contract.image_shape), max_batch_size=4)

    assert ["batch", 12, 16, 3] == tensor_of(graph_of(onnx_bytes).input[0])[2]
    assert "Mul" not in operators(onnx_bytes)
    assert CLOSE > parity.max_abs_difference


@pytest.mark.parametrize("build", [conv_first, dense_first, regularised], ids=lambda build: build.__name__)
def test_scaling_is_folded_into_the_first_layer(build):
    model = build()

    onnx_bytes = export_onnx(model, DIGITS)

    assert not {"Mul", "Div"} & set(operators(onnx_bytes))
    assert CLOSE > measure_parity(model, onnx_bytes, digits(60)).max_abs_difference


@pytest.mark.parametrize("build", [residual, rescaling_first, norm_first], ids=lambda build: build.__name__)
def test_scaling_stays_where_the_first_layer_cannot_take_it(build):
    model = build()

    onnx_bytes = export_onnx(model, DIGITS)

    assert {"Mul", "Div"} & set(operators(onnx_bytes))
    assert CLOSE > measure_parity(model, onnx_bytes, digits(60)).max_abs_difference


def test_a_scale_for_each_channel_stays_in_the_graph():
    contract = ModelContract(name="colour", image_shape=(12, 16, 3), labels=("a", "b"), max_batch_size=4)
    model = network(layers.Rescaling([1.0, 2.0, 3.0]), layers.Conv2D(4, 3), image_shape=contract.image_shape, classes=2)

    onnx_bytes = export_onnx(model, contract)

    assert "Mul" in operators(onnx_bytes)
    assert CLOSE > measure_parity(model, onnx_bytes, digits(20, contract.image_shape)).max_abs_difference


def test_weights_shared_with_a_later_layer_are_scaled_only_in_the_first():
    model = shared_weights()

    onnx_bytes = export_onnx(model, DIGITS)

    assert "Mul" not in operators(onnx_bytes)
    assert CLOSE > measure_parity(model, onnx_bytes, digits(60)).max_abs_difference


def test_the_graph_is_lean():
    model = network(layers.Conv2D(4, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU())

    expected = ["Cast", "Reshape", "Conv", "Relu", "Transpose", "Reshape", "MatMul", "Softmax"]

    assert expected == operators(export_onnx(model, DIGITS))


def test_the_callers_network_is_only_read(exported):
    before = [np.array(weight) for weight in exported.model.get_weights()]

    export_onnx(exported.model, DIGITS)

    for old, new in zip(before, exported.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_second_export_writes_the_same_bytes(exported):
    assert exported.onnx_bytes == export_onnx(exported.model, DIGITS)


def test_equal_weights_under_other_layer_names_write_the_same_bytes(exported):
    twin = conv_first()
    twin.set_weights(exported.model.get_weights())

    assert exported.model.layers[0].name != twin.layers[0].name
    assert exported.onnx_bytes == export_onnx(twin, DIGITS)


def test_another_process_writes_the_same_bytes_and_nothing_else(exported, tmp_path):
    np.savez(tmp_path / "weights.npz", *exported.model.get_weights())
    program = (
        "import sys\n"
        "from training.export import export_onnx\n"
        "from training._tensorflow import keras\n"
        "import numpy as np\n"
        "from slipway.contract import ModelContract\n"
        f"model = keras.models.model_from_json({exported.model.to_json()!r})\n"
        f"model.set_weights(list(np.load({str(tmp_path / 'weights.npz')!r}).values()))\n"
        f"sys.stdout.buffer.write(export_onnx(model, {DIGITS!r}))\n"
    )
    environment = os.environ | {"PYTHONHASHSEED": "4711"}

    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment, check=False)

    assert b"" == finished.stderr
    assert exported.onnx_bytes == finished.stdout


def test_names_say_the_operator_and_its_number(exported):
    graph = graph_of(exported.onnx_bytes)

    names = [name for node in graph.node for name in (node.name, *node.input, *node.output)]

    assert {"conv_0", "conv_0.input_1", "conv_0.output_0", "image", "probabilities"} <= set(names)
    assert not [name for name in names if "sequential" in name or "__" in name]


def test_the_file_names_no_run_and_no_machine(exported):
    proto = onnx.ModelProto.FromString(exported.onnx_bytes)

    assert ("slipway", "", "") == (proto.producer_name, proto.producer_version, proto.doc_string)
    assert ("mnist", "") == (proto.graph.name, proto.graph.doc_string)


def test_a_network_that_no_onnx_file_can_hold_is_refused_before_it_is_converted(monkeypatch):
    monkeypatch.setattr("training.export.onnx.MAX_PARAMETERS", 7_849)

    with pytest.raises(ExportError, match=r"expected at most 7,849 parameters, which an ONNX file can hold, got 7,850"):
        export_onnx(dense_first(), DIGITS)


def test_another_number_of_classes_is_refused():
    with pytest.raises(ExportError, match=r"expected outputs of shape \(None, 10\), got \(None, 9\)"):
        export_onnx(network(classes=9), DIGITS)


def test_a_network_for_other_images_is_refused_with_kerass_own_words():
    with pytest.raises(ExportError, match=r"does not take images of shape \(28, 28, 1\)") as refusal:
        export_onnx(network(image_shape=(32, 32, 1)), DIGITS)

    assert "to have value 1024, but received input with shape (None, 784)" in str(refusal.value)
    assert "Its builder must use the image_shape it is given" in str(refusal.value)
    assert str(refusal.value).replace("\n", "").isprintable()  # Keras colours its text


def test_an_operator_that_onnx_lacks_is_named():
    with pytest.raises(ExportError, match=r"(?s)BesselI0.*no counterpart in that operator set"):
        export_onnx(network(layers.Lambda(tf.math.bessel_i0)), DIGITS)


def test_a_loop_is_refused():
    def doubled(image):
        return tf.while_loop(lambda x: tf.reduce_sum(x) < 9, lambda x: [2 * x + 1], [image])[0]

    with pytest.raises(ExportError, match=r"branches or loops at run time \(ONNX operator Loop\)"):
        export_onnx(network(layers.Lambda(doubled, output_shape=(28, 28, 1))), DIGITS)


def test_a_converter_that_fails_is_named_with_its_reason(exported, monkeypatch):
    def broken(*_args, **_kwargs):
        raise KeyError("keras_tensor_6")

    monkeypatch.setattr("training.export.convert.from_function", broken)

    with pytest.raises(ExportError, match="cannot be converted to ONNX: KeyError: 'keras_tensor_6'"):
        export_onnx(exported.model, DIGITS)


def test_order_and_names_follow_from_the_graph_alone(exported):
    from training.export.graph_rewrites import canonical

    shuffled = onnx.ModelProto.FromString(exported.onnx_bytes)
    nodes = list(shuffled.graph.node)
    for node, counter in zip(nodes, itertools.count(900)):
        node.name = f"node__{counter}"
        attributes = list(node.attribute)
        del node.attribute[:]
        node.attribute.extend(reversed(attributes))
    del shuffled.graph.node[:]
    shuffled.graph.node.extend(reversed(nodes))

    assert onnx.ModelProto.FromString(exported.onnx_bytes).graph == canonical(shuffled).graph


def test_facts_are_those_of_the_file(exported):
    facts = describe_onnx(exported.onnx_bytes)

    assert (17, 8, len(exported.onnx_bytes)) == (facts.opset, facts.ir_version, facts.size_bytes)
    assert len(operators(exported.onnx_bytes)) == facts.nodes
    assert 4 * 3 * 3 + 7 * 7 * 4 * 10 == facts.parameters  # Keras starts biases at 0, and zeros are dropped

"""Names and order that depend on nothing but the network.

The converter numbers nodes and tensors with counters that run on from call to call, and its order follows theirs.
"""

from __future__ import annotations

from collections import Counter

import onnx

from training.errors import ExportError

__all__ = ["canonical"]

_PRODUCER = "slipway"


def canonical(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Write the same graph with its own order and names, without whatever the output does not need.

    Nodes are called after their operator and a number (`conv_0`), tensors after their node: `conv_0.output_0`, and
    `conv_0.input_1` for a constant, after its first reader. The graph's inputs and outputs keep their names.

    Raises:
        ExportError: The graph branches or loops, which this naming does not follow.
    """
    graph = proto.graph
    nodes = _in_order(graph)
    node_names = _node_names(nodes)
    names = {tensor.name: tensor.name for tensor in (*graph.input, *graph.output)}
    constants = {initializer.name: initializer for initializer in graph.initializer}
    used: list[onnx.TensorProto] = []
    for node, node_name in zip(nodes, node_names, strict=True):
        for slot, name in enumerate(node.input):
            if name in constants and name not in names:
                names[name] = f"{node_name}.input_{slot}"
                used.append(_renamed(constants[name], names[name]))
        for slot, name in enumerate(node.output):
            names.setdefault(name, f"{node_name}.output_{slot}")
    names[""] = ""  # an optional input that is left out
    return onnx.helper.make_model(
        onnx.helper.make_graph(
            [_rewritten(node, node_name, names) for node, node_name in zip(nodes, node_names, strict=True)],
            graph.name,
            list(graph.input),
            list(graph.output),
            initializer=used,
        ),
        producer_name=_PRODUCER,
        opset_imports=_opset_imports(proto, nodes),
    )


def _in_order(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Order nodes by a depth-first walk from the outputs, producers first.

    The result follows from the graph's structure alone, not from the order in which its nodes are stored, and
    leaves out nodes that no output needs.
    """
    producer = {name: index for index, node in enumerate(graph.node) for name in node.output}
    order: dict[int, None] = {}
    pending = [producer[output.name] for output in reversed(graph.output)]
    while pending:
        missing = [
            producer[name] for name in graph.node[pending[-1]].input if name in producer and producer[name] not in order
        ]
        if missing:
            pending.append(missing[0])
        else:
            order[pending.pop()] = None
    return [graph.node[index] for index in order]


def _node_names(nodes: list[onnx.NodeProto]) -> list[str]:
    seen: Counter[str] = Counter()
    names = []
    for node in nodes:
        operator = node.op_type.lower()
        names.append(f"{operator}_{seen[operator]}")
        seen[operator] += 1
    return names


def _rewritten(node: onnx.NodeProto, node_name: str, names: dict[str, str]) -> onnx.NodeProto:
    rewritten = onnx.NodeProto(
        op_type=node.op_type,
        domain=node.domain,
        name=node_name,
        input=[names[name] for name in node.input],
        output=[names[name] for name in node.output],
    )
    for attribute in sorted(node.attribute, key=lambda one: one.name):
        if attribute.HasField("g") or attribute.graphs:
            raise ExportError(
                f"the network branches or loops at run time (ONNX operator {node.op_type}): expected a plain sequence "
                "of layers; replace the layer that loops, or unroll it"
            )
        copied = rewritten.attribute.add()
        copied.CopyFrom(attribute)
        copied.ClearField("doc_string")
        if copied.HasField("t"):
            copied.t.ClearField("name")
    return rewritten


def _renamed(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    renamed = onnx.TensorProto()
    renamed.CopyFrom(tensor)
    renamed.name = name
    renamed.ClearField("doc_string")
    return renamed


def _opset_imports(proto: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> list[onnx.OperatorSetIdProto]:
    domains = {node.domain for node in nodes} | {""}
    return sorted((opset for opset in proto.opset_import if opset.domain in domains), key=lambda opset: opset.domain)

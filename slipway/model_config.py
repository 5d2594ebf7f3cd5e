"""Triton's `config.pbtxt`: written from a contract, and read back into one. No file is touched here.

    text = render_config(contract, ServingProfile(accelerator="cpu", instances=2))
    read_contract(parse_config(text)) == contract

The labels and the background of the training images travel inside the configuration (as parameters), so that a client
which asks a server for its model configuration learns the whole contract from one answer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, cast, get_args

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from slipway.contract import IMAGE, PROBABILITIES, Background, ModelContract, TensorSpec
from slipway.errors import SlipwayError

__all__ = ["ContractUnreadable", "ServingProfile", "parse_config", "read_contract", "read_profile", "render_config"]

_LABELS = "labels"
_BACKGROUND = "background"
_HEADER = """\
# Rendered from the recipe's contract and serving settings; a test compares. Edit the recipe, not this file.
# There is no queue policy on purpose: any of its settings makes Triton's batcher stall an idle server for 500 ms.
"""


class ContractUnreadable(SlipwayError, ValueError):
    """A model configuration does not describe an image classifier of Slipway's kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingProfile:
    """How one kind of machine serves the model.

    Attributes:
        accelerator: Where the instances run.
        instances: Model instances per device; each runs one batch at a time.
        queue_delay_us: Longest wait for more requests to share a batch, in microseconds. 0: whatever is queued.
        intra_op_threads: ONNX Runtime threads inside one operator. Explicit, because the default is every core of
            the *node*, which throttles a pod that may use fewer.
    """

    accelerator: Literal["cpu", "gpu"]
    instances: int
    queue_delay_us: int = 0
    intra_op_threads: int = 1


def render_config(contract: ModelContract, profile: ServingProfile) -> str:
    """Write the protobuf text that Triton reads as `config.pbtxt`."""
    config = pb.ModelConfig(name=contract.name, backend="onnxruntime", max_batch_size=contract.max_batch_size)
    config.input.add(name=IMAGE, data_type=pb.TYPE_UINT8, dims=contract.image.dims)
    config.output.add(
        name=PROBABILITIES, data_type=pb.TYPE_FP32, dims=contract.probabilities.dims, label_filename="labels.txt"
    )
    kind = pb.ModelInstanceGroup.KIND_CPU if profile.accelerator == "cpu" else pb.ModelInstanceGroup.KIND_GPU
    config.instance_group.add(kind=kind, count=profile.instances)
    config.dynamic_batching.max_queue_delay_microseconds = profile.queue_delay_us
    config.parameters["intra_op_thread_count"].string_value = str(profile.intra_op_threads)
    config.parameters["inter_op_thread_count"].string_value = "1"
    config.parameters[_LABELS].string_value = json.dumps(contract.labels)
    if contract.background is not None:
        config.parameters[_BACKGROUND].string_value = contract.background
    for batch_size in sorted({1, contract.max_batch_size}):
        warmup = config.model_warmup.add(name=f"batch-{batch_size}", batch_size=batch_size, count=1)
        warmup.inputs[IMAGE].CopyFrom(
            pb.ModelWarmup.Input(data_type=pb.TYPE_UINT8, dims=contract.image.dims, zero_data=True)
        )
    text: str = text_format.MessageToString(config)
    return _HEADER + text


def parse_config(text: str) -> pb.ModelConfig:
    """Read protobuf text.

    Raises:
        ContractUnreadable: With the line and column of what is not a model configuration.
    """
    try:
        return text_format.Parse(text, pb.ModelConfig())
    except text_format.ParseError as exc:
        raise ContractUnreadable(f"not a Triton model configuration: {exc}") from exc


def read_contract(config: pb.ModelConfig) -> ModelContract:
    """Read the contract out of a model configuration, a file's or a running server's.

    Labels that the configuration does not name are called "0", "1", ...

    Raises:
        ContractUnreadable: Tensors, types or dims are not those of an image classifier; says expected and got.
    """
    where = f"model {config.name!r}"
    image = _tensor(where, "input", config.input)
    probabilities = _tensor(where, "output", config.output)
    if image.name != IMAGE or image.dtype != "UINT8" or len(image.dims) != 3:
        raise ContractUnreadable(f"{where}: expected input {IMAGE} UINT8 [height, width, channels], got {_show(image)}")
    if probabilities.name != PROBABILITIES or probabilities.dtype != "FP32" or len(probabilities.dims) != 1:
        raise ContractUnreadable(f"{where}: expected output {PROBABILITIES} FP32 [labels], got {_show(probabilities)}")
    (classes,) = probabilities.dims
    labels = tuple(str(i) for i in range(classes))
    if _LABELS in config.parameters:
        labels = tuple(json.loads(config.parameters[_LABELS].string_value))
    if len(labels) != classes:
        raise ContractUnreadable(f"{where}: expected {classes} labels, one per probability, got {len(labels)}")
    try:
        return ModelContract(
            name=config.name,
            image_shape=(image.dims[0], image.dims[1], image.dims[2]),
            labels=labels,
            max_batch_size=config.max_batch_size,
            background=_background(config),
        )
    except ValueError as exc:
        raise ContractUnreadable(f"{where}: {exc}") from exc


def _background(config: pb.ModelConfig) -> Background | None:
    """What the configuration says of the training images; None where it says nothing that is known here."""
    said = config.parameters[_BACKGROUND].string_value if _BACKGROUND in config.parameters else ""
    return cast("Background", said) if said in get_args(Background) else None


def read_profile(config: pb.ModelConfig) -> ServingProfile:
    """Read how a model is served; what the configuration leaves open is Triton's own default.

    Raises:
        ContractUnreadable: It has not exactly one instance group.
    """
    if len(config.instance_group) != 1:
        raise ContractUnreadable(
            f"model {config.name!r}: expected one instance_group, got {len(config.instance_group)}: name its instances"
        )
    (group,) = config.instance_group
    threads = config.parameters["intra_op_thread_count"].string_value if config.parameters else ""
    return ServingProfile(
        accelerator="gpu" if group.kind == pb.ModelInstanceGroup.KIND_GPU else "cpu",
        instances=group.count or 1,
        queue_delay_us=config.dynamic_batching.max_queue_delay_microseconds,
        intra_op_threads=int(threads or 1),
    )


def _tensor(where: str, kind: str, tensors: object) -> TensorSpec:
    specs = [
        TensorSpec(
            name=tensor.name,
            dtype=cast('Literal["UINT8", "FP32"]', pb.DataType.Name(tensor.data_type).removeprefix("TYPE_")),
            dims=tuple(tensor.dims),
        )
        for tensor in cast("list[pb.ModelInput]", tensors)
    ]
    if len(specs) != 1:
        raise ContractUnreadable(f"{where}: expected one {kind}, got {[_show(spec) for spec in specs]}")
    return specs[0]


def _show(spec: TensorSpec) -> str:
    return f"{spec.name} {spec.dtype} {list(spec.dims)}"
